//! The course of calls: what is dialled, how it ends, and what is refused afterwards.

use super::{Bench, LineEvent, LineSignal, Role};

/// A modem of a country with strict rules for redialling.
pub(super) const STRICT: &str = "blacklisting = { attempts = 3, delay = 60, lasts = 7200, numbers = 2 }";

const BUSY: &str = "\r\nBUSY\r\n";

/// Dials a number that is busy.
fn busy(bench: &mut Bench, number: &str) -> String {
    bench.dials(&format!("DT{number}")) + &bench.event(LineEvent::BusyTone)
}

#[test]
fn each_x_hears_what_it_should() {
    for (x, blind, busy_heard, rate) in [
        (0, true, false, "\r\nCONNECT\r\n"),
        (1, true, false, "\r\nCONNECT 9600\r\n"),
        (2, false, false, "\r\nCONNECT 9600\r\n"),
        (3, true, true, "\r\nCONNECT 9600\r\n"),
        (4, false, true, "\r\nCONNECT 9600\r\n"),
    ] {
        // No dial tone: dialled blind after S6, or refused.
        let mut bench = Bench::of_kind("");
        bench.typed(&format!("ATX{x}\r"));
        bench.typed("ATDT1\r");
        let shown = bench.wait(6.0);
        assert_eq!(shown, if blind { "" } else { "\r\nNO DIALTONE\r\n" }, "X{x}");
        assert_eq!(bench.signals().contains(&LineSignal::Dial("1".into())), blind, "X{x}");
        // Busy tone: told, or waited out.
        let mut bench = Bench::of_kind("");
        bench.typed(&format!("ATX{x}S7=20\r"));
        assert_eq!(busy(&mut bench, "1"), if busy_heard { BUSY } else { "" }, "X{x}");
        assert_eq!(bench.wait(30.0), if busy_heard { "" } else { "\r\nNO CARRIER\r\n" }, "X{x}");
        assert_eq!(bench.dials("DT1") + &bench.event(LineEvent::Connected(9600)), rate, "X{x}");
    }
}

#[test]
fn a_wait_for_dial_tone_in_the_string_fails_in_the_words_that_x_allows() {
    for (x, shown) in [(0, "\r\nNO CARRIER\r\n"), (3, "\r\nNO CARRIER\r\n"), (4, "\r\nNO DIALTONE\r\n")] {
        let mut bench = Bench::of_kind("");
        bench.typed(&format!("ATX{x}S7=10\r"));
        assert_eq!(bench.dials("DT9W1"), "", "X{x}");
        assert_eq!(bench.wait(15.0), shown, "X{x}");
    }
}

#[test]
fn a_register_recall_is_a_flash_on_the_line() {
    let mut bench = Bench::of_kind("");
    bench.dials("DT1!2");
    assert_eq!(
        bench.signals(),
        [
            LineSignal::OffHook(Role::Originate),
            LineSignal::Dial("1".into()),
            LineSignal::Flash,
            LineSignal::Dial("2".into())
        ]
    );
}

#[test]
fn a_reversed_call_sends_the_answer_tone_once_dialled() {
    let mut bench = Bench::of_kind("");
    bench.dials("DT1R");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OffHook(Role::Answer)));
    assert_eq!(bench.event(LineEvent::Connected(300)), "\r\nCONNECT 300\r\n");
}

#[test]
fn the_last_number_is_dialled_again() {
    let mut bench = Bench::of_kind("");
    bench.dials("DT12,3");
    bench.event(LineEvent::BusyTone);
    bench.signals();
    bench.dials("DL");
    assert!(bench.signals().contains(&LineSignal::Dial("12".into())));
}

#[test]
fn a_lost_carrier_ends_the_call_after_s10_unless_it_comes_back() {
    let mut bench = Bench::online();
    bench.event(LineEvent::CarrierLost);
    assert_eq!(bench.wait(1.3), "");
    bench.event(LineEvent::CarrierBack);
    assert_eq!(bench.wait(10.0), "");
    bench.event(LineEvent::CarrierLost);
    assert_eq!(bench.wait(1.5), "\r\nNO CARRIER\r\n");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OnHook));
}

#[test]
fn a_lost_carrier_is_never_given_up_with_s10_at_255_and_also_ends_a_call_escaped_from() {
    for (s10, shown) in [(255, ""), (20, "\r\nNO CARRIER\r\n")] {
        let mut bench = Bench::new();
        bench.typed(&format!("ATE0S10={s10}\r"));
        bench.typed("ATA\r");
        bench.event(LineEvent::Connected(33_600));
        bench.wait(1.0);
        bench.typed("+++");
        bench.wait(1.0);
        bench.event(LineEvent::CarrierLost);
        assert_eq!(bench.wait(3600.0), shown, "S10={s10}");
    }
}

