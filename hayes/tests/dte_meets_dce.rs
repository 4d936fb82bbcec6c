//! The terminal's side and the emulated modem, each by the same entries, without a tty and under a clock of the test's.

#![cfg(feature = "emulator")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code; an arbitrary instant to count from"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};
use hayes::emulator::dce::{Dce, DceOutput, LineEvent, LineSignal};
use hayes::modem::{Event, Kind, Modem, Outcome, Output, Request, Settings};
use hayes::profile::{Catalogue, Profile};

/// A modem, and who drives it.
struct Pair {
    modem: Modem,
    dce: Dce,
    now: Instant,
    events: Vec<Event>,
    line: Vec<LineSignal>,
}

impl Pair {
    fn new(profile: &Arc<Profile>) -> Self {
        let settings = Settings {
            flow_control: true,
            distinctive_ring: true,
            ..Settings::for_kind(Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None })
        };
        let dce = Dce::new(Arc::clone(profile), None);
        Self { modem: Modem::new(settings), dce, now: Instant::now(), events: Vec::new(), line: Vec::new() }
    }

    /// What both say to each other and to the line, until nothing more comes.
    fn talk(&mut self) {
        loop {
            if let Some(output) = self.modem.poll_output() {
                match output {
                    Output::Send(bytes) => self.dce.handle_bytes(&bytes, self.now),
                    Output::SetDtr(on) => self.dce.handle_dtr(on),
                    Output::SetRate(rate) => self.dce.handle_rate(rate),
                    Output::SetFlowControl => {}
                    Output::Report(event) => self.events.push(event),
                }
            } else if let Some(output) = self.dce.poll_output() {
                match output {
                    DceOutput::Send(bytes) => {
                        let taken = self.modem.handle_bytes(&bytes, self.now);
                        assert!(taken == bytes.len() || self.modem.in_data());
                    }
                    DceOutput::Line(signal) => self.line.push(signal),
                }
            } else {
                return;
            }
        }
    }

    /// Lets time pass until the machine rests, or this long.
    fn pass(&mut self, limit: Duration) {
        let until = self.now + limit;
        self.talk();
        while let Some(next) =
            [self.modem.deadline(), self.dce.deadline()].into_iter().flatten().map(|(at, _)| at).min()
        {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.dce.handle_timeout(self.now);
            self.talk();
            self.modem.handle_timeout(self.now);
            self.talk();
        }
        self.now = until;
    }

    fn request(&mut self, request: Request) {
        self.modem.request(request, self.now).unwrap();
        self.pass(Duration::from_secs(20));
    }

    fn happens(&mut self, event: LineEvent) {
        self.dce.handle_line(event, self.now);
        self.pass(Duration::from_secs(1));
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn ready(profile: &Arc<Profile>) -> Self {
        let mut pair = Self::new(profile);
        pair.request(Request::Initialise);
        let events = pair.events();
        let expected = [Event::Recognised(Arc::clone(profile)), Event::Ready];
        let alternatives = profile.id == "elsa-isdn";
        let refused = |event: &&Event| !(alternatives && matches!(event, Event::CommandRefused(_)));
        assert!(events.iter().filter(refused).eq(&expected), "{}: {events:?}", profile.id);
        pair
    }

    fn is_called(&mut self) -> Vec<Event> {
        let caller = CallerId { number: Some(CallerNumber::Known("5550101".to_owned())), ..CallerId::default() };
        self.happens(LineEvent::CallerId { caller, called: "5550102".to_owned() });
        self.happens(LineEvent::Ring { pattern: 0 });
        self.events()
    }

    /// Dials, and hears busy tone.
    fn dials_in_vain(&mut self) -> Vec<Event> {
        self.modem.request(Request::Dial("5550103".parse().unwrap()), self.now).unwrap();
        self.talk();
        self.happens(LineEvent::DialTone);
        self.pass(Duration::from_secs(10));
        self.happens(LineEvent::BusyTone);
        self.pass(Duration::from_secs(10));
        self.events()
    }
}

fn number_of(events: &[Event]) -> Option<&CallerNumber> {
    events.iter().find_map(|event| if let Event::Caller(caller) = event { caller.number.as_ref() } else { None })
}

#[test]
fn every_kind_is_found_out_set_up_without_a_word_of_refusal_and_tells_its_caller() {
    for profile in Catalogue::built_in().iter() {
        let mut pair = Pair::ready(profile);
        let events = pair.is_called();
        assert!(events.iter().any(|event| matches!(event, Event::Ring(_))), "{}: {events:?}", profile.id);
        let known = CallerNumber::Known("5550101".to_owned());
        assert_eq!(number_of(&events), Some(&known), "{}: {events:?}", profile.id);
    }
}

#[test]
fn every_kind_still_tells_its_caller_after_a_call_of_its_own() {
    for profile in Catalogue::built_in().iter() {
        let mut pair = Pair::ready(profile);
        let events = pair.dials_in_vain();
        assert_eq!(events, [Event::Ended(Outcome::Busy)], "{}: {:?}", profile.id, pair.line);
        assert!(number_of(&pair.is_called()).is_some(), "{}", profile.id);
    }
}

#[test]
fn a_probe_learns_what_an_emulated_modem_is_and_answers() {
    let profile = Catalogue::built_in().find("usr").unwrap();
    let mut pair = Pair::new(&profile);
    pair.request(Request::Identify);
    let events = pair.events();
    let [Event::Identified(seen)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(Catalogue::built_in().recognise(seen).id, "usr");
    pair.request(Request::Ask("S7?".parse().unwrap()));
    let events = pair.events();
    let [Event::Answered(answer)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((answer.lines.as_slice(), answer.accepted), (&["060".to_owned()][..], Some(true)));
}

#[test]
fn a_modem_left_in_data_state_is_brought_back() {
    for freed_by_dtr in [false, true] {
        let profile = Profile::default_profile();
        let mut pair = Pair::new(&profile);
        // As another program left it: &D2 is not yet set in the first case, +++ is switched off in the second.
        let left = if freed_by_dtr { "AT&D2S2=255S0=1\r" } else { "AT&D0S0=1\r" };
        pair.dce.handle_dtr(true);
        pair.dce.handle_bytes(left.as_bytes(), pair.now);
        pair.happens(LineEvent::Ring { pattern: 0 });
        pair.happens(LineEvent::Connected(33_600));
        assert!(pair.dce.is_in_data_state());
        pair.events();
        // A machine of another process: it knows nothing of the call.
        pair.modem = Modem::new(Settings::default());
        pair.request(Request::Initialise);
        assert_eq!(pair.events().last(), Some(&Event::Ready), "{freed_by_dtr}");
        assert!(!pair.dce.is_in_data_state());
        assert_eq!(pair.line.last(), Some(&LineSignal::OnHook));
    }
}
