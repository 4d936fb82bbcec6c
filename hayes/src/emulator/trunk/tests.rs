use proptest::prelude::*;

use super::*;
use crate::caller::{CallerId, CallerNumber};
use crate::emulator::an_instant;
use crate::emulator::dce::Role;

fn request() -> Request {
    let number = Some(CallerNumber::Known("5551234".into()));
    let caller = CallerId { number, name: Some("A N OTHER".into()), ..CallerId::default() };
    Request { to: "5550102".into(), caller, rate: 56_000, from_exchange: true }
}

/// Two ends and what each has told its exchange.
struct Pair {
    ends: [Trunk; 2],
    told: [Vec<TrunkOutput>; 2],
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let now = an_instant();
        Self { ends: [Trunk::calling(request(), now), Trunk::called(now)], told: [vec![], vec![]], now }
    }

    /// Carries bytes, so many at a time, until neither end has more to say.
    fn run(&mut self, at_a_time: usize) {
        loop {
            let mut quiet = true;
            for from in [0, 1] {
                while let Some(output) = self.ends[from].poll_output() {
                    quiet = false;
                    match output {
                        TrunkOutput::Send(bytes) => {
                            for part in bytes.chunks(at_a_time) {
                                self.ends[1 - from].handle_bytes(part, self.now);
                            }
                        }
                        TrunkOutput::Signal(_) | TrunkOutput::Data(_) => self.told[from].push(output),
                        TrunkOutput::Finish => {
                            self.told[from].push(TrunkOutput::Finish);
                            self.ends[1 - from].handle_end();
                        }
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn told(&mut self, end: usize) -> Vec<TrunkOutput> {
        std::mem::take(&mut self.told[end])
    }

    fn connected(at_a_time: usize) -> Self {
        let mut pair = Self::new();
        pair.run(at_a_time);
        assert_eq!(pair.told(1), [TrunkOutput::Signal(Signal::Call(request()))]);
        pair.ends[1].handle_signal(&Signal::Ringing);
        pair.ends[1].handle_signal(&Signal::Answered { role: Role::Answer, rate: 33_600 });
        pair.run(at_a_time);
        let answered = Signal::Answered { role: Role::Answer, rate: 33_600 };
        assert_eq!(pair.told(0), [TrunkOutput::Signal(Signal::Ringing), TrunkOutput::Signal(answered)]);
        pair.ends[0].handle_signal(&Signal::Connected { rate: 33_600 });
        pair.run(at_a_time);
        assert_eq!(pair.told(1), [TrunkOutput::Signal(Signal::Connected { rate: 33_600 })]);
        assert!(pair.ends.iter().all(Trunk::is_receiving_data));
        pair
    }

    fn data(&mut self, end: usize) -> Vec<u8> {
        let told = self.told(end).into_iter();
        let data = told.map(|output| {
            let TrunkOutput::Data(data) = output else { panic!("{output:?}") };
            data
        });
        data.flatten().collect()
    }
}

fn sent(trunk: &mut Trunk) -> String {
    let mut sent = Vec::new();
    while let Some(output) = trunk.poll_output() {
        if let TrunkOutput::Send(bytes) = output {
            sent.extend(bytes);
        } else {
            sent.extend(format!("<{output:?}>").bytes());
        }
    }
    String::from_utf8_lossy(&sent).into_owned()
}

#[test]
fn what_was_sent_before_the_end_arrives_before_it() {
    let mut pair = Pair::connected(1000);
    pair.ends[0].handle_data(b"last words");
    pair.ends[0].handle_signal(&Signal::HangUp);
    pair.run(3);
    assert_eq!(pair.told(0), [TrunkOutput::Finish]);
    let told = pair.told(1);
    assert_eq!(told[told.len() - 2..], [TrunkOutput::Signal(Signal::HangUp), TrunkOutput::Finish]);
    assert_eq!(told.iter().filter(|output| matches!(output, TrunkOutput::Data(_))).count(), 4);
}

#[test]
fn a_call_that_does_not_come_about_says_why_and_ends() {
    for why in [Signal::Busy, Signal::Unknown, Signal::NoAnswer] {
        let mut pair = Pair::new();
        pair.run(1000);
        pair.ends[1].handle_signal(&why);
        pair.run(1000);
        assert_eq!(pair.told(0), [TrunkOutput::Signal(why), TrunkOutput::Finish]);
    }
}

#[test]
fn a_person_calls_mistypes_and_gets_through() {
    let now = an_instant();
    let mut trunk = Trunk::called(now);
    assert_eq!(sent(&mut trunk), "hayes trunk 1: call NUMBER [from NUMBER] [name NAME]\r\n");
    trunk.handle_bytes(b"\r\nhello\r\ncall 55x\x08501\x7f02\n", now);
    let heard = sent(&mut trunk);
    assert!(heard.starts_with("error say: call NUMBER [from NUMBER] [name NAME]\r\n<Signal(Call("), "{heard}");
    assert!(heard.contains("\"555002\""), "{heard}");
    trunk.handle_signal(&Signal::Ringing);
    trunk.handle_bytes(b"come on\r\n", now);
    trunk.handle_signal(&Signal::Answered { role: Role::Answer, rate: 33_600 });
    assert_eq!(sent(&mut trunk), "ringing\r\nanswered answer 33600\r\n");
    trunk.handle_bytes(b"half a li", now);
    trunk.handle_signal(&Signal::Connected { rate: 33_600 });
    assert!(sent(&mut trunk).starts_with("connected 33600\r\n\u{fffd}\u{fffd}"));
    trunk.handle_bytes(b"guest\r\n\xff\xff", now);
    assert_eq!(trunk.poll_output(), Some(TrunkOutput::Data(b"guest\r\xff".to_vec())));
    trunk.handle_end();
    assert_eq!(sent(&mut trunk), "<Signal(HangUp)><Finish>");
}

#[test]
fn nobody_is_borne_with_for_ever() {
    let now = an_instant();
    let mut mistyping = Trunk::called(now);
    mistyping.handle_bytes(&b"nonsense\r\n".repeat(20), now);
    assert_eq!(sent(&mut mistyping).matches("error").count(), usize::from(MISTAKES));
    let mut silent = Trunk::called(now);
    let (at, _) = silent.deadline().unwrap();
    silent.handle_bytes(&[b'x'; 5000], now);
    sent(&mut silent);
    silent.handle_timeout(at);
    assert_eq!(sent(&mut silent), "<Finish>");
    let mut unanswered = Trunk::calling(request(), now);
    let (at, _) = unanswered.deadline().unwrap();
    unanswered.handle_timeout(at);
    assert_eq!(sent(&mut unanswered), "<Signal(HangUp)><Finish>");
}

#[test]
fn an_exchange_without_room_for_the_call_is_busy() {
    let mut trunk = Trunk::calling(request(), an_instant());
    trunk.handle_bytes(b"busy\r\n", an_instant());
    assert_eq!(sent(&mut trunk), "<Signal(Busy)><Finish>");
}

#[test]
fn a_telnet_program_answers_at_once_and_has_its_options_answered() {
    let mut trunk = Trunk::plain();
    assert_eq!(sent(&mut trunk), "<Signal(Answered { role: Answer, rate: 10000000 })>");
    trunk.handle_bytes(b"\xff\xfb\x01\xff\xfd\x18login: ", an_instant());
    assert_eq!(trunk.poll_output(), Some(TrunkOutput::Send(b"\xff\xfd\x01\xff\xfc\x18".to_vec())));
    assert_eq!(trunk.poll_output(), Some(TrunkOutput::Data(b"login: ".to_vec())));
    trunk.handle_signal(&Signal::Connected { rate: 33_600 });
    trunk.handle_data(b"guest\r");
    trunk.handle_data(b"\x03");
    trunk.handle_signal(&Signal::HangUp);
    assert_eq!(sent(&mut trunk), "guest\r\0\u{3}<Finish>");
}

#[test]
fn no_number_is_told_to_what_is_no_exchange() {
    let mut trunk = Trunk::calling(request(), an_instant());
    trunk.handle_bytes(b"220 mail.example.org ESMTP\r\n", an_instant());
    assert_eq!(sent(&mut trunk), "<Signal(HangUp)><Finish>");
}

proptest! {
    #[test]
    fn all_bytes_cross_in_both_directions_whatever_the_pieces(
        there in proptest::collection::vec(prop_oneof![any::<u8>(), Just(255), Just(b'\r')], 0..600),
        back in proptest::collection::vec(prop_oneof![any::<u8>(), Just(255), Just(b'\n')], 0..600),
        at_a_time in 1_usize..50,
        written in 1_usize..50,
    ) {
        let mut pair = Pair::connected(at_a_time);
        for part in there.chunks(written) {
            pair.ends[0].handle_data(part);
        }
        for part in back.chunks(written) {
            pair.ends[1].handle_data(part);
        }
        pair.run(at_a_time);
        prop_assert_eq!(pair.data(1), there);
        prop_assert_eq!(pair.data(0), back);
    }
}
