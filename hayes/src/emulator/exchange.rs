//! The telephone exchange: joins modems by number, rings, tells who calls, carries data at the line's rate.
//!
//! Sans-IO: `handle_*(.., now)`, then drain [`Exchange::poll_output`], then sleep until [`Exchange::deadline`]. Owns
//! the calls and every modem; refuses to know what a terminal is made of.
//!
//! What becomes of a call (`call.rs`); beside it a line may have a second one that waits or is held (`waiting.rs`):
//!
//! | state | input | next |
//! |---|---|---|
//! | dialling | no further digit in time | ringing, seized, or a tone; lost where a rule for the number says so |
//! | tone | it has played for its time | the loop drops |
//! | seized: out over a trunk | it says busy, unknown, no answer | a tone; the loop drops |
//! | seized, ringing | the called party answers | answered |
//! | seized, ringing, lost | the ring limit | the caller's loop drops |
//! | ringing | the called line goes dead | lost: only the caller hears it ring |
//! | answered | one modem sends the answer tone, the other waits for it | training |
//! | training | its time; where the caller is behind another exchange, that one's word | connected |
//! | connected | carrier loss, retrain, hold | connected, interrupted: no data |
//! | answered, training, connected | one end hangs up | releasing: the other takes what is under way, then is told |
//! | any | the caller hangs up, nobody else in it | over |
//!
//! Off hook during a ring answers the call, whatever the modem meant by it: see [`super::dce`] for an `ATD` that meets
//! a caller. A call to a line that is off hook for any reason is busy, but for one in a call that has call waiting.

pub mod fault;
pub mod outside;

mod director;
mod hook;
mod progress;
mod routing;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oorandom::Rand64;

use self::director::Director;
use self::fault::Treated;
use self::outside::{Outside, OutsideCaller, OutsideEvent, OutsideId};
use super::agenda::Agenda;
use super::call::{Call, End};
use super::calllog::{CallEvent, CallEventKind, CallId, WallTime};
use super::dce::{Dce, DceOutput, LineEvent, LineSignal, Role};
use super::plan::{LinePlan, Plan, PlanError};

/// A line of an exchange; see [`Exchange::line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub(super) usize);

/// What the exchange wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Give these bytes to the terminal of this line.
    Send {
        /// The line.
        line: LineId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Tell this to a party that is no line of this exchange; see [`outside`].
    Outside {
        /// The party.
        id: OutsideId,
        /// What it is told.
        event: OutsideEvent,
    },
    /// Write this into the log of calls.
    Report(CallEvent),
}

/// A telephone exchange with a modem on every line.
#[derive(Clone, Debug)]
pub struct Exchange {
    plan: Plan,
    lines: Vec<Line>,
    /// The lines to try for each number, in order, and with which pattern they ring.
    directory: BTreeMap<String, Vec<(LineId, u8)>>,
    calls: BTreeMap<CallId, Call>,
    last_call: u64,
    outsides: BTreeMap<OutsideId, Outside>,
    last_outside: u64,
    treatments: Vec<Treated>,
    director: Director,
    random: Rand64,
    started: bool,
    agenda: Agenda<Party>,
    /// Lines whose modem may have output.
    stirred: VecDeque<LineId>,
    outputs: VecDeque<Output>,
    /// What wall time it was when.
    clock: Option<(Duration, Instant)>,
}

#[derive(Clone, Debug)]
struct Line {
    plan: LinePlan,
    dce: Dce,
    /// What it does off hook; `None` on hook.
    role: Option<Role>,
    /// The call it listens to.
    call: Option<CallId>,
    /// One that waits, or is held.
    other: Option<CallId>,
    dead: bool,
    /// Who calls when it next goes off hook to dial.
    glare: Option<OutsideCaller>,
    terminal_ready: bool,
}

/// Who is on the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Line(LineId),
    Call(CallId),
    Director,
}

/// What a modem in command state takes at once.
const COMMAND_ROOM: usize = 1024;

