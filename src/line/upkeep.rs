//! When a line is opened, set up, probed, reset and tried again.
//!
//! Owns every decision about a line that is not about a call: no tty, no clock. A modem that does not answer is looked
//! for as the driver can (escape sequence, DTR, other rates, `ATZ`), then by opening the line anew, then by switching
//! its USB device off and on; then it is down, and all of that is tried again from time to time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::state::{LineState, Trouble};

/// What the owner wants of the upkeep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often a modem that is silent is asked whether it is there; never without one.
    pub probe_every: Option<Duration>,
    /// Whether a modem that does not answer is switched off and on, where it is on the USB.
    pub reset_usb: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { probe_every: Some(PROBE_EVERY), reset_usb: true }
    }
}

/// Asked every five minutes, a dead modem is known before the next call on most lines; mgetty takes 15 at least.
const PROBE_EVERY: Duration = Duration::from_secs(300);
/// For a tty that is gone: a modem that is enumerated anew, as after a reset or resume, is back within ten seconds.
const BACK: Backoff = Backoff { first: Duration::from_millis(250), most: Duration::from_secs(5) };
/// For a line that another program has, or that this user may not open: udev may be about to say that he may.
const FREE: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// For a modem that stayed silent through everything: most likely only a person can mend it.
const MENDED: Backoff = Backoff { first: Duration::from_secs(30), most: Duration::from_secs(600) };
/// From switching a USB device on until its tty is looked for: the kernel needs a moment to take the old one away.
const ENUMERATION: Duration = Duration::from_secs(1);

/// Pauses that double up to a limit.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    first: Duration,
    most: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Open the line; ends in `handle_opened` or `handle_down`.
    Open,
    /// Close it.
    Close,
    /// Set the modem up; ends in `handle_ready` or `handle_silent`.
    SetUp,
    /// Ask whether it is there; ends in `handle_alive` or `handle_silent`.
    Probe,
    /// Switch its USB device off and on; ends in `handle_switched`.
    SwitchUsb,
    /// Tell how the line is now.
    Changed(LineState),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Closed, until the timer.
    Away,
    Opening,
    SettingUp,
    /// In command state, waiting for calls; the timer is the next probe's.
    Idle,
    Probing,
    Lent,
    InCall,
    Switching,
}

/// What has been tried on a silent modem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// Nothing but to set it up.
    None,
    /// The line was closed and opened.
    Reopened,
    /// Its USB device was switched off and on.
    Switched,
}

