//! What is said on a line, written down: journal, board and budget learn all they know from the words that `--json` has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hayes::caller::{CallerId, CallerNumber};

use super::Event;
use super::naps::Naps;
use super::standing::standing;
use crate::budget::{Allowance, Cap, Reservation};
use crate::control::{Front, LinkStanding, Phase, RecordStanding, TunnelStanding};
use crate::journal::{Caller, Journal, Note, Resume, Step, Wake, WakeNumber, decide};
use crate::line::LineState;
use crate::{link, sleep};

/// How often a wake that goes on is noted as alive: one that is cut off is taken up again only where that was not long ago.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

/// Looks at the wakes that were cut off when the program last ended: gives the one that is to go on, and notes the others as
/// lost. `now` is in
/// milliseconds since 1970.
pub(super) fn take_stock(journal: &Journal, now: u64) -> Option<Wake> {
    let mut to_go_on = None;
    for wake in journal.unfinished() {
        match decide(&wake, now) {
            Resume::Again if to_go_on.is_none() => to_go_on = Some(wake),
            Resume::Again | Resume::GiveUp => give_up(journal, &wake),
        }
    }
    to_go_on
}

/// Notes a wake that was cut off as lost.
pub(super) fn give_up(journal: &Journal, wake: &Wake) {
    let step = wake.step;
    tracing::warn!(wake = %wake.wake, step = step.as_str(), "a wake was cut off, and is not gone on with");
    journal.note(Some(&wake.line), Some(wake.wake), Note::CutOff { step, resumed: false });
    let cause = format!("cut off when {}", step.as_str());
    journal.step(wake.wake, Step::Ended, |wake| wake.cause = Some(cause));
}

/// The one who writes down what happens on the lines.
#[derive(Debug)]
pub(super) struct Chronicle {
    front: Front,
    traces: Mutex<BTreeMap<String, Trace>>,
    naps: Mutex<Naps>,
}

/// What is known of a line's call and wake so far.
#[derive(Debug, Default)]
struct Trace {
    rings: u32,
    caller: Caller,
    /// Who the caller has proven to be.
    by: Option<String>,
    pretended: bool,
    /// What the journal was told last of the line itself.
    told: Option<&'static str>,
    /// The call that rings, or was answered, will wake.
    accepted: bool,
    /// It was answered, and is in the journal.
    answered: bool,
    wake: Option<WakeNumber>,
    /// The call that the wake will cost, counted already.
    reservation: Option<Reservation>,
    connected: Option<Instant>,
    /// When the journal was last told that the wake goes on.
    alive: Option<Instant>,
    /// The interface of the link, and the octets that have passed on it.
    link: Option<(String, u64, u64)>,
    /// Why the link is being ended, where we end it.
    ending: Option<String>,
}

impl Chronicle {
    /// A chronicle that begins with what the journal knows of the record.
    pub(super) fn new(front: Front) -> Self {
        if let Some((wake, seq)) = front.journal.wakes().iter().find_map(|wake| Some((wake.clone(), wake.seq?))) {
            let state = if wake.asleep { "asleep" } else { "online" };
            let record = RecordStanding { state: state.to_owned(), seq, at: wake.since };
            front.board.change(|standing| standing.record = Some(record));
        }
        Self { front, traces: Mutex::default(), naps: Mutex::default() }
    }

    pub(super) fn front(&self) -> &Front {
        &self.front
    }

    /// Caller identification came, with the number that events leave out.
    pub(super) fn note_caller(&self, line: &str, caller: &CallerId) {
        let who = match &caller.number {
            Some(CallerNumber::Known(number)) => Caller { number: Some(number.clone()), withheld: None },
            Some(other) => Caller { number: None, withheld: Some(format!("{other:?}").to_lowercase()) },
            None => Caller::default(),
        };
        self.traces().entry(line.to_owned()).or_default().caller = who;
    }

    /// Somebody only pretends that it rings.
    pub(super) fn note_pretended(&self, line: &str) {
        self.traces().entry(line.to_owned()).or_default().pretended = true;
    }