impl Exchange {
    /// Builds the exchange of a plan; all lines on hook, DTR off.
    ///
    /// # Errors
    ///
    /// What [`Plan::check`] finds.
    pub fn new(plan: Plan) -> Result<Self, PlanError> {
        plan.check()?;
        let line = |line: &LinePlan| Line {
            dce: Dce::new(Arc::clone(&line.modem), plan.dialling.digit),
            plan: line.clone(),
            role: None,
            call: None,
            other: None,
            dead: line.dead,
            glare: None,
            terminal_ready: true,
        };
        let lines: Vec<Line> = plan.lines.iter().map(line).collect();
        let named = |name: &str| lines.iter().position(|line| line.plan.name == name).map(LineId);
        let own = plan.lines.iter().enumerate().flat_map(|(index, line)| {
            let more = line.distinctive.iter().map(|more| (more.number.clone(), more.pattern));
            let numbers = [(line.number.clone(), 0)].into_iter().chain(more);
            numbers.map(move |(number, pattern)| (number, vec![(LineId(index), pattern)]))
        });
        let groups = plan.hunt_groups.iter();
        let groups = groups
            .map(|group| (group.number.clone(), group.lines.iter().filter_map(|n| Some((named(n)?, 0))).collect()));
        let directory = own.chain(groups).collect();
        Ok(Self {
            treatments: Vec::new(),
            director: Director::new(plan.scenario.clone()),
            random: Rand64::new(u128::from(plan.seed)),
            started: false,
            plan,
            lines,
            directory,
            calls: BTreeMap::new(),
            last_call: 0,
            outsides: BTreeMap::new(),
            last_outside: 0,
            agenda: Agenda::new(),
            stirred: VecDeque::new(),
            outputs: VecDeque::new(),
            clock: None,
        })
    }

    /// The line of this name.
    #[must_use]
    pub fn line(&self, name: &str) -> Option<LineId> {
        self.lines.iter().position(|line| line.plan.name == name).map(LineId)
    }

    /// All lines with their names, in the order of the plan.
    pub fn lines(&self) -> impl Iterator<Item = (LineId, &str)> {
        self.lines.iter().enumerate().map(|(index, line)| (LineId(index), line.plan.name.as_str()))
    }

    /// Tells the exchange the wall time, for caller identification and the log: the time since 1970 in UTC.
    pub fn handle_wall_clock(&mut self, since_1970: Duration, now: Instant) {
        self.clock = Some((since_1970, now));
        self.start(now);
    }

    /// Takes bytes from a line's terminal; beyond [`Self::room`], data is lost.
    pub fn handle_bytes(&mut self, line: LineId, bytes: &[u8], now: Instant) {
        self.with_dce(line, now, |dce| dce.handle_bytes(bytes, now));
    }

    /// Takes a change of DTR at a line's terminal.
    pub fn handle_dtr(&mut self, line: LineId, on: bool, now: Instant) {
        self.with_dce(line, now, |dce| dce.handle_dtr(on));
    }

    /// Takes the rate in bit/s at which a line's terminal talks to its modem.
    pub fn handle_rate(&mut self, line: LineId, rate: u32, now: Instant) {
        self.with_dce(line, now, |dce| dce.handle_rate(rate));
    }

    /// Takes whether a line's terminal can take data now (its RTS); what comes meanwhile waits and holds up the far
    /// side. Result codes are sent all the same.
    pub fn handle_flow(&mut self, line: LineId, ready: bool, now: Instant) {
        if let Some(line) = self.lines.get_mut(line.0) {
            line.terminal_ready = ready;
        }
        self.with_dce(line, now, |_| ());
    }

