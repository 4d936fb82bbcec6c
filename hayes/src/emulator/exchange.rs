//! The telephone exchange: joins modems by number, rings, tells who calls, carries data at the line's rate.
//!
//! Sans-IO: `handle_*(.., now)`, then drain [`Exchange::poll_output`], then sleep until [`Exchange::deadline`]. Owns
//! the calls and every modem; refuses to know what a terminal is made of.
//!
//! Off hook during a ring answers the call, whatever the modem meant by it: see [`super::dce`] for an `ATD` that meets
//! a caller. A call to a line that is off hook for any reason is busy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::call::{Call, Phase, Releasing, Ringing};
use super::calllog::{CallEvent, CallEventKind, CallId, WallTime};
use super::circuit::Circuit;
use super::dce::{Dce, DceOutput, LineEvent, LineSignal, Role};
use super::plan::{LinePlan, Plan, PlanError, Presentation};
use crate::caller::{CallerId, CallerNumber};

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
    /// Write this into the log of calls.
    Report(CallEvent),
}

/// A telephone exchange with a modem on every line.
#[derive(Clone, Debug)]
pub struct Exchange {
    plan: Plan,
    lines: Vec<Line>,
    /// The lines to try for each number, in order.
    directory: BTreeMap<String, Vec<LineId>>,
    calls: BTreeMap<CallId, Call>,
    last_call: u64,
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
    call: Option<CallId>,
    terminal_ready: bool,
}

/// Who is on the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Line(LineId),
    Call(CallId),
}

