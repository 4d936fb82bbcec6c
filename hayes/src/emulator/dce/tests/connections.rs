//! What stands before and after `CONNECT`.

use super::{Bench, LineEvent};

/// What a modem of this kind, told these settings, says when it is connected.
fn connected(emulation: &str, settings: &str, rate: u32) -> String {
    let mut bench = Bench::of_kind(emulation);
    let accepted = bench.typed(&format!("AT{settings}\r"));
    assert!(matches!(accepted.as_str(), "\r\nOK\r\n" | "0\r"), "{settings}: {accepted:?}");
    bench.typed("ATA\r");
    bench.event(LineEvent::Connected(rate))
}

#[test]
fn connect_names_what_the_kind_and_x_say() {
    let robotics = "ring = \"lettered\"\nconnect = \"{rate}/ARQ/{carrier}/LAPM/V42BIS\"";
    for (emulation, settings, rate, shown) in [
        ("", "", 33_600, "\r\nCONNECT 33600\r\n"),
        ("", "X1", 33_600, "\r\nCONNECT 33600\r\n"),
        ("", "X0", 33_600, "\r\nCONNECT\r\n"),
        ("connect = \"\"", "", 33_600, "\r\nCONNECT\r\n"),
        ("connect = \"{dte}\"", "", 33_600, "\r\nCONNECT 115200\r\n"),
        ("connect = \"{dte}\"", "+IPR=57600", 33_600, "\r\nCONNECT 57600\r\n"),
        ("connect = \"{rate} V42bis\"", "", 37_333, "\r\nCONNECT 37333 V42bis\r\n"),
        (robotics, "", 33_600, "\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n"),
        (robotics, "", 49_333, "\r\nCONNECT 49333/ARQ/V90/LAPM/V42BIS\r\n"),
        ("connect = \"64000\"", "", 64_000, "\r\nCONNECT 64000\r\n"),
    ] {
        assert_eq!(connected(emulation, settings, rate), shown, "{emulation} {settings}");
    }
}

#[test]
fn w_and_s95_choose_the_rate_and_the_lines_before_it() {
    let lines = "\r\nCARRIER 33600\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCOMPRESSION: V.42 BIS\r\n";
    for (emulation, settings, shown) in [
        ("", "W0", "\r\nCONNECT 115200\r\n".to_owned()),
        ("", "W1", format!("{lines}\r\nCONNECT 115200\r\n")),
        ("", "W2", "\r\nCONNECT 33600\r\n".to_owned()),
        ("connect = \"{dte}\"", "W2", "\r\nCONNECT 33600\r\n".to_owned()),
        ("connect = \"{dte}\"", "W0S95=3", "\r\nCONNECT 33600/ARQ\r\n".to_owned()),
        ("connect = \"{dte}\"", "W0S95=45", format!("{lines}\r\nCONNECT 33600\r\n")),
        ("", "W1X0", "\r\nCONNECT\r\n".to_owned()),
        (
            "",
            "W1\\N0",
            "\r\nCARRIER 33600\r\n\r\nPROTOCOL: NONE\r\n\r\nCOMPRESSION: NONE\r\n\r\nCONNECT 115200\r\n".to_owned(),
        ),
        ("", "W1V0", "79\r77\r67\r19\r".to_owned()),
    ] {
        assert_eq!(connected(emulation, settings, 33_600), shown, "{settings}");
    }
}

