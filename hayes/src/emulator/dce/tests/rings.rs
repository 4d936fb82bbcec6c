//! Rings and callers of every family, byte for byte as the real ones.

use super::{Bench, CallerNumber, LineEvent, LineSignal, Role};

/// A modem on a mobile network.
pub(super) const CELLULAR: &str = "caller-id-by = [\"+CLIP=1\"]\ncaller-id-hex-by = []\ncaller-id = \"clip\"\n\
                                   caller-id-moment = \"every-ring\"\nring = \"cring\"\nconnect = \"\"";

const RING: &str = "\r\nRING\r\n";

fn known(number: &str) -> CallerNumber {
    CallerNumber::Known(number.to_owned())
}

#[test]
fn callers_are_told_as_received_once_switched_on_by_the_kinds_own_command() {
    let named = Some("A N OTHER");
    for (emulation, switch, number, name, shown) in [
        (
            "",
            "#CID=1",
            known("504551234"),
            named,
            "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 504551234\r\nNAME = A N OTHER\r\n",
        ),
        ("", "+VCID=1", known("0207"), None, "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 0207\r\n"),
        ("", "+VCID=1", CallerNumber::Withheld, None, "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = P\r\n"),
        ("", "+VCID=1", CallerNumber::Unavailable, None, "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = O\r\n"),
        (
            "caller-id = \"compact\"\ncaller-id-by = [\"#CID=1\"]",
            "#CID=1",
            known("5"),
            Some("WIRELESS CALLER"),
            "\r\nDATE=0321\r\nTIME=1405\r\nNMBR=5\r\nNAME=WIRELESS CALLER\r\n",
        ),
        (
            "caller-id = \"zyxel\"\ncaller-id-by = [\"S40.2=1\"]",
            "S40.2=1",
            known("5551234"),
            None,
            "\r\nTIME: 03-21 14:05\r\nCALLER NUMBER: 5551234\r\n",
        ),
        (
            "caller-id = \"zyxel\"\ncaller-id-by = [\"*ID1\"]",
            "*ID1",
            CallerNumber::Withheld,
            None,
            "\r\nTIME: 03-21 14:05\r\nREASON FOR NO CALLER NUMBER: PRIVATE\r\n",
        ),
    ] {
        let mut bench = Bench::of_kind(emulation);
        assert_eq!(bench.rings() + &bench.called_by(number.clone(), name), RING, "{switch} not yet given");
        assert_eq!(bench.typed(&format!("AT{switch}\r")), "\r\nOK\r\n");
        bench.wait(10.0);
        assert_eq!(bench.rings(), RING);
        assert_eq!(bench.called_by(number, name), shown, "{switch}");
        assert_eq!(bench.rings(), RING);
    }
}

#[test]
fn a_caller_may_come_before_the_first_ring() {
    let mut bench = Bench::of_kind("");
    bench.typed("AT+VCID=1\r");
    assert_eq!(bench.called_by(known("0207"), None), "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 0207\r\n");
    assert_eq!(bench.rings(), RING);
    assert_eq!(bench.typed("ATS1?\r"), "\r\n001\r\n\r\nOK\r\n");
}

#[test]
fn what_switches_callers_on_also_switches_them_off() {
    for (emulation, on, off) in [
        ("", "+VCID=1", "+VCID=0"),
        ("caller-id-by = [\"S40.2=1\"]", "S40=4", "S40.2=0"),
        ("caller-id-by = [\"S153=6\", \"$JSCID=4,1\"]", "$JSCID=4,1", "$JSCID=0,0"),
        ("caller-id-by = [\"S153=6\"]", "S153=6", "S153=0"),
        ("", "#CID=1", "&FE0"),
    ] {
        let mut bench = Bench::of_kind(emulation);
        assert_eq!(bench.typed(&format!("AT{on}\r")), "\r\nOK\r\n", "{on}");
        assert_ne!(bench.called_by(known("1"), None), "", "{on}");
        assert_eq!(bench.typed(&format!("AT{off}\r")), "\r\nOK\r\n", "{off}");
        assert_eq!(bench.called_by(known("1"), None), "", "{off}");
    }
}

#[test]
fn the_message_is_told_in_hexadecimal_with_its_checksum() {
    let mut bench = Bench::of_kind("");
    bench.typed("AT+VCID=2\r");
    // 04, 12 bytes, "0321140555", checksum.
    assert_eq!(bench.called_by(known("55"), None), "\r\n040A30333231313430353535F8\r\n");
    let named = bench.called_by(known("55"), Some("ANNE"));
    assert!(named.starts_with("\r\n801401083033323131343035020235350704414E4E45"), "{named}");
}

#[test]
fn the_last_caller_is_repeated_on_request() {
    let mut bench = Bench::of_kind("");
    assert_eq!(bench.typed("AT+VRID=0\r"), "\r\nOK\r\n");
    bench.called_by(known("55"), None);
    bench.converse(&[
        ("+VRID=0", "\r\nDATE = 0321\r\nTIME = 1405\r\nNMBR = 55\r\n\r\nOK\r\n"),
        ("+VRID=1", "\r\n040A30333231313430353535F8\r\n\r\nOK\r\n"),
    ]);
}