    /// What has passed on the line's link so far, and for how long nothing has, where that is known.
    pub(super) fn note_traffic(&self, line: &str, quiet: Option<Duration>, now: Instant) {
        let mut traces = self.traces();
        let Some(Trace { link: Some((interface, received, sent)), alive, wake, .. }) = traces.get_mut(line) else {
            return;
        };
        if alive.is_none_or(|alive| now.saturating_duration_since(alive) >= ALIVE_EVERY)
            && let Some(wake) = *wake
        {
            *alive = Some(now);
            self.front.journal.alive(wake);
        }
        if let Some(passed) = link::octets(interface) {
            (*received, *sent) = passed;
        }
        let milliseconds = |quiet: Duration| u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX);
        let since = quiet.map(|quiet| self.front.board.now().saturating_sub(milliseconds(quiet)));
        self.front.board.change_quietly(|standing| {
            if let Some(link) = &mut standing.link {
                link.quiet_since = since;
            }
        });
    }

    /// Whether the budget leaves room for a wake by a call on this line; one that was accepted already has its room.
    pub(super) fn allowance(&self, line: &str) -> Allowance {
        let reserved = self.traces().get(line).is_some_and(|trace| trace.reservation.is_some());
        if reserved {
            return Allowance::Granted;
        }
        match self.front.budget.allowance() {
            spent @ Allowance::Refused(Cap::CallsADay | Cap::CallsAMonth | Cap::MinutesADay | Cap::MinutesAMonth) => {
                spent
            }
            // What cannot be written down shows only when it is tried.
            Allowance::Refused(Cap::NotKept) | Allowance::Granted => Allowance::Granted,
        }
    }

    /// Counts an outgoing call, unless that was done when the wake was accepted; it is on disk when this returns.
    ///
    /// # Errors
    /// With the cap that is reached.
    pub(super) async fn spend(&self, line: &str) -> Result<(), Cap> {
        let reserved = self.traces().get_mut(line).and_then(|trace| trace.reservation.take());
        let mut reservation = match reserved {
            Some(reservation) => reservation,
            None => self.front.budget.reserve()?,
        };
        reservation.durable().await?;
        reservation.made();
        Ok(())
    }

    /// A wake that was cut off goes on, on this line.
    pub(super) fn resume(&self, line: &str, wake: &Wake) {
        self.traces().entry(line.to_owned()).or_default().wake = Some(wake.wake);
        self.front.journal.note(Some(line), Some(wake.wake), Note::CutOff { step: wake.step, resumed: true });
        self.front.journal.step(wake.wake, Step::Begun, |wake| wake.resumed += 1);
    }

    /// The wake that a line served is over, however it ended.
    pub(super) fn wake_over(&self, line: &str) {
        let mut traces = self.traces();
        let trace = traces.entry(line.to_owned()).or_default();
        self.hung_up(line, trace);
        (trace.reservation, trace.ending) = (None, None);
        (trace.accepted, trace.answered) = (false, false);
        if let Some(wake) = trace.wake.take() {
            self.front.journal.step(wake, Step::Ended, |_wake| {});
        }
    }

    /// A link that somebody else had brought up is gone; it was no line of this machine's.
    pub(super) fn adoption_over(&self, interface: &str) {
        self.traces().remove(interface);
        self.front.board.forget(interface);
    }

    /// The line is so from now on.
    pub(super) fn note_line(&self, line: &str, state: &LineState) {
        let mut traces = self.traces();
        let trace = traces.entry(line.to_owned()).or_default();
        let Some((phase, trouble, word)) = standing(state) else { return };
        let cause = trouble.as_ref().filter(|_| phase != Phase::Listening).map(|trouble| trouble.cause.clone());
        // A call that will wake goes on though the line is set up anew.
        if !trace.accepted || !state.listens() && *state != LineState::SettingUp {
            self.front.board.troubled_line(line, phase, trace.wake, trouble);
        }
        if let Some(word) = word.filter(|word| trace.told.replace(word) != Some(word)) {
            self.front.journal.note(Some(line), trace.wake, Note::Line { state: word.to_owned(), cause });
        }
    }

    /// What happened to the machine's sleep.
    pub(super) fn note_sleep(&self, event: &sleep::Event) {
        self.naps.lock().unwrap_or_else(PoisonError::into_inner).note(event, &self.front);
    }

    /// Writes down what was said of a line.
    pub(super) fn note(&self, line: &str, event: &Event, now: Instant) {
        let mut traces = self.traces();
        let trace = traces.entry(line.to_owned()).or_default();
        let (journal, board) = (&self.front.journal, &self.front.board);
        match event {
            Event::Ring { count } => {
                trace.rings = *count;
                if !trace.accepted {
                    board.line(line, Phase::Ringing { count: *count }, None);
                }
            }
            // How the line is was noted with it.
            Event::Listening
            | Event::Caller { .. }
            | Event::MoreRefused { .. }
            | Event::Answering
            | Event::Kept { .. }
            | Event::NoLink { .. } => {}
            Event::Admitted { by } => trace.by = Some(by.clone()),
            Event::Answered { ending, wakes } => {
                let note = trace.call(format!("answered-{ending}"));
                if *wakes {
                    trace.answered = true;
                    self.accept(line, trace);
                }
                journal.note(Some(line), trace.wake, note);
            }
            Event::CutOff => {
                let cause = "the machine slept in the midst of a call".to_owned();
                journal.note(Some(line), trace.wake, Note::Failed { cause });
            }
            Event::Accepted => self.accept(line, trace),
            Event::Refused { reason } => {
                trace.reservation = None;
                if let Some(wake) = trace.wake.take() {
                    journal.step(wake, Step::Ended, |wake| wake.cause = Some(reason.to_string()));
                }
                let answered = trace.answered;
                let call = trace.call(reason.as_str().to_owned());
                let note = if answered { Note::Failed { cause: reason.to_string() } } else { call };
                journal.note(Some(line), None, note);
                board.line(line, Phase::Listening, None);
            }
            Event::Waking { since_ring } => {
                let wake = *trace.wake.get_or_insert_with(|| journal.begin(line));
                // A call that was answered is written down already.
                if !trace.answered {
                    journal.note(Some(line), Some(wake), trace.call("accepted".to_owned()));
                }
                (trace.accepted, trace.answered) = (false, false);
                journal.note(Some(line), Some(wake), Note::Wake { since_ring: *since_ring });
                board.line(line, Phase::Waking, Some(wake));
            }
            Event::Resuming { .. } | Event::Redialling { .. } => board.line(line, Phase::Waking, trace.wake),
            Event::Dialling => self.note_step(line, trace, Step::Dialling, Phase::Dialling, Some(Note::Dialled)),
            Event::Connected => {
                trace.connected = Some(now);
                self.front.budget.connected();
                self.note_step(line, trace, Step::Connected, Phase::Connected, None);
            }
            Event::Adopted { interface, address } | Event::Up { interface, address } => {
                self.note_up(line, trace, interface, *address, now);
            }
            Event::Unreachable { advice, .. } => {
                journal.note(Some(line), trace.wake, Note::Failed { cause: (*advice).to_owned() });
            }
            Event::TunnelOpening { at } => self.note_tunnel("opening", Some(at.clone()), None),
            Event::TunnelUp { at } => {
                journal.note(Some(line), trace.wake, Note::Tunnel { at: Some(at.clone()), cause: None });
                self.note_tunnel("up", Some(at.clone()), None);
            }
            Event::TunnelDown { cause, .. } => {
                journal.note(Some(line), trace.wake, Note::Tunnel { at: None, cause: Some(cause.clone()) });
                self.note_tunnel("down", None, Some(cause.clone()));
            }
            Event::Registered { seq, .. } => {
                self.note_step(line, trace, Step::Registered, Phase::Registered, Some(Note::Registered { seq: *seq }));
                self.note_record(trace, "online", *seq);
            }
            Event::Withdrawn { seq, .. } => {
                self.note_step(line, trace, Step::Withdrawn, Phase::Withdrawn, Some(Note::Withdrawn { seq: *seq }));
                self.note_record(trace, "asleep", *seq);
            }
            Event::Idle => trace.ending = Some("idle".to_owned()),
            Event::Limit => trace.ending = Some("listen.max-session".to_owned()),
            Event::HangingUp => trace.ending = Some("told to hang up".to_owned()),
            Event::Spent { cause } => {
                trace.ending = Some(cause.clone());
                journal.note(Some(line), trace.wake, Note::Budget { cause: cause.clone() });
                if let Some(wake) = trace.wake {
                    journal.change(wake, |wake| wake.cause = Some(cause.clone()));
                }
            }
            Event::Ended { cause } => {
                let cause = trace.ending.take().unwrap_or_else(|| cause.clone());
                self.hung_up(line, trace);
                if let Some((_interface, received, sent)) = trace.link.take() {
                    let note = Note::Down { cause: cause.clone(), received, sent };
                    journal.note(Some(line), trace.wake, note);
                }
                // The wake itself may go on.
                if let Some(wake) = trace.wake {
                    journal.change(wake, |wake| wake.cause = Some(cause));
                }
                board.change(|standing| (standing.link, standing.tunnel) = (None, None));
                board.line(line, Phase::Opening, None);
            }
            Event::Failed { cause } => {
                if trace.link.is_none() {
                    self.hung_up(line, trace);
                }
                journal.note(Some(line), trace.wake, Note::Failed { cause: cause.clone() });
                if let Some(wake) = trace.wake {
                    journal.change(wake, |wake| wake.cause = Some(cause.clone()));
                }
            }
        }
    }

    /// A call will wake the machine.
    fn accept(&self, line: &str, trace: &mut Trace) {
        // Counted while the line must be silent anyway; what is refused here is refused again before dialling.
        trace.reservation = self.front.budget.reserve().ok();
        trace.accepted = true;
        // Written down in the same time, so that a wake is gone on with from its very first moment.
        let wake = *trace.wake.get_or_insert_with(|| self.front.journal.begin(line));
        self.front.board.line(line, Phase::Accepted, Some(wake));
    }

    fn note_step(&self, line: &str, trace: &Trace, step: Step, phase: Phase, note: Option<Note>) {
        if let Some(wake) = trace.wake {
            self.front.journal.step(wake, step, |_wake| {});
        }
        if let Some(note) = note {
            self.front.journal.note(Some(line), trace.wake, note);
        }
        self.front.board.line(line, phase, trace.wake);
    }

    fn note_up(&self, line: &str, trace: &mut Trace, interface: &str, address: std::net::IpAddr, now: Instant) {
        trace.link = Some((interface.to_owned(), 0, 0));
        let since = self.front.board.now();
        self.note_step(line, trace, Step::Up, Phase::Up, Some(Note::Up { interface: interface.to_owned(), address }));
        if let Some(wake) = trace.wake {
            // A peers file dials by itself: nobody has said when the call began.
            if trace.connected.is_none() {
                trace.connected = Some(now);
                self.front.budget.connected();
            }
            self.front.journal.change(wake, |wake| {
                wake.up = Some(since);
                wake.address = Some(address);
                wake.cause = None;
            });
        }
        let link = LinkStanding {
            line: line.to_owned(),
            interface: interface.to_owned(),
            address,
            since,
            received: 0,
            sent: 0,
            quiet_since: None,
        };
        self.front.board.change(|standing| standing.link = Some(link));
    }

    fn note_tunnel(&self, state: &str, at: Option<String>, cause: Option<String>) {
        let tunnel = TunnelStanding { state: state.to_owned(), at, since: self.front.board.now(), cause };
        self.front.board.change(|standing| standing.tunnel = Some(tunnel));
    }

    fn note_record(&self, trace: &Trace, state: &str, seq: u64) {
        let record = RecordStanding { state: state.to_owned(), seq, at: self.front.board.now() };
        self.front.board.change(|standing| standing.record = Some(record));
        if let Some(wake) = trace.wake {
            self.front.journal.change(wake, |wake| {
                wake.seq = Some(seq);
                wake.asleep = state == "asleep";
            });
        }
    }

    /// The outgoing call is over: what it cost is settled.
    fn hung_up(&self, line: &str, trace: &mut Trace) {
        let Some(connected) = trace.connected.take() else { return };
        self.front.budget.hung_up();
        let seconds = crate::clock::now().saturating_duration_since(connected).as_secs_f64().ceil();
        // Seconds of a call: far below what an integer holds.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the line above")]
        let seconds = seconds as u64;
        self.front.journal.note(Some(line), trace.wake, Note::HungUp { seconds });
    }

    fn traces(&self) -> MutexGuard<'_, BTreeMap<String, Trace>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// The call that is over, and what came of it; the next one begins from nothing.
    fn call(&mut self, verdict: String) -> Note {
        (self.accepted, self.answered) = (false, false);
        Note::Call {
            caller: std::mem::take(&mut self.caller),
            rings: std::mem::take(&mut self.rings),
            verdict,
            by: self.by.take(),
            pretended: std::mem::take(&mut self.pretended),
        }
    }
}