#[test]
fn s30_ends_a_call_in_which_no_data_passes_either_way() {
    let mut bench = Bench::new();
    bench.typed("ATE0S30=1\r");
    bench.typed("ATA\r");
    bench.event(LineEvent::Connected(33_600));
    bench.wait(9.0);
    bench.typed("data");
    assert_eq!(bench.wait(9.0), "");
    bench.dce.handle_received(bench.now);
    assert_eq!(bench.wait(9.9), "");
    assert_eq!(bench.wait(0.2), "\r\nNO CARRIER\r\n");
}

#[test]
fn the_escape_is_off_when_s2_is_above_127() {
    let mut bench = Bench::new();
    bench.typed("ATE0S2=128\r");
    bench.typed("ATA\r");
    bench.event(LineEvent::Connected(33_600));
    bench.wait(2.0);
    bench.typed("+++");
    assert_eq!(bench.wait(5.0), "");
    assert!(bench.dce.is_in_data_state());
}

#[test]
fn an_escape_within_a_stream_of_data_is_not_taken() {
    let mut bench = Bench::online();
    bench.wait(2.0);
    bench.typed("data+++");
    assert_eq!(bench.wait(5.0), "");
    bench.typed("+++data");
    assert_eq!(bench.wait(5.0), "");
    assert!(bench.dce.is_in_data_state());
}

#[test]
fn a_number_that_fails_is_delayed_then_blacklisted_then_forgotten() {
    let mut bench = Bench::of_kind(STRICT);
    assert_eq!(busy(&mut bench, "1"), BUSY);
    assert_eq!(bench.typed("ATDT1\r"), "\r\nDELAYED\r\n");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OnHook), "a refused call leaves the line alone");
    assert_eq!(bench.typed("ATDT2;\r"), "", "other numbers may be called");
    bench.wait(10.0);
    bench.typed("ATH\r");
    for _ in 0..2 {
        bench.wait(60.0);
        assert_eq!(busy(&mut bench, "1"), BUSY);
    }
    bench.wait(3600.0);
    assert_eq!(bench.typed("ATDP1\r"), "\r\nBLACKLISTED\r\n");
    assert_eq!(bench.typed("AT*B\r"), "\r\nNo.  Called  Blocked  Phone\r\n1    3       *        1\r\n\r\nOK\r\n");
    bench.typed("ATV0\r");
    assert_eq!(bench.typed("ATDT1\r"), "89\r");
    bench.typed("ATV1\r");
    bench.wait(3600.0);
    assert_eq!(busy(&mut bench, "1"), BUSY);
}

#[test]
fn the_lists_tell_how_long_a_number_is_refused() {
    let mut bench = Bench::of_kind(STRICT);
    busy(&mut bench, "5551");
    bench.converse(&[
        ("*D", "\r\nNo.  Delay  Phone\r\n1    1min   5551\r\n\r\nOK\r\n"),
        ("*B", "\r\nNo.  Called  Blocked  Phone\r\n1    1       1min     5551\r\n\r\nOK\r\n"),
    ]);
    bench.wait(60.0);
    bench.converse(&[
        ("*D", "\r\nNo.  Delay  Phone\r\n\r\nOK\r\n"),
        ("*B", "\r\nNo.  Called  Blocked  Phone\r\n1    1                5551\r\n\r\nOK\r\n"),
    ]);
}

#[test]
fn a_full_list_refuses_new_numbers_and_success_clears_one() {
    let mut bench = Bench::of_kind(STRICT);
    busy(&mut bench, "1");
    busy(&mut bench, "2");
    assert_eq!(bench.typed("ATDT3\r"), "\r\nBLACKLISTFULL\r\n");
    bench.wait(60.0);
    bench.dials("DT1");
    assert_eq!(bench.event(LineEvent::Connected(9600)), "\r\nCONNECT 9600\r\n");
    assert_eq!(bench.event(LineEvent::Dropped), "\r\nNO CARRIER\r\n");
    assert_eq!(busy(&mut bench, "3"), BUSY);
}

#[test]
fn calls_that_the_terminal_aborts_and_calls_from_outside_count_against_no_number() {
    let mut bench = Bench::of_kind(STRICT);
    bench.dials("DT1");
    assert_eq!(bench.typed("x"), "\r\nNO CARRIER\r\n");
    bench.rings();
    bench.typed("ATA\r");
    assert_eq!(bench.event(LineEvent::Dropped), "\r\nNO CARRIER\r\n");
    bench.converse(&[("*B", "\r\nNo.  Called  Blocked  Phone\r\n\r\nOK\r\n")]);
}

#[test]
fn a_modem_without_such_rules_dials_a_busy_number_for_ever() {
    let mut bench = Bench::of_kind("");
    for _ in 0..20 {
        assert_eq!(busy(&mut bench, "1"), BUSY);
    }
}

#[test]
fn the_diagnostics_tell_how_the_last_call_ended() {
    let mut bench = Bench::online();
    bench.event(LineEvent::Dropped);
    let shown = bench.typed("AT&V1\r");
    assert!(shown.contains("LOSS OF CARRIER") && shown.contains("33600 BPS") && shown.contains("LAPM"), "{shown}");
}