#[test]
fn isdn_adapters_tell_both_numbers_with_every_ring_from_the_start() {
    for (style, ring, withheld) in [
        ("elsa-ring", "\r\nRING;5550001;5550002\r\n", "\r\nRING;;5550002\r\n"),
        (
            "isdn4linux",
            "\r\nRING/5550002\r\n\r\nCALLER NUMBER: 5550001\r\n",
            "\r\nRING/5550002\r\n\r\nCALLER NUMBER: 0\r\n",
        ),
        ("ring-number", "\r\nRING 5550001\r\n", "\r\nRING\r\n"),
        ("from-to", "\r\nRING\r\n\r\nFM:5550001 TO:5550002\r\n", "\r\nRING\r\n\r\nFM: TO:5550002\r\n"),
    ] {
        let kind = format!(
            "caller-id = \"{style}\"\ncaller-id-by = []\ncaller-id-hex-by = []\ncaller-id-moment = \"every-ring\""
        );
        let mut bench = Bench::of_kind(&kind);
        for (number, shown) in [(known("5550001"), ring), (CallerNumber::Withheld, withheld)] {
            assert_eq!(bench.called_by(number, None), "", "{style}");
            assert_eq!(bench.rings(), shown, "{style}");
            bench.wait(5.0);
            assert_eq!(bench.rings(), shown, "{style}, second ring");
            bench.wait(20.0);
        }
        assert_eq!(bench.rings(), RING, "{style}: the caller has been forgotten");
    }
}

#[test]
fn a_mobile_modem_tells_its_callers_with_every_ring() {
    let mut bench = Bench::of_kind(CELLULAR);
    bench.called_by(known("+27821231234"), None);
    assert_eq!(bench.rings(), RING);
    bench.converse(&[
        ("+CLIP=1", "\r\nOK\r\n"),
        ("+CLIP?", "\r\n+CLIP: 1,1\r\n\r\nOK\r\n"),
        ("+CLCC", "\r\n+CLCC: 1,1,4,0,0,\"+27821231234\",145\r\n\r\nOK\r\n"),
        ("+CPAS", "\r\n+CPAS: 3\r\n\r\nOK\r\n"),
    ]);
    let clip = "\r\n+CLIP: \"+27821231234\",145,,,,0\r\n";
    assert_eq!(bench.rings(), format!("{RING}{clip}"));
    bench.typed("AT+CRC=1\r");
    assert_eq!(bench.rings(), format!("\r\n+CRING: VOICE\r\n{clip}"));
    bench.wait(20.0);
    bench.called_by(CallerNumber::Withheld, None);
    assert_eq!(bench.rings(), "\r\n+CRING: VOICE\r\n\r\n+CLIP: \"\",128,,,,1\r\n");
    bench.converse(&[("+CHUP", "\r\nOK\r\n")]);
}

#[test]
fn a_mobile_modem_says_that_its_caller_has_gone_and_others_do_not() {
    let mut bench = Bench::of_kind(CELLULAR);
    assert_eq!(bench.event(LineEvent::Dropped), "", "nobody has called");
    bench.called_by(known("+27821231234"), None);
    assert_eq!(bench.rings(), RING);
    assert_eq!(bench.event(LineEvent::Dropped), "\r\nNO CARRIER\r\n");
    bench.converse(&[("+CPAS", "\r\n+CPAS: 0\r\n\r\nOK\r\n"), ("S1?", "\r\n000\r\n\r\nOK\r\n")]);
    let mut bench = Bench::of_kind("");
    assert_eq!(bench.rings(), RING);
    assert_eq!(bench.event(LineEvent::Dropped), "");
}

#[test]
fn a_mobile_modem_knows_its_network() {
    let mut bench = Bench::of_kind(CELLULAR);
    bench.converse(&[
        ("+CREG?", "\r\n+CREG: 0,1\r\n\r\nOK\r\n"),
        ("+CSQ", "\r\n+CSQ: 20,99\r\n\r\nOK\r\n"),
        ("+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n"),
        ("+COPS?", "\r\n+COPS: 0,0,\"Exchange\"\r\n\r\nOK\r\n"),
        ("+CLCC", "\r\nOK\r\n"),
        ("+CGDCONT=1,\"IP\",\"internet\"", "\r\nOK\r\n"),
        ("+CSCS=\"GSM\";+CSCS?", "\r\n+CSCS: \"GSM\"\r\n\r\nOK\r\n"),
        ("+CLIP=7", "\r\nERROR\r\n"),
        ("+CMEE=1", "\r\nOK\r\n"),
        ("+CLIP=7", "\r\n+CME ERROR: 50\r\n"),
        ("+CMEE=2", "\r\nOK\r\n"),
        ("+CLIP=7", "\r\n+CME ERROR: Incorrect parameters\r\n"),
        ("+NONSENSE", "\r\nERROR\r\n"),
        ("+VCID=1", "\r\nERROR\r\n"),
        ("I1", "\r\nERROR\r\n"),
    ]);
}

