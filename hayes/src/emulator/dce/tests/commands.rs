//! Command lines and their exact answers.

use super::Bench;

/// The answer of a line that is carried out without a word.
const OK: &str = "\r\nOK\r\n";
const ERROR: &str = "\r\nERROR\r\n";

/// An information text and `OK`.
fn told(text: &str) -> String {
    format!("\r\n{text}\r\n\r\nOK\r\n")
}

#[test]
fn parameters_are_read_as_they_leave_the_factory() {
    for (asked, text) in [
        ("+IPR?", "+IPR: 0"),
        ("+ICF?", "+ICF: 3,3"),
        ("+IFC?", "+IFC: 2,2"),
        ("+ILRR?", "+ILRR: 0"),
        ("+GCI?", "+GCI: B5"),
        ("+MS?", "+MS: V34,1,0,0"),
        ("+MA?", "+MA: "),
        ("+MR?", "+MR: 0"),
        ("+ES?", "+ES: 3,0,2"),
        ("+EB?", "+EB: 1,0,30"),
        ("+ER?", "+ER: 0"),
        ("+ESR?", "+ESR: 1"),
        ("+ETBM?", "+ETBM: 1,1,20"),
        ("+DS?", "+DS: 3,0,2048,32"),
        ("+DR?", "+DR: 0"),
        ("+DCS?", "+DCS: 1,1"),
        ("+FCLASS?", "0"),
        ("+VCID?", "0"),
        ("#CID?", "0"),
        ("+VDR?", "0,0"),
        ("-STE?", "0"),
    ] {
        assert_eq!(Bench::answer_to(asked), told(text), "{asked}");
    }
}

#[test]
fn parameters_tell_their_ranges() {
    for (asked, text) in [
        ("+ICF=?", "+ICF: (0-6),(0-3)"),
        ("+IFC=?", "+IFC: (0-3),(0-2)"),
        ("+ILRR=?", "+ILRR: (0,1)"),
        ("+MS=?", "+MS: (V21,V22,V22B,V32,V32B,V34,V90,V92),(0,1),(0,300-33600),(0,300-33600)"),
        ("+ES=?", "+ES: (0-7),(0-4),(0-6)"),
        ("+ETBM=?", "+ETBM: (0-2),(0-2),(0-30)"),
        ("+DS=?", "+DS: (0-3),(0,1),(512-65535),(6-250)"),
        ("+VCID=?", "(0-2)"),
        ("-SDR=?", "(0-7)"),
        ("+VRID=?", "(0,1)"),
    ] {
        assert_eq!(Bench::answer_to(asked), told(text), "{asked}");
    }
    let rates = "0,300,600,1200,2400,4800,9600,19200,38400,57600,115200,230400,460800";
    assert_eq!(Bench::answer_to("+IPR=?"), told(&format!("+IPR: ({rates}),({rates})")));
}

#[test]
fn parameters_are_set_in_part_and_keep_the_rest() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.converse(&[
        ("+MS=V32B,,,14400;+MS?", &told("+MS: V32B,1,0,14400")),
        ("+MS=,0", OK),
        ("+MS?", &told("+MS: V32B,0,0,14400")),
        ("+DS=0;+DS?", &told("+DS: 0,0,2048,32")),
        ("+IPR=57600", OK),
        ("+IPR?", &told("+IPR: 57600")),
        ("+GCI=b4;+GCI?", &told("+GCI: B4")),
        ("&F", OK),
        ("+MS?", "AT+MS?\r\r\n+MS: V34,1,0,0\r\n\r\nOK\r\n"),
    ]);
}

#[test]
fn values_out_of_range_are_errors_and_change_nothing() {
    for line in [
        "+IPR=1201",
        "+ICF=7",
        "+ICF=3,4",
        "+IFC=4",
        "+ILRR=2",
        "+GCI=ZZ",
        "+MS=V99",
        "+MS=V34,2",
        "+ES=8",
        "+EB=3",
        "+ER=2",
        "+ETBM=3",
        "+DS=4",
        "+DS=3,0,511",
        "+DR=2",
        "+DCS=2",
        "+MR=x",
        "+MR=1,1",
        "+MR=\"1\"",
        "+MR=\"",
        "+VCID=3",
        "+FCLASS=1",
        "-STE=8",
        "S0=256",
        "S3=200",
        "S3.8=1",
        "E2",
        "V2",
        "Q3",
        "X5",
        "Z2",
        "&C2",
        "&D4",
        "&F3",
        "H2",
        "O2",
        "W3",
        "&K7",
        "\\N8",
        "%C4",
        "I10",
        "S200=1",
        "&Z10=5",
    ] {
        assert_eq!(Bench::answer_to(line), ERROR, "{line}");
    }
}

