//! A modem on a bench: what it is typed, what it shows, what it does to its line.

mod calls;
mod commands;
mod connections;
mod identity;
mod rings;

use proptest::prelude::*;

use super::*;
use crate::caller::CallerNumber;

/// A modem with a terminal that is switched on.
struct Bench {
    dce: Dce,
    now: Instant,
    screen: String,
    line: Vec<LineSignal>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Profile::default_profile())
    }

    /// A modem of this kind, given as the `[emulation]` of its entry, without echo.
    fn of_kind(emulation: &str) -> Self {
        let entry = format!("id = \"kind\"\nname = \"Kind\"\n[emulation]\n{emulation}");
        let mut bench = Self::with(Arc::new(Profile::from_toml(&entry).unwrap()));
        bench.typed("ATE0\r");
        bench
    }

    fn with(kind: Arc<Profile>) -> Self {
        let mut dce = Dce::new(kind, None);
        dce.handle_dtr(true);
        Self { dce, now: crate::emulator::an_instant(), screen: String::new(), line: Vec::new() }
    }

    /// Types each line in turn, and compares what it is answered.
    fn converse(&mut self, exchanges: &[(&str, &str)]) {
        for (line, answer) in exchanges {
            assert_eq!(self.typed(&format!("AT{line}\r")), *answer, "AT{line}");
        }
    }

    /// A ring of the ordinary pattern.
    fn rings(&mut self) -> String {
        self.event(LineEvent::Ring { pattern: 0 })
    }

    /// Caller identification from the network.
    fn called_by(&mut self, number: CallerNumber, name: Option<&str>) -> String {
        let caller = CallerId {
            number: Some(number),
            name: name.map(str::to_owned),
            date: Some("0321".to_owned()),
            time: Some("1405".to_owned()),
            ..CallerId::default()
        };
        self.event(LineEvent::CallerId { caller, called: "5550002".to_owned() })
    }

    /// Dials, and answers with what the modem says by the time it waits for a carrier.
    fn dials(&mut self, line: &str) -> String {
        let mut shown = self.typed(&format!("AT{line}\r"));
        shown += &self.event(LineEvent::DialTone);
        shown + &self.wait(4.0)
    }

    fn drain(&mut self) {
        while let Some(output) = self.dce.poll_output() {
            match output {
                DceOutput::Send(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                DceOutput::Line(signal) => self.line.push(signal),
            }
        }
    }

    /// Types and answers with what came on the screen.
    fn typed(&mut self, text: &str) -> String {
        self.dce.handle_bytes(text.as_bytes(), self.now);
        self.drain();
        std::mem::take(&mut self.screen)
    }

    /// What a command line, typed without echo, is answered.
    fn answer_to(line: &str) -> String {
        let mut bench = Self::new();
        bench.typed("ATE0\r");
        bench.typed(&format!("AT{line}\r"))
    }

    fn event(&mut self, event: LineEvent) -> String {
        self.dce.handle_line(event, self.now);
        self.drain();
        std::mem::take(&mut self.screen)
    }

    /// Lets time pass, timer by timer.
    fn wait(&mut self, seconds: f64) -> String {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some((at, _)) = self.dce.deadline().filter(|(at, _)| *at <= end) {
            self.now = at;
            self.dce.handle_timeout(at);
            self.drain();
        }
        self.now = end;
        std::mem::take(&mut self.screen)
    }

    fn signals(&mut self) -> Vec<LineSignal> {
        std::mem::take(&mut self.line)
    }

    /// In data state after an answered call.
    fn online() -> Self {
        let mut bench = Self::new();
        bench.typed("ATE0\r");
        bench.event(LineEvent::Ring { pattern: 0 });
        bench.typed("ATA\r");
        assert_eq!(bench.event(LineEvent::Connected(33_600)), "\r\nCONNECT 33600\r\n");
        bench.signals();
        bench
    }
}

#[test]
fn echo_comes_before_the_framed_result() {
    assert_eq!(Bench::new().typed("AT\r"), "AT\r\r\nOK\r\n");
}

#[test]
fn the_command_that_switches_echo_off_is_itself_echoed() {
    let mut bench = Bench::new();
    assert_eq!(bench.typed("ATE0\r"), "ATE0\r\r\nOK\r\n");
    assert_eq!(bench.typed("AT\r"), "\r\nOK\r\n");
}

#[test]
fn numeric_results_have_no_leading_line_feed() {
    assert_eq!(Bench::answer_to("V0"), "0\r");
    assert_eq!(Bench::answer_to("V0S0?"), "000\r\n0\r");
}

#[test]
fn registers_answer_three_digits_and_then_ok() {
    assert_eq!(Bench::answer_to("S0=5S0?"), "\r\n005\r\n\r\nOK\r\n");
    assert_eq!(Bench::answer_to("S200?"), "\r\nERROR\r\n");
}