    /// Acts on every timer that has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(party) = self.agenda.pop_due(now) {
            match party {
                Party::Line(line) => self.with_dce(line, now, |dce| dce.handle_timeout(now)),
                Party::Call(id) => {
                    self.attend(id, now);
                    self.settle(now);
                }
                Party::Director => {
                    self.direct(now);
                    self.settle(now);
                }
            }
        }
    }

    /// When the exchange next wants [`Self::handle_timeout`], and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.agenda.first()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many bytes [`Self::handle_bytes`] takes from this line's terminal without loss (its CTS is off at 0).
    #[must_use]
    pub fn room(&self, line: LineId) -> usize {
        let Some(Line { dce, call: Some(call), .. }) = self.lines.get(line.0) else { return COMMAND_ROOM };
        if !dce.is_in_data_state() {
            return COMMAND_ROOM;
        }
        self.calls.get(call).and_then(|call| call.room(End::Line(line))).unwrap_or(COMMAND_ROOM)
    }

    fn with_dce(&mut self, line: LineId, now: Instant, act: impl FnOnce(&mut Dce)) {
        if let Some(found) = self.lines.get_mut(line.0) {
            act(&mut found.dce);
            self.stirred.push_back(line);
        }
        self.settle(now);
    }

    fn tell(&mut self, line: LineId, event: LineEvent, now: Instant) {
        if let Some(found) = self.lines.get_mut(line.0) {
            found.dce.handle_line(event, now);
            self.stirred.push_back(line);
        }
    }

    /// Carries out what stirred modems want, until all is quiet.
    fn settle(&mut self, now: Instant) {
        self.start(now);
        while let Some(id) = self.stirred.pop_front() {
            while let Some(output) = self.lines.get_mut(id.0).and_then(|line| line.dce.poll_output()) {
                match output {
                    DceOutput::Send(bytes) => self.outputs.push_back(Output::Send { line: id, bytes }),
                    DceOutput::Line(signal) => self.signal(id, signal, now),
                }
            }
            let Some(line) = self.lines.get(id.0) else { continue };
            self.agenda.set(Party::Line(id), line.dce.deadline());
            if let Some(call) = line.call {
                self.deliver(call, End::Line(id), now);
                self.reschedule(call);
            }
        }
    }

    fn reschedule(&mut self, id: CallId) {
        self.agenda.set(Party::Call(id), self.calls.get(&id).and_then(Call::deadline));
    }

    /// Takes what a modem does to its line.
    fn signal(&mut self, id: LineId, signal: LineSignal, now: Instant) {
        match signal {
            LineSignal::OffHook(role) => self.off_hook(id, role, now),
            LineSignal::Dial(digits) => self.dial(id, &digits, now),
            LineSignal::Data(bytes) => {
                let call = self.lines.get(id.0).and_then(|line| line.call);
                let circuit =
                    call.and_then(|call| self.calls.get_mut(&call)).and_then(|call| call.outgoing(End::Line(id)));
                if let Some(circuit) = circuit {
                    circuit.send(&bytes, now);
                }
            }
            LineSignal::Flash => self.flash(id, now),
            LineSignal::OnHook => self.on_hook(id, now),
        }
    }

    /// What an end does off hook; `None` on hook.
    fn role(&self, end: End) -> Option<Role> {
        match end {
            End::Line(id) => self.lines.get(id.0).and_then(|line| line.role),
            End::Outside(id) => self.outsides.get(&id).and_then(|outside| outside.role),
        }
    }

    /// The highest rate of an end's modem.
    fn rate(&self, end: End) -> u32 {
        let rate = match end {
            End::Line(id) => {
                self.lines.get(id.0).map(|line| line.plan.rate.min(line.dce.rate_limit().unwrap_or(u32::MAX)))
            }
            End::Outside(id) => self.outsides.get(&id).map(|outside| outside.rate),
        };
        rate.unwrap_or_default()
    }

    /// What the log calls an end.
    fn name(&self, end: End) -> String {
        let name = match end {
            End::Line(id) => self.lines.get(id.0).map(|line| &line.plan.name),
            End::Outside(id) => self.outsides.get(&id).map(|outside| &outside.name),
        };
        name.cloned().unwrap_or_default()
    }

    fn new_call_id(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    fn wall_time(&self, now: Instant) -> WallTime {
        WallTime(self.clock.map_or(Duration::ZERO, |(time, at)| time + now.saturating_duration_since(at)))
    }

    fn report(&mut self, call: CallId, kind: CallEventKind, now: Instant) {
        let time = self.wall_time(now);
        self.watch(call, &kind, now);
        self.outputs.push_back(Output::Report(CallEvent { at: now, time, call, kind }));
    }

    /// Begins: once, at the first thing that happens.
    fn start(&mut self, now: Instant) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        if self.plan.scenario.is_some() || self.plan.noise > 0 || !self.plan.jitter.is_zero() {
            self.report(CallId(0), CallEventKind::Started { seed: self.plan.seed }, now);
        }
        self.open_scenario(now);
    }
}