#[test]
fn unknown_commands_are_one_error_and_nothing_of_them_is_obeyed() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    for line in [
        "+VE0V0", "+E1", "+CLIP=1", "+CREG?", "+FAA=1", "+XE1=V0", "#CLS=8", "-E1V0=2", "$V0E1=1", "*XYZ", "+ES", "+",
        "+VRID=2", "+VLS=1", "&", "\\", "*B", "*D", "J", "(", "+VCID", "+GSN", "+MR=1E1", "+MR?E1",
    ] {
        assert_eq!(bench.typed(&format!("AT{line}\r")), ERROR, "{line}");
        assert_eq!(bench.typed("AT\r"), OK, "after {line}");
    }
}

#[test]
fn a_line_of_many_commands_is_answered_in_their_order() {
    assert_eq!(Bench::answer_to("S0?S7?+MR?;S8?"), "\r\n000\r\n\r\n050\r\n\r\n+MR: 0\r\n\r\n002\r\n\r\nOK\r\n");
    assert_eq!(Bench::answer_to("S7=20?S7.2=0?S7.4?"), "\r\n020\r\n\r\n016\r\n\r\n1\r\n\r\nOK\r\n");
}

#[test]
fn numeric_results_and_information_are_framed_as_v0_asks() {
    let mut bench = Bench::new();
    bench.typed("ATE0V0\r");
    bench.converse(&[
        ("", "0\r"),
        ("+MS?", "+MS: V34,1,0,0\r\n0\r"),
        ("X9", "4\r"),
        ("O", "3\r"),
        ("I3", "Emulated V.34 Modem\r\n0\r"),
    ]);
    assert_eq!(bench.rings(), "2\r");
}

#[test]
fn error_control_and_compression_are_said_by_letters_or_by_name() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.converse(&[
        ("\\N0+ES?", &told("+ES: 1,0,1")),
        ("&Q5+ES?", &told("+ES: 3,0,2")),
        ("\\N5+ES?", &told("+ES: 4,0,6")),
        ("%C0+DS?", &told("+DS: 0,0,2048,32")),
        ("%C3+DS?", &told("+DS: 3,0,2048,32")),
    ]);
}

#[test]
fn numbers_are_stored_listed_dialled_and_cleared() {
    let mut bench = Bench::new();
    bench.typed("ATE0X3\r");
    bench.converse(&[("&Z1=T5551234;", OK), ("&Z3=9", OK), ("&Z1?", &told("T5551234;")), ("&Z2?", &told(""))]);
    assert!(bench.typed("AT&V\r").ends_with("\r\n\r\nTELEPHONE NUMBERS:\r\n1=T5551234;\r\n3=9\r\n\r\nOK\r\n"));
    assert_eq!(bench.typed("ATDS=1\r"), "");
    assert_eq!(bench.wait(10.0), OK);
    assert!(bench.signals().contains(&super::LineSignal::Dial("5551234".into())));
    bench.converse(&[("H", OK), ("&Z1=", OK), ("&Z1?", &told("")), ("Z", OK)]);
}

#[test]
fn each_stored_profile_is_its_own_and_dtr_recalls_the_one_that_y_designates() {
    let mut bench = Bench::new();
    bench.typed("ATE0&D3&Y1S7=31&W1\r");
    bench.typed("ATS7=30&W0\r");
    bench.converse(&[("Z1", OK), ("S7?", &told("031")), ("Z0", OK), ("S7?", &told("030"))]);
    bench.dce.handle_dtr(false);
    bench.converse(&[("S7?", &told("031"))]);
}

#[test]
fn s1_is_no_setting() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.rings();
    bench.converse(&[("&WS1?", &told("001")), ("Z", OK), ("S1?", &told("001"))]);
    bench.typed("AT&F\r");
    assert!(bench.typed("ATS1?\r").contains("001"));
}

#[test]
fn lines_of_hylafax_mgetty_kermit_and_windows_are_accepted() {
    for line in [
        "E0V1Q0S0=0S8=2S7=60&K3",
        "Q0V1H0",
        "Q0X4N1Y0S37=0",
        "&Q5S36=7S48=7",
        "S46=2",
        "M1L2",
        "S2=43S7=10",
        " &F E0 &C1 &D2 V1 S0=0\\V1",
        "S7=60S30=0L0M1\\N3%C1&K3B0B15B2N1\\J1X4",
        "-SCID=1;+VCID=1;-STE=3",
        "+IFC=2,2",
        "+IFC=2,2;+ICF=3;+ES=3,0,2;+DS=3;E0",
        "&F1E0V1&C1&D2S0=0",
    ] {
        assert_eq!(Bench::answer_to(line), OK, "{line}");
    }
}

#[test]
fn hash_and_plus_forms_of_caller_identification_are_each_remembered() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.converse(&[("#CID=2", OK), ("#CID?", &told("2")), ("+VCID?", &told("0")), ("#CID=0;#CID?", &told("0"))]);
}