#[test]
fn s3_and_s4_frame_the_answer_and_end_the_next_line() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    assert_eq!(bench.typed("ATS3=33S4=34\r"), "!\"OK!\"");
    assert_eq!(bench.typed("AT!"), "!\"OK!\"");
}

#[test]
fn vcid_is_never_read_as_v0() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    assert_eq!(bench.typed("AT+VCID=1\r"), "\r\nOK\r\n");
    assert_eq!(bench.typed("AT+VCID?\r"), "\r\n1\r\n\r\nOK\r\n");
    assert_eq!(bench.typed("AT+VD0E0=1\r"), "\r\nERROR\r\n");
    assert_eq!(bench.typed("AT\r"), "\r\nOK\r\n");
}

#[test]
fn a_line_stops_at_its_first_error_and_has_one_final_result() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    assert_eq!(bench.typed("ATS0=3X9S0=5\r"), "\r\nERROR\r\n");
    assert_eq!(bench.typed("ATS0?\r"), "\r\n003\r\n\r\nOK\r\n");
}

#[test]
fn quiet_keeps_result_codes_but_not_information() {
    let mut bench = Bench::new();
    assert_eq!(bench.typed("ATE0Q1\r"), "ATE0Q1\r");
    assert_eq!(bench.typed("AT\r"), "");
    assert_eq!(bench.typed("AT+FCLASS=?\r"), "\r\n0\r\n");
    bench.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(bench.typed("ATQ0\r"), "\r\nOK\r\n");
}

#[test]
fn identification_answers() {
    assert_eq!(Bench::answer_to("+GMI;+GMM"), "\r\nHayes\r\n\r\nEmulated V.34 Modem\r\n\r\nOK\r\n");
    for number in 0..=9 {
        assert!(Bench::answer_to(&format!("I{number}")).ends_with("\r\nOK\r\n"), "I{number}");
    }
    assert_eq!(Bench::answer_to("I10"), "\r\nERROR\r\n");
}

#[test]
fn the_usual_initialisations_of_wvdial_mgetty_and_minicom_are_accepted() {
    for line in ["Q0 V1 E1 S0=0 &C1 &D2 +FCLASS=0", "S0=0Q0&D3&C1", " S7=45 S0=0 L1 V1 X4 &c1 E1 Q0", "&F1E0&K3\\N3%C3"]
    {
        assert_eq!(Bench::answer_to(line), "\r\nOK\r\n", "{line}");
    }
}

#[test]
fn stored_settings_come_back_with_z_and_factory_ones_with_f() {
    let mut bench = Bench::new();
    bench.typed("ATE0S7=20&W\r");
    bench.typed("AT&F\r");
    assert_eq!(bench.typed("ATE0S7?\r"), "ATE0S7?\r\r\n050\r\n\r\nOK\r\n");
    bench.typed("ATZ\r");
    assert_eq!(bench.typed("ATS7?\r"), "\r\n020\r\n\r\nOK\r\n");
}

#[test]
fn the_last_line_is_repeated_without_a_carriage_return() {
    let mut bench = Bench::new();
    bench.typed("ATE0S7?\r");
    assert_eq!(bench.typed("A/"), "\r\n050\r\n\r\nOK\r\n");
}

#[test]
fn too_long_a_line_is_an_error() {
    assert_eq!(Bench::answer_to(&"E0".repeat(128)), "\r\nOK\r\n");
    assert_eq!(Bench::answer_to(&"E0".repeat(129)), "\r\nERROR\r\n");
}

#[test]
fn dialling_waits_for_dial_tone_sends_digits_and_then_counts_s7() {
    let mut bench = Bench::new();
    bench.typed("ATE0S7=30\r");
    assert_eq!(bench.typed("ATDT12,3\r"), "");
    assert_eq!(bench.signals(), [LineSignal::OffHook(Role::Originate)]);
    bench.event(LineEvent::DialTone);
    bench.wait(1.4);
    assert_eq!(bench.signals(), [LineSignal::Dial("12".into())]);
    bench.wait(2.2);
    assert_eq!(bench.signals(), [LineSignal::Dial("3".into())]);
    assert_eq!(bench.wait(29.9), "");
    assert_eq!(bench.wait(0.2), "\r\nNO CARRIER\r\n");
    assert_eq!(bench.signals(), [LineSignal::OnHook]);
}

#[test]
fn a_dead_line_has_no_dial_tone_where_the_modem_listens_for_it() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.typed("ATDT1\r");
    assert_eq!(bench.wait(5.0), "\r\nNO DIALTONE\r\n");
    bench.typed("ATX3S7=5\r");
    bench.typed("ATDT1\r");
    assert_eq!(bench.wait(7.1), "");
    assert_eq!(bench.wait(0.2), "\r\nNO CARRIER\r\n");
}

