//! Finding a modem, whatever state it is in: `AT`, then the escape sequence, then DTR, then other rates.

use std::time::Instant;

use super::{Event, Goal, Modem, Outcome, Output, Step, times};

/// The rates a modem is looked for at, in bit/s, the likeliest first.
const RATES: [u32; 9] = [115_200, 57_600, 38_400, 19_200, 9600, 230_400, 4800, 2400, 1200];
/// Told with the last `AT`, for a modem that was told to be quiet (Q1): it hears, and answers nothing.
const SPEAK: &str = "E0Q0V1";

/// What has been tried to get an answer; each is tried once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Means {
    pub(super) escaped: bool,
    pub(super) dropped: bool,
    pub(super) searched: bool,
}

/// The rates between computer and modem.
#[derive(Debug)]
pub(super) struct Rates {
    wanted: u32,
    now: u32,
    /// The next one to try, while looking for the modem.
    trial: Option<usize>,
    /// Where it was found before it was asked to change.
    left: Option<u32>,
    /// The modem does not leave the rate it is at.
    kept: bool,
}

impl Rates {
    pub(super) fn new(rate: u32) -> Self {
        Self { wanted: rate, now: rate, trial: None, left: None, kept: false }
    }
}

impl Modem {
    /// Sends `AT`, the first of a few.
    pub(super) fn ask(&mut self, now: Instant) {
        let outstanding = !matches!(self.step, Step::Idle | Step::Data { .. } | Step::Guarding | Step::DtrHigh);
        self.ask_again(1, outstanding, now);
    }

    pub(super) fn ask_again(&mut self, tries: u8, late: bool, now: Instant) {
        let trial = self.is_trial();
        self.command(if !trial && tries == times::ASK_TRIES { SPEAK } else { "" });
        let wait = if trial { times::TRIAL_WAIT } else { times::ASK_WAIT };
        self.enter(Step::Asking { tries, late }, now, wait, "OK to AT");
    }

    pub(super) fn not_asked_enough(&self, tries: u8) -> bool {
        tries < if self.is_trial() { times::TRIAL_TRIES } else { times::ASK_TRIES }
    }

    fn is_trial(&self) -> bool {
        self.rates.as_ref().is_some_and(|rates| rates.trial.is_some())
    }

    pub(super) fn settle(&mut self, now: Instant) {
        self.enter(Step::Settling, now, times::SETTLE, "end of late answers");
    }

    /// The modem is in command state and in step.
    pub(super) fn found(&mut self, now: Instant) {
        if let Some(rates) = &mut self.rates {
            rates.trial = None;
            rates.left = None;
            if matches!(self.goal, Goal::Initialise(_)) && rates.now != rates.wanted && !rates.kept {
                let wanted = rates.wanted;
                self.command(&format!("+IPR={wanted}"));
                return self.enter(Step::Retuning, now, times::SETTING_WAIT, "OK to the wanted rate");
            }
        }
        match &mut self.goal {
            Goal::Initialise(_) => self.proceed(now),
            Goal::Dial(number) => {
                let modifier = if number.chooses_tone_or_pulse() { "" } else { self.settings.dialling.modifier() };
                let dial = format!("D{modifier}{}", number.dial_string());
                self.command(&dial);
                self.enter(Step::Dialling, now, times::DIAL_LIMIT, "result of dialling");
            }
            // DTR alone may have left the call standing (&D0, &D1).
            Goal::HangUp { .. } => self.hook(now),
            Goal::Restore { .. } => self.turn_on(now),
            Goal::Identify(_) | Goal::Ask(..) | Goal::ListCalls(_) => self.heard_before_asking(now),
            Goal::Probe | Goal::Answer | Goal::Listen => self.finish(Event::Alive),
        }
    }

    /// `AT` got no `OK`: perhaps the modem is in data state and passes it on, perhaps it is at another rate.
    pub(super) fn unanswered(&mut self, now: Instant) {
        if self.rates.as_ref().is_some_and(|rates| rates.left.is_some()) {
            return self.return_to_rate(now);
        }
        match &mut self.goal {
            Goal::Initialise(initialising) => {
                let means = &mut initialising.means;
                if !means.escaped {
                    means.escaped = true;
                    self.guard(now);
                } else if !means.dropped {
                    means.dropped = true;
                    self.drop_dtr(now);
                } else if self.rates.is_some() && (!means.searched || self.is_trial()) {
                    self.search(now);
                } else {
                    self.finish(Event::Silent);
                }
            }
            Goal::HangUp { means, .. } if !means.escaped => {
                means.escaped = true;
                self.guard(now);
            }
            Goal::Dial(_) => self.finish(Event::Ended(Outcome::Silent)),
            Goal::Restore { .. } => self.restored(false),
            Goal::Listen
            | Goal::Answer
            | Goal::HangUp { .. }
            | Goal::Probe
            | Goal::Identify(_)
            | Goal::Ask(..)
            | Goal::ListCalls(_) => self.finish(Event::Silent),
        }
    }

    fn guard(&mut self, now: Instant) {
        self.enter(Step::Guarding, now, times::ESCAPE_GUARD, "silence before the escape sequence");
    }

    /// Asks at the next rate; at the end of them goes back to the first, and the modem is silent.
    fn search(&mut self, now: Instant) {
        if let Goal::Initialise(initialising) = &mut self.goal {
            initialising.means.searched = true;
        }
        let Some(rates) = &mut self.rates else { return self.finish(Event::Silent) };
        let next = RATES.iter().enumerate().skip(rates.trial.unwrap_or(0)).find(|(_, rate)| **rate != rates.wanted);
        rates.trial = next.map(|(index, _)| index + 1);
        rates.now = next.map_or(rates.wanted, |(_, rate)| *rate);
        rates.kept = false;
        let rate = rates.now;
        self.output(Output::SetRate(rate));
        if next.is_some() { self.ask_again(1, false, now) } else { self.finish(Event::Silent) }
    }

    /// The modem accepted the wanted rate, and goes there.
    pub(super) fn retune(&mut self, now: Instant) {
        let Some(rates) = &mut self.rates else { return };
        rates.left = Some(rates.now);
        rates.now = rates.wanted;
        let rate = rates.now;
        self.output(Output::SetRate(rate));
        self.enter(Step::Retuned, now, times::RATE_PAUSE, "modem to be at its new rate");
    }

    /// The modem did not follow to the wanted rate.
    fn return_to_rate(&mut self, now: Instant) {
        let Some(rates) = &mut self.rates else { return };
        rates.now = rates.left.take().unwrap_or(rates.wanted);
        let rate = rates.now;
        self.output(Output::SetRate(rate));
        self.keep_rate();
        self.ask_again(1, true, now);
    }

    /// The modem stays where it was found.
    pub(super) fn keep_rate(&mut self) {
        let Some(rates) = &mut self.rates else { return };
        rates.kept = true;
        let (found, wanted) = (rates.now, rates.wanted);
        self.report(Event::RateKept { found, wanted });
    }

    /// Leaves the rate that is only tried, or that the modem did not confirm.
    pub(super) fn stop_searching(&mut self) {
        let Some(rates) = &mut self.rates else { return };
        let back = match (rates.left.take(), rates.trial.take()) {
            (Some(left), _) => left,
            (None, Some(_)) => rates.wanted,
            (None, None) => return,
        };
        rates.now = back;
        self.output(Output::SetRate(back));
    }
}
