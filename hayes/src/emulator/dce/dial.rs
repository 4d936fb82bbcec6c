//! Dialling (V.250 6.3.1): working through a dial string, step by step.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::settings::Settings;
use super::{Dce, DceOutput, LineSignal, Role, State};
use crate::command::{Command, DialStep, DialString, commands};
use crate::reply::ResultCode;

/// What is left of a dial string.
#[derive(Clone, Debug)]
pub(super) struct Dialling {
    rest: VecDeque<DialStep>,
    voice: bool,
    reverse: bool,
    pub(super) step: Step,
    pub(super) until: Instant,
}

/// What the modem does at the moment.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// No dial tone yet; there is none if it does not come.
    AwaitTone,
    /// Sending these digits.
    Digits(String),
    /// Waiting, for whatever reason.
    Pause,
}

/// How long `X2` and `X4` listen for dial tone.
const DIAL_TONE_WAIT: Duration = Duration::from_secs(5);
/// How long dial tone must be there to be taken for it.
pub(super) const DIAL_TONE_RECOGNITION: Duration = Duration::from_secs(1);
/// How long a register recall is (V.250 6.3.1.1.4 leaves it to national rules).
const FLASH: Duration = Duration::from_millis(500);
/// The most steps that stored numbers may unfold to.
const MOST_STEPS: usize = 256;

impl Dce {
    /// Starts to dial, unless the number is refused; a result that is there at once is returned.
    pub(super) fn dial(&mut self, string: DialString, now: Instant) -> Option<ResultCode> {
        let mut rest = string.steps;
        if string.redial {
            rest.clone_from(&self.last_dialled);
        } else {
            self.last_dialled.clone_from(&rest);
        }
        let (rest, stored_voice) = self.unfold(rest);
        let number: String = rest
            .iter()
            .filter_map(|step| if let DialStep::Digits(d) = step { Some(d.as_str()) } else { None })
            .collect();
        if let Some(rules) = self.kind.emulation.blacklisting.filter(|_| !number.is_empty())
            && let Some(refusal) = self.blacklist.refusal(&rules, &number, now)
        {
            return Some(refusal);
        }
        self.dialled = number;
        let in_call = matches!(self.state, State::OffHook { dialled: true });
        self.incoming = false;
        let (step, wait) = if in_call {
            (Step::Pause, Duration::ZERO)
        } else if !self.settings.hears_dial_tone() {
            (Step::Pause, self.settings.registers.blind_dial_pause())
        } else if self.dial_tone {
            (Step::Pause, DIAL_TONE_RECOGNITION)
        } else {
            (Step::AwaitTone, DIAL_TONE_WAIT)
        };
        // In voice mode a call is a person's: there is no carrier to wait for (V.253).
        let voice = string.voice || stored_voice || self.is_in_voice_mode();
        self.state = State::Dialling(Dialling { rest, voice, reverse: string.reverse, step, until: now + wait });
        self.signal(LineSignal::OffHook(Role::Originate));
        None
    }

    /// Puts stored numbers in place of `S=n`, one level deep, and tells whether one of them ends with `;`.
    fn unfold(&self, steps: VecDeque<DialStep>) -> (VecDeque<DialStep>, bool) {
        let mut voice = false;
        let mut unfolded = VecDeque::new();
        for step in steps {
            let DialStep::Stored(place) = step else {
                unfolded.push_back(step);
                continue;
            };
            let number = self.numbers.get(&place).map(|number| format!("D{number}")).unwrap_or_default();
            if let Some(Ok(Command::Dial(stored))) = commands(number.as_bytes()).next() {
                voice |= stored.voice;
                unfolded.extend(stored.steps.into_iter().filter(|step| !matches!(step, DialStep::Stored(_))));
            }
        }
        unfolded.truncate(MOST_STEPS);
        (unfolded, voice)
    }

    /// Takes that dial tone is on the line.
    pub(super) fn hear_dial_tone(&mut self, now: Instant) {
        self.dial_tone = true;
        if let State::Dialling(dialling) = &mut self.state
            && matches!(dialling.step, Step::AwaitTone)
        {
            dialling.step = Step::Pause;
            dialling.until = now + DIAL_TONE_RECOGNITION;
        }
    }

    /// Ends the present step of the dial string and starts the next one.
    pub(super) fn finish_step(&mut self, now: Instant) {
        let State::Dialling(dialling) = &mut self.state else { return };
        match std::mem::replace(&mut dialling.step, Step::Pause) {
            Step::AwaitTone => {
                // `W` listens whatever X says, but only X2 and X4 have a word for it.
                let heard = self.settings.hears_dial_tone();
                return self
                    .end_call(if heard { &ResultCode::NoDialTone } else { &ResultCode::NoCarrier }, "NO DIAL TONE");
            }
            Step::Digits(digits) => {
                self.dial_tone = false;
                self.outputs.push_back(DceOutput::Line(LineSignal::Dial(digits)));
            }
            Step::Pause => {}
        }
        let completion = now + self.settings.registers.completion_timeout();
        loop {
            let Some(step) = dialling.rest.pop_front() else { return self.finish_dialling(completion) };
            let (step, wait) = match step {
                DialStep::Pulse => {
                    self.settings.pulse = true;
                    continue;
                }
                DialStep::Tone => {
                    self.settings.pulse = false;
                    continue;
                }
                DialStep::Digits(digits) => {
                    let wait = dialling_time(&digits, &self.settings, self.digit_time);
                    (Step::Digits(digits), wait)
                }
                DialStep::DialTone | DialStep::CardTone if self.dial_tone => continue,
                DialStep::DialTone | DialStep::CardTone => {
                    (Step::AwaitTone, self.settings.registers.completion_timeout())
                }
                DialStep::Pause => (Step::Pause, self.settings.registers.comma_pause()),
                DialStep::Flash => {
                    self.outputs.push_back(DceOutput::Line(LineSignal::Flash));
                    (Step::Pause, FLASH)
                }
                // Has been put in place before.
                DialStep::Stored(_) => continue,
                DialStep::QuietAnswer => {
                    self.state = State::Awaiting { until: completion, quiet_answer: true };
                    return;
                }
            };
            dialling.step = step;
            dialling.until = now + wait;
            return;
        }
    }

    fn finish_dialling(&mut self, completion: Instant) {
        let State::Dialling(dialling) = &self.state else { return };
        if dialling.voice {
            self.state = State::OffHook { dialled: true };
            self.signal(LineSignal::OffHook(Role::Silent));
            self.result(&ResultCode::Ok);
            return;
        }
        if dialling.reverse {
            self.signal(LineSignal::OffHook(Role::Answer));
        }
        self.state = State::Awaiting { until: completion, quiet_answer: false };
    }
}

fn dialling_time(digits: &str, settings: &Settings, digit_time: Option<Duration>) -> Duration {
    let one = |digit: char| match (digit_time, digit.to_digit(10)) {
        (Some(time), _) => time,
        // Ten pulses a second and 0.7 s between digits.
        (None, Some(value)) if settings.pulse => {
            Duration::from_millis(u64::from(if value == 0 { 10 } else { value }) * 100 + 700)
        }
        (None, _) => settings.registers.tone_digit(),
    };
    digits.chars().map(one).sum()
}