#[test]
fn busy_is_heard_from_x3_on() {
    for (x, heard) in [(2, ""), (3, "\r\nBUSY\r\n")] {
        let mut bench = Bench::new();
        bench.typed(&format!("ATE0X{x}\r"));
        bench.typed("ATDT1\r");
        bench.event(LineEvent::DialTone);
        bench.wait(4.0);
        assert_eq!(bench.event(LineEvent::BusyTone), heard, "X{x}");
    }
}

#[test]
fn no_answer_is_said_only_where_a_quiet_answer_was_asked_for() {
    let mut bench = Bench::new();
    bench.typed("ATE0S7=10\r");
    bench.typed("ATDT1@\r");
    bench.event(LineEvent::DialTone);
    assert_eq!(bench.wait(12.0), "\r\nNO ANSWER\r\n");
}

#[test]
fn a_byte_from_the_terminal_aborts_dialling_but_not_within_125_ms() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    assert_eq!(bench.typed("ATDT1\r\n"), "");
    bench.wait(0.2);
    assert_eq!(bench.typed("x"), "\r\nNO CARRIER\r\n");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OnHook));
}

#[test]
fn a_semicolon_returns_to_command_state_off_hook() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.typed("ATDT1;\r");
    bench.event(LineEvent::DialTone);
    assert_eq!(bench.wait(2.0), "\r\nOK\r\n");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OffHook(Role::Silent)));
    assert_eq!(bench.typed("ATH\r"), "\r\nOK\r\n");
    assert_eq!(bench.signals(), [LineSignal::OnHook]);
}

#[test]
fn rings_are_counted_and_forgotten_eight_seconds_after_the_last() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    assert_eq!(bench.event(LineEvent::Ring { pattern: 0 }), "\r\nRING\r\n");
    bench.wait(6.0);
    bench.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(bench.typed("ATS1?\r"), "\r\n002\r\n\r\nOK\r\n");
    bench.wait(8.0);
    assert_eq!(bench.typed("ATS1?\r"), "\r\n000\r\n\r\nOK\r\n");
}

#[test]
fn s0_answers_at_its_ring_unless_the_terminal_is_away() {
    let mut bench = Bench::new();
    bench.typed("ATE0S0=2\r");
    bench.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(bench.signals(), []);
    bench.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(bench.signals(), [LineSignal::OffHook(Role::Answer)]);

    let mut away = Bench::new();
    away.typed("ATE0S0=1\r");
    away.dce.handle_dtr(false);
    away.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(away.signals(), []);
}

#[test]
fn an_answer_without_a_caller_ends_after_s7() {
    let mut bench = Bench::new();
    bench.typed("ATE0S7=5\r");
    assert_eq!(bench.typed("ATA\r"), "");
    assert_eq!(bench.wait(5.0), "\r\nNO CARRIER\r\n");
}

#[test]
fn caller_identification_is_shown_when_asked_for() {
    let caller = CallerId { number: Some(CallerNumber::Withheld), ..CallerId::default() };
    let mut bench = Bench::new();
    bench.event(LineEvent::Ring { pattern: 0 });
    assert_eq!(bench.event(LineEvent::CallerId { caller: caller.clone(), called: String::new() }), "");
    bench.typed("AT#CID=1\r");
    assert_eq!(bench.event(LineEvent::CallerId { caller, called: String::new() }), "\r\nNMBR = P\r\n");
}

#[test]
fn x0_connects_without_a_rate() {
    let mut bench = Bench::new();
    bench.typed("ATE0X0\r");
    bench.typed("ATA\r");
    assert_eq!(bench.event(LineEvent::Connected(33_600)), "\r\nCONNECT\r\n");
}

#[test]
fn data_passes_and_commands_in_it_are_not_obeyed() {
    let mut bench = Bench::online();
    assert_eq!(bench.typed("ATH\r"), "");
    assert_eq!(bench.signals(), [LineSignal::Data(b"ATH\r".to_vec())]);
}

#[test]
fn the_escape_needs_silence_before_and_after_and_o_returns() {
    let mut bench = Bench::online();
    bench.wait(1.0);
    assert_eq!(bench.typed("+++"), "");
    assert_eq!(bench.wait(0.9), "");
    assert_eq!(bench.wait(0.2), "\r\nOK\r\n");
    assert!(!bench.dce.is_in_data_state());
    assert_eq!(bench.typed("ATD1\r"), "\r\nERROR\r\n");
    assert_eq!(bench.typed("ATO\r"), "\r\nCONNECT 33600\r\n");
    assert!(bench.dce.is_in_data_state());
}