/// What a modem in command state takes at once.
const COMMAND_ROOM: usize = 1024;
/// How long a modem tries to hand over what it has received after the far side hung up (S38's usual value).
const FORCED_DISCONNECT: Duration = Duration::from_secs(20);
/// The longest number that the exchange collects.
const LONGEST_NUMBER: usize = 64;

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
            terminal_ready: true,
        };
        let lines: Vec<Line> = plan.lines.iter().map(line).collect();
        let named = |name: &str| lines.iter().position(|line| line.plan.name == name).map(LineId);
        let own = lines.iter().enumerate().map(|(index, line)| (line.plan.number.clone(), vec![LineId(index)]));
        let groups = plan.hunt_groups.iter();
        let groups = groups.map(|group| (group.number.clone(), group.lines.iter().filter_map(|n| named(n)).collect()));
        let directory = own.chain(groups).collect();
        Ok(Self {
            plan,
            lines,
            directory,
            calls: BTreeMap::new(),
            last_call: 0,
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
    }

    /// Takes bytes from a line's terminal; beyond [`Self::room`], data is lost.
    pub fn handle_bytes(&mut self, line: LineId, bytes: &[u8], now: Instant) {
        self.with_dce(line, now, |dce| dce.handle_bytes(bytes, now));
    }

    /// Takes a change of DTR at a line's terminal.
    pub fn handle_dtr(&mut self, line: LineId, on: bool, now: Instant) {
        self.with_dce(line, now, |dce| dce.handle_dtr(on));
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
        self.calls.get(call).and_then(|call| call.room(line)).unwrap_or(COMMAND_ROOM)
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
                self.deliver(call, id, now);
                self.reschedule(call);
            }
        }
    }

    fn reschedule(&mut self, id: CallId) {
        self.agenda.set(Party::Call(id), self.calls.get(&id).and_then(Call::deadline));
    }

    /// Gives the terminal what has arrived for it, if it takes data now.
    fn deliver(&mut self, id: CallId, to: LineId, now: Instant) {
        let ready = self.lines.get(to.0).is_some_and(|line| line.terminal_ready && line.dce.is_in_data_state());
        let Some(circuit) = self.calls.get_mut(&id).and_then(|call| call.incoming(to)).filter(|_| ready) else {
            return;
        };
        let bytes = circuit.take_arrived(now);
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Send { line: to, bytes });
        }
    }

    /// Takes what a modem does to its line.
    fn signal(&mut self, id: LineId, signal: LineSignal, now: Instant) {
        match signal {
            LineSignal::OffHook(role) => self.off_hook(id, role, now),
            LineSignal::Dial(digits) => self.dial(id, &digits, now),
            LineSignal::Data(bytes) => {
                let call = self.lines.get(id.0).and_then(|line| line.call);
                let circuit = call.and_then(|call| self.calls.get_mut(&call)).and_then(|call| call.outgoing(id));
                if let Some(circuit) = circuit {
                    circuit.send(&bytes, now);
                }
            }
            LineSignal::Flash => {}
            LineSignal::OnHook => self.on_hook(id, now),
        }
    }

    fn off_hook(&mut self, id: LineId, role: Role, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        let was_on_hook = line.role.replace(role).is_none();
        let Some(call_id) = line.call else {
            if was_on_hook && !line.plan.dead {
                self.tell(id, LineEvent::DialTone, now);
            }
            return;
        };
        let name = line.plan.name.clone();
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        if matches!(&call.phase, Phase::Ringing(ringing) if ringing.callee == id) {
            call.phase = Phase::Answered { callee: id };
            self.report(call_id, CallEventKind::Answered { line: name.clone() }, now);
            if role == Role::Originate {
                self.report(call_id, CallEventKind::Glare { line: name }, now);
                self.tell(id, LineEvent::Collision, now);
            }
        }
        self.train(call_id, now);
    }

    /// Starts training once one modem of an answered call sends the answer tone and the other waits for it.
    fn train(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Answered { callee } = call.phase else { return };
        let role = |line: LineId| self.lines.get(line.0).and_then(|line| line.role);
        let roles = (role(call.caller), role(callee));
        if matches!(roles, (Some(Role::Originate), Some(Role::Answer)) | (Some(Role::Answer), Some(Role::Originate))) {
            call.phase = Phase::Training { callee, until: now + self.plan.training };
        }
        self.reschedule(id);
    }

    fn dial(&mut self, id: LineId, digits: &str, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0).filter(|line| !line.plan.dead) else { return };
        let call_id = *line.call.get_or_insert_with(|| {
            self.last_call += 1;
            CallId(self.last_call)
        });
        let call = self
            .calls
            .entry(call_id)
            .or_insert_with(|| Call { caller: id, phase: Phase::Dialling { digits: String::new(), until: now } });
        if let Phase::Dialling { digits: dialled, until } = &mut call.phase {
            let room = LONGEST_NUMBER.saturating_sub(dialled.len());
            dialled.extend(digits.chars().take(room));
            let known = self.directory.contains_key(dialled.as_str());
            *until = now + if known { self.plan.dialling.post_dial } else { self.plan.dialling.interdigit };
        }
        self.reschedule(call_id);
    }

    fn on_hook(&mut self, id: LineId, now: Instant) {
        let Some(line) = self.lines.get_mut(id.0) else { return };
        line.role = None;
        let by = line.plan.name.clone();
        let Some(call_id) = line.call.take() else { return };
        let Some(call) = self.calls.remove(&call_id) else { return };
        let dialled = !matches!(call.phase, Phase::Dialling { .. });
        let releasing = match call.phase {
            Phase::Dialling { .. } | Phase::Tone { .. } | Phase::Releasing(_) => None,
            Phase::Ringing(ringing) => {
                self.free(ringing.callee);
                None
            }
            Phase::Answered { callee } | Phase::Training { callee, .. } => {
                Some((if id == callee { call.caller } else { callee }, None))
            }
            Phase::Connected { callee, to_caller, to_callee } => {
                Some(if id == callee { (call.caller, Some(to_caller)) } else { (callee, Some(to_callee)) })
            }
        };
        if dialled {
            self.report(call_id, CallEventKind::HungUp { by }, now);
        }
        if let Some((survivor, remaining)) = releasing {
            let in_data_state = self.lines.get(survivor.0).is_some_and(|line| line.dce.is_in_data_state());
            let phase = Phase::Releasing(Releasing {
                survivor,
                remaining: remaining.filter(|_| in_data_state),
                notice: now + self.plan.disconnect_notice + self.plan.delay,
                forced: now + FORCED_DISCONNECT,
            });
            self.calls.insert(call_id, Call { caller: call.caller, phase });
        }
        self.reschedule(call_id);
    }

    fn free(&mut self, id: LineId) {
        if let Some(line) = self.lines.get_mut(id.0) {
            line.call = None;
        }
    }

    /// Does what a call wants at this time.
    fn attend(&mut self, id: CallId, now: Instant) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let caller = call.caller;
        let callee = call.callee();
        let next = match call.phase {
            Phase::Dialling { digits, .. } => Some(self.route(id, caller, digits, now)),
            Phase::Tone { .. } => {
                self.report(id, CallEventKind::Dropped, now);
                self.drop_line(caller, now);
                None
            }
            Phase::Ringing(ringing) => self.ring(id, caller, ringing, now),
            Phase::Answered { callee } => Some(Phase::Answered { callee }),
            Phase::Training { callee, .. } => Some(self.connect(id, caller, callee, now)),
            Phase::Connected { callee, mut to_caller, mut to_callee } => {
                to_caller.advance(now);
                to_callee.advance(now);
                Some(Phase::Connected { callee, to_caller, to_callee })
            }
            Phase::Releasing(mut releasing) => {
                if let Some(circuit) = &mut releasing.remaining {
                    circuit.advance(now);
                }
                Some(Phase::Releasing(releasing))
            }
        };
        let Some(next) = next else { return self.reschedule(id) };
        call.phase = next;
        let survivor = if let Phase::Releasing(releasing) = &call.phase { Some(releasing.survivor) } else { None };
        self.calls.insert(id, call);
        for line in [Some(caller), callee, survivor].into_iter().flatten() {
            self.deliver(id, line, now);
        }
        self.finish_release(id, now);
        self.reschedule(id);
    }

    /// Tells the survivor of a call that its time has come.
    fn finish_release(&mut self, id: CallId, now: Instant) {
        let Some(Phase::Releasing(releasing)) = self.calls.get(&id).map(|call| &call.phase) else { return };
        if releasing.is_over(now) {
            let survivor = releasing.survivor;
            self.calls.remove(&id);
            self.drop_line(survivor, now);
        }
    }

    /// Takes a line out of its call and lets its modem notice.
    fn drop_line(&mut self, id: LineId, now: Instant) {
        self.free(id);
        self.tell(id, LineEvent::Dropped, now);
    }

    /// Finds a free line for a dialled number.
    fn route(&mut self, id: CallId, caller: LineId, digits: String, now: Instant) -> Phase {
        let from = self.lines.get(caller.0).map(|line| line.plan.name.clone()).unwrap_or_default();
        let wanted = self.directory.get(&digits);
        let free = |id: &&LineId| {
            self.lines.get(id.0).is_some_and(|line| line.role.is_none() && line.call.is_none() && !line.plan.dead)
        };
        let (known, callee) = (wanted.is_some(), wanted.and_then(|lines| lines.iter().find(free)).copied());
        self.report(id, CallEventKind::Dialled { from, to: digits }, now);
        let tone = Phase::Tone { until: now + self.plan.tone_limit };
        if !known {
            self.report(id, CallEventKind::NumberUnknown, now);
            return tone;
        }
        let Some(callee) = callee else {
            self.report(id, CallEventKind::Busy, now);
            self.tell(caller, LineEvent::BusyTone, now);
            return tone;
        };
        if let Some(line) = self.lines.get_mut(callee.0) {
            line.call = Some(id);
        }
        let told = self.lines.get(callee.0).is_some_and(|line| line.plan.caller_id);
        let first_ring = self.plan.cadence.round().saturating_sub(self.plan.cadence.last_silence());
        Phase::Ringing(Ringing {
            callee,
            rings: 0,
            next_ring: now,
            caller_id_at: told.then(|| now + first_ring + self.plan.caller_id_after),
            until: now + self.plan.ring_limit,
        })
    }

    fn ring(&mut self, id: CallId, caller: LineId, mut ringing: Ringing, now: Instant) -> Option<Phase> {
        let line = self.lines.get(ringing.callee.0).map(|line| line.plan.name.clone()).unwrap_or_default();
        if ringing.until <= now {
            self.report(id, CallEventKind::NoAnswer, now);
            self.free(ringing.callee);
            self.drop_line(caller, now);
            return None;
        }
        if ringing.caller_id_at.take_if(|at| *at <= now).is_some() {
            let identification = self.caller_id(caller, now);
            self.report(id, CallEventKind::CallerIdSent { line: line.clone() }, now);
            let called = self.lines.get(ringing.callee.0).map(|line| line.plan.number.clone()).unwrap_or_default();
            self.tell(ringing.callee, LineEvent::CallerId { caller: identification, called }, now);
        }
        if ringing.next_ring <= now {
            ringing.rings += 1;
            ringing.next_ring += self.plan.cadence.round();
            self.report(id, CallEventKind::Ringing { line, ring: ringing.rings }, now);
            self.tell(ringing.callee, LineEvent::Ring { pattern: 0 }, now);
        }
        Some(Phase::Ringing(ringing))
    }

    fn connect(&mut self, id: CallId, caller: LineId, callee: LineId, now: Instant) -> Phase {
        let rate = [caller, callee].iter().filter_map(|id| self.lines.get(id.0)).map(|line| line.plan.rate).min();
        let rate = rate.unwrap_or_default();
        self.report(id, CallEventKind::Connected { rate }, now);
        self.tell(callee, LineEvent::Connected(rate), now);
        self.tell(caller, LineEvent::Connected(rate), now);
        let circuit = Circuit::new(rate, self.plan.bits_per_byte, self.plan.delay);
        Phase::Connected { callee, to_caller: circuit.clone(), to_callee: circuit }
    }

    fn caller_id(&self, caller: LineId, now: Instant) -> CallerId {
        let Some(line) = self.lines.get(caller.0) else { return CallerId::default() };
        let number = match line.plan.presentation {
            Presentation::Allowed => CallerNumber::Known(line.plan.number.clone()),
            Presentation::Withheld => CallerNumber::Withheld,
            Presentation::Unavailable => CallerNumber::Unavailable,
        };
        let name = line.plan.caller_name.clone().filter(|_| line.plan.presentation == Presentation::Allowed);
        let offset = Duration::from_secs(60 * u64::from(self.plan.utc_offset_minutes.unsigned_abs()));
        let utc = self.wall_time(now).0;
        let local = if self.plan.utc_offset_minutes < 0 { utc.saturating_sub(offset) } else { utc + offset };
        let civil = WallTime(local).civil();
        CallerId {
            number: Some(number),
            name,
            date: Some(format!("{:02}{:02}", civil.month, civil.day)),
            time: Some(format!("{:02}{:02}", civil.hour, civil.minute)),
            ..CallerId::default()
        }
    }

    fn wall_time(&self, now: Instant) -> WallTime {
        WallTime(self.clock.map_or(Duration::ZERO, |(time, at)| time + now.saturating_duration_since(at)))
    }

    fn report(&mut self, call: CallId, kind: CallEventKind, now: Instant) {
        let time = self.wall_time(now);
        self.outputs.push_back(Output::Report(CallEvent { at: now, time, call, kind }));
    }
}