/// The upkeep of one line.
#[derive(Debug)]
pub(super) struct Upkeep {
    policy: Policy,
    phase: Phase,
    remedy: Remedy,
    /// How often it could not be had since it last worked.
    unopened: u32,
    /// How often all remedies were tried in vain since it last worked.
    unmended: u32,
    state: LineState,
    timer: Option<(Instant, &'static str)>,
    outputs: VecDeque<Output>,
}

impl Upkeep {
    /// A line that is to be opened.
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            phase: Phase::Opening,
            remedy: Remedy::None,
            unopened: 0,
            unmended: 0,
            state: LineState::SettingUp,
            timer: None,
            outputs: VecDeque::from([Output::Open]),
        }
    }

    /// How the line is.
    pub(super) fn state(&self) -> &LineState {
        &self.state
    }

    /// Reports whether the modem has nothing to do but to wait for calls.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// The line is open.
    pub(super) fn handle_opened(&mut self) {
        self.set_up();
    }

    /// The line could not be opened, or was lost.
    pub(super) fn handle_down(&mut self, trouble: Trouble, cause: String, now: Instant) {
        let (backoff, failures) = match trouble {
            Trouble::Missing => (BACK, &mut self.unopened),
            Trouble::Busy | Trouble::Attended | Trouble::Unusable => (FREE, &mut self.unopened),
            Trouble::Silent => (MENDED, &mut self.unmended),
        };
        let pause = backoff.pause(*failures);
        *failures = failures.saturating_add(1);
        self.enter(Phase::Away);
        self.wait(pause, "next try at the line", now);
        self.change(LineState::Down { trouble, cause });
    }

    /// The modem is set up; `stuck` if its carrier signal is on although there is no call.
    pub(super) fn handle_ready(&mut self, stuck: bool, now: Instant) {
        (self.remedy, self.unopened, self.unmended) = (Remedy::None, 0, 0);
        self.idle(now);
        self.change(if stuck { LineState::StuckCarrier } else { LineState::Ready });
    }

    /// The modem answered a probe.
    pub(super) fn handle_alive(&mut self, now: Instant) {
        if self.phase == Phase::Probing {
            self.idle(now);
        }
    }

    /// The modem said something by itself: it is there.
    pub(super) fn handle_word(&mut self, now: Instant) {
        if self.phase == Phase::Idle {
            self.idle(now);
        }
    }

    /// The modem does not answer.
    pub(super) fn handle_silent(&mut self, cause: String, now: Instant) {
        match (self.phase, self.remedy) {
            (Phase::SettingUp, Remedy::None) => {
                self.remedy = Remedy::Reopened;
                self.reset();
                self.outputs.push_back(Output::Close);
                self.open();
            }
            (Phase::SettingUp, Remedy::Reopened) if self.policy.reset_usb => {
                self.remedy = Remedy::Switched;
                self.outputs.push_back(Output::Close);
                self.enter(Phase::Switching);
                self.outputs.push_back(Output::SwitchUsb);
            }
            (Phase::SettingUp, Remedy::Reopened | Remedy::Switched) => {
                self.remedy = Remedy::None;
                self.outputs.push_back(Output::Close);
                self.handle_down(Trouble::Silent, cause, now);
            }
            (Phase::Idle | Phase::Probing, _) => {
                self.reset();
                self.set_up();
            }
            (Phase::Away | Phase::Opening | Phase::Lent | Phase::InCall | Phase::Switching, _) => {}
        }
    }

    /// The USB device was switched off and on; `false` if there is none, or it may not be.
    pub(super) fn handle_switched(&mut self, done: bool, cause: String, now: Instant) {
        if self.phase != Phase::Switching {
            return;
        }
        if done {
            self.enter(Phase::Away);
            self.wait(ENUMERATION, "USB device to come back", now);
        } else {
            self.remedy = Remedy::None;
            self.handle_down(Trouble::Silent, cause, now);
        }
    }

    /// Another program has taken the line.
    pub(super) fn handle_lent(&mut self, process: Option<u32>) {
        self.enter(Phase::Lent);
        self.change(LineState::Lent { process });
    }

    /// It has given the line back, and the modem may be in any state.
    pub(super) fn handle_returned(&mut self) {
        self.set_up();
    }

    /// The line was taken for a call.
    pub(super) fn handle_taken(&mut self) {
        self.enter(Phase::InCall);
        self.change(LineState::InCall);
    }

    /// The call is over; `open` if the line still is.
    pub(super) fn handle_given_back(&mut self, open: bool) {
        if open { self.set_up() } else { self.open() }
    }

    /// Acts on the deadline, if it has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timer.take_if(|(at, _)| *at <= now).is_none() {
            return;
        }
        match self.phase {
            Phase::Away => self.open(),
            Phase::Idle => {
                self.enter(Phase::Probing);
                self.outputs.push_back(Output::Probe);
            }
            Phase::Opening | Phase::SettingUp | Phase::Probing | Phase::Lent | Phase::InCall | Phase::Switching => {}
        }
    }

    /// When [`Self::handle_timeout`] is wanted, and what for.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.timer
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn open(&mut self) {
        self.enter(Phase::Opening);
        self.outputs.push_back(Output::Open);
    }

    fn set_up(&mut self) {
        self.enter(Phase::SettingUp);
        self.outputs.push_back(Output::SetUp);
        // A line that was down, or whose modem is silent, is so until it works.
        if !matches!(self.state, LineState::Down { .. } | LineState::Resetting) {
            self.change(LineState::SettingUp);
        }
    }

    /// The modem is known to be silent.
    fn reset(&mut self) {
        if !matches!(self.state, LineState::Down { .. }) {
            self.change(LineState::Resetting);
        }
    }

    fn idle(&mut self, now: Instant) {
        self.enter(Phase::Idle);
        if let Some(every) = self.policy.probe_every {
            self.wait(every, "probe of the modem", now);
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.timer = None;
    }

    fn wait(&mut self, pause: Duration, reason: &'static str, now: Instant) {
        self.timer = now.checked_add(pause).map(|at| (at, reason));
    }

    fn change(&mut self, state: LineState) {
        if self.state != state {
            self.state = state.clone();
            self.outputs.push_back(Output::Changed(state));
        }
    }
}

impl Backoff {
    fn pause(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }
}

#[cfg(test)]
mod tests;