#[test]
fn intermediate_results_of_v250_come_in_their_order_and_only_where_asked_for() {
    let all = "\r\n+MCR: V34\r\n\r\n+MRR: 33600\r\n\r\n+ER: LAPM\r\n\r\n+DR: V42B\r\n\r\n+ILRR: 115200\r\n";
    for (settings, shown) in [
        ("+MR=1;+ER=1;+DR=1;+ILRR=1", format!("{all}\r\nCONNECT 33600\r\n")),
        ("+MR=1;+ER=1;+DR=1;+ILRR=1;X0", format!("{all}\r\nCONNECT\r\n")),
        ("+MR=1", "\r\n+MCR: V34\r\n\r\n+MRR: 33600\r\n\r\nCONNECT 33600\r\n".to_owned()),
        ("+ER=1;+ES=1", "\r\n+ER: NONE\r\n\r\nCONNECT 33600\r\n".to_owned()),
        ("+DR=1;+DS=0", "\r\n+DR: NONE\r\n\r\nCONNECT 33600\r\n".to_owned()),
        ("+ILRR=1;+IPR=9600", "\r\n+ILRR: 9600\r\n\r\nCONNECT 33600\r\n".to_owned()),
        ("+ER=1;V0", "+ER: LAPM\r84\r".to_owned()),
        ("+ER=1;Q1", String::new()),
    ] {
        let shown_now = if settings.ends_with("Q1") {
            let mut bench = Bench::of_kind("");
            bench.typed(&format!("AT{settings}\r"));
            bench.typed("ATA\r");
            bench.event(LineEvent::Connected(33_600))
        } else {
            connected("", settings, 33_600)
        };
        assert_eq!(shown_now, shown, "{settings}");
    }
}

#[test]
fn numbers_of_connect_are_those_of_the_family() {
    for (emulation, rate, number) in [
        ("", 1200, "5\r"),
        ("", 2400, "10\r"),
        ("", 14_400, "15\r"),
        ("", 33_600, "84\r"),
        ("", 42_666, "1\r"),
        ("ring = \"lettered\"", 14_400, "25\r"),
        ("ring = \"lettered\"", 33_600, "155\r"),
    ] {
        assert_eq!(connected(emulation, "V0", rate), number, "{emulation} {rate}");
    }
    assert_eq!(connected("", "V0X0", 2400), "1\r");
}

#[test]
fn the_modulation_goes_with_the_rate() {
    for (rate, carrier) in [
        (300, "V21"),
        (1200, "V22"),
        (2400, "V22B"),
        (9600, "V32"),
        (14_400, "V32B"),
        (28_800, "V34"),
        (52_000, "V90"),
        (64_000, "V120"),
    ] {
        let shown = format!("\r\n+MCR: {carrier}\r\n\r\n+MRR: {rate}\r\n\r\nCONNECT {rate}\r\n");
        assert_eq!(connected("", "+MR=1", rate), shown);
    }
}

#[test]
fn the_rate_that_ms_allows_is_told_to_the_line() {
    let mut bench = Bench::of_kind("");
    for (settings, limit) in [
        ("E0", None),
        ("+MS=V32B", Some(14_400)),
        ("+MS=V34,1,300,28800", Some(28_800)),
        ("+MS=V22B,0,0,33600", Some(2400)),
    ] {
        bench.typed(&format!("AT{settings}\r"));
        assert_eq!(bench.dce.rate_limit(), limit, "{settings}");
    }
}

#[test]
fn the_rate_of_the_tty_counts_until_it_is_fixed() {
    let mut bench = Bench::of_kind("connect = \"{dte}\"");
    bench.dce.handle_rate(38_400);
    bench.typed("ATA\r");
    assert_eq!(bench.event(LineEvent::Connected(9600)), "\r\nCONNECT 38400\r\n");
}

#[test]
fn a_retrain_changes_the_rate_without_a_word() {
    let mut bench = Bench::of_kind("");
    bench.typed("ATA\r");
    bench.event(LineEvent::Connected(33_600));
    assert_eq!(bench.event(LineEvent::Connected(28_800)), "");
    bench.wait(1.0);
    bench.typed("+++");
    bench.wait(1.0);
    let diagnostics = bench.typed("ATI6\r");
    assert!(diagnostics.contains("28800 BPS") && !diagnostics.contains("33600"), "{diagnostics}");
    assert_eq!(bench.typed("ATO\r"), "\r\nCONNECT 28800\r\n");
}