#[test]
fn a_waiting_call_is_told_by_a_mobile_modem_that_takes_commands() {
    let waiting = || LineEvent::CallWaiting(super::CallerId { number: Some(known("123")), ..Default::default() });
    let mut bench = Bench::of_kind(CELLULAR);
    assert_eq!(bench.dials("DT5550001;"), "\r\nOK\r\n");
    assert_eq!(bench.event(waiting()), "");
    bench.typed("AT+CCWA=1,1\r");
    assert_eq!(bench.event(waiting()), "\r\n+CCWA: \"123\",129,1,,0\r\n");

    let mut analogue = Bench::of_kind("");
    analogue.typed("ATH1\r");
    assert_eq!(analogue.event(waiting()), "");
    let mut online = Bench::online();
    assert_eq!(online.event(waiting()), "");
}

#[test]
fn distinctive_rings_are_told_apart_once_switched_on() {
    for (emulation, switch, patterns) in [
        ("distinctive-ring-by = [\"-SDR=7\"]", "-SDR=7", ["\r\nRING\r\n", "\r\nRING 1\r\n", "\r\nRING 2\r\n"]),
        (
            "ring = \"lettered\"\ndistinctive-ring-by = [\"S41=1\"]",
            "S41=1",
            ["\r\nRING\r\n", "\r\nRING A\r\n", "\r\nRING B\r\n"],
        ),
    ] {
        let mut bench = Bench::of_kind(emulation);
        assert_eq!(bench.event(LineEvent::Ring { pattern: 2 }), RING, "{switch} not yet given");
        bench.typed(&format!("AT{switch}\r"));
        for (pattern, shown) in (0..).zip(patterns) {
            assert_eq!(bench.event(LineEvent::Ring { pattern }), shown, "{switch}");
        }
    }
}

#[test]
fn cadences_are_told_in_tenths_of_a_second_before_the_ring() {
    let mut bench = Bench::of_kind("ring = \"cadence\"\ndistinctive-ring-by = [\"+VDR=1,0\"]");
    assert_eq!(bench.event(LineEvent::Ring { pattern: 1 }), RING);
    bench.typed("AT+VDR=1,0\r");
    bench.wait(10.0);
    let ordinary = |silence| format!("\r\nDROF={silence}\r\n\r\nDRON=20\r\n{RING}");
    assert_eq!(bench.rings(), ordinary(0));
    assert_eq!(bench.rings(), ordinary(40));
    bench.wait(10.0);
    let double = "\r\nDROF=0\r\n\r\nDRON=8\r\n\r\nDROF=4\r\n\r\nDRON=8\r\n\r\nRING\r\n";
    assert_eq!(bench.event(LineEvent::Ring { pattern: 1 }), double);
}

#[test]
fn in_voice_mode_an_answer_is_ok_and_sends_no_tone() {
    let mut bench = Bench::of_kind("answers = { \"+FCLASS=?\" = [\"0,8\"] }");
    bench.typed("AT+FCLASS=8\r");
    bench.rings();
    assert_eq!(bench.typed("ATA\r"), "\r\nOK\r\n");
    assert_eq!(bench.signals(), [LineSignal::OffHook(Role::Silent)]);
    bench.typed("ATH\r");
    assert_eq!(bench.dials("D5550001"), "\r\nOK\r\n");
}

#[test]
fn every_kind_that_comes_with_the_crate_tells_callers_by_its_own_settings() {
    for kind in crate::profile::Catalogue::built_in().iter() {
        let emulation = &kind.emulation;
        let settings = emulation.caller_id_by.iter().chain(&emulation.caller_id_hex_by);
        for setting in
            settings.map(|setting| Some(setting.as_str())).chain(emulation.caller_id_by.is_empty().then_some(None))
        {
            let mut bench = Bench::with(std::sync::Arc::clone(kind));
            let line = format!("ATE0{}\r", setting.unwrap_or_default());
            assert_eq!(bench.typed(&line), format!("{line}\r\nOK\r\n"), "{}", kind.id);
            let told = bench.called_by(known("5550001"), None) + &bench.rings();
            let digits = told.contains("5550001") || told.contains("35353530303031");
            assert!(digits, "{} with {setting:?}: {told:?}", kind.id);
        }
        for setting in &emulation.distinctive_ring_by {
            let mut bench = Bench::with(std::sync::Arc::clone(kind));
            let line = format!("ATE0{setting}\r");
            assert_eq!(bench.typed(&line), format!("{line}\r\nOK\r\n"), "{}", kind.id);
            let rings = [0, 1].map(|pattern| bench.event(LineEvent::Ring { pattern }));
            assert_ne!(rings[0], rings[1], "{} with {setting}", kind.id);
        }
    }
}