#[test]
fn an_escape_run_into_a_command_is_data() {
    let mut bench = Bench::online();
    bench.wait(1.0);
    bench.typed("+++ATH\r");
    assert_eq!(bench.wait(5.0), "");
    assert!(bench.dce.is_in_data_state());
}

#[test]
fn hanging_up_after_the_escape_answers_ok_only() {
    let mut bench = Bench::online();
    bench.wait(1.0);
    bench.typed("+++");
    bench.wait(1.0);
    assert_eq!(bench.typed("ATH0\r"), "\r\nOK\r\n");
    assert_eq!(bench.signals().last(), Some(&LineSignal::OnHook));
    assert_eq!(bench.typed("ATO\r"), "\r\nNO CARRIER\r\n");
}

#[test]
fn the_far_end_going_away_is_no_carrier() {
    assert_eq!(Bench::online().event(LineEvent::Dropped), "\r\nNO CARRIER\r\n");
}

#[test]
fn a_drop_of_dtr_does_what_the_d_command_says() {
    for (command, screen, online, on_hook) in [
        ("AT&D0\r", "", true, false),
        ("AT&D1\r", "\r\nOK\r\n", false, false),
        ("AT&D2\r", "\r\nNO CARRIER\r\n", false, true),
        ("AT&D3\r", "\r\nNO CARRIER\r\n", false, true),
    ] {
        let mut bench = Bench::new();
        bench.typed("ATE0\r");
        bench.typed(command);
        bench.typed("ATA\r");
        bench.event(LineEvent::Connected(9600));
        bench.dce.handle_dtr(false);
        bench.drain();
        assert_eq!(bench.screen, screen, "{command}");
        assert_eq!(bench.dce.is_in_data_state(), online, "{command}");
        assert_eq!(bench.line.contains(&LineSignal::OnHook), on_hook, "{command}");
    }
}

#[test]
fn a_dial_that_meets_a_caller_ends_in_no_carrier() {
    let mut bench = Bench::new();
    bench.typed("ATE0\r");
    bench.event(LineEvent::Ring { pattern: 0 });
    bench.typed("ATDT1\r");
    bench.event(LineEvent::Collision);
    assert_eq!(bench.wait(5.0), "\r\nNO CARRIER\r\n");
}

#[test]
fn a_modem_takes_little_memory() {
    assert!(size_of::<Dce>() <= 768, "{} bytes", size_of::<Dce>());
}

fn event() -> impl Strategy<Value = LineEvent> {
    prop_oneof![
        Just(LineEvent::Ring { pattern: 0 }),
        Just(LineEvent::DialTone),
        Just(LineEvent::Collision),
        Just(LineEvent::BusyTone),
        Just(LineEvent::Connected(2400)),
        Just(LineEvent::Dropped),
        Just(LineEvent::CarrierLost),
        Just(LineEvent::CarrierBack),
        Just(LineEvent::CallWaiting(CallerId::default())),
        any::<u8>().prop_map(|pattern| LineEvent::Ring { pattern }),
        Just(LineEvent::CallerId { caller: CallerId::default(), called: String::new() }),
    ]
}

#[derive(Clone, Debug)]
enum Happening {
    Typed(Vec<u8>),
    Event(LineEvent),
    Dtr(bool),
    Rate(u32),
    Wait(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    let line = proptest::collection::vec(proptest::sample::select(&b"AEVQXZHDTSPWIO&+=?;0123459,@!"[..]), 0..20);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(Happening::Typed),
        line.prop_map(|body| Happening::Typed([b"AT", body.as_slice(), b"\r"].concat())),
        event().prop_map(Happening::Event),
        any::<bool>().prop_map(Happening::Dtr),
        any::<u32>().prop_map(Happening::Rate),
        any::<u16>().prop_map(Happening::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_modem_lives_and_its_timers_advance(
        cellular in any::<bool>(),
        happenings in proptest::collection::vec(happening(), 0..60),
    ) {
        let mut bench = if cellular { Bench::of_kind(rings::CELLULAR) } else { Bench::of_kind(calls::STRICT) };
        for happening in happenings {
            match happening {
                Happening::Typed(bytes) => bench.dce.handle_bytes(&bytes, bench.now),
                Happening::Event(event) => bench.dce.handle_line(event, bench.now),
                Happening::Dtr(on) => bench.dce.handle_dtr(on),
                Happening::Rate(rate) => bench.dce.handle_rate(rate),
                Happening::Wait(millis) => drop(bench.wait(f64::from(millis) / 1000.0)),
            }
            bench.drain();
            prop_assert!(bench.dce.last_line.len() <= 256);
        }
    }
}
