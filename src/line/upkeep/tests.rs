//! What is done about a line, step by step.

use super::*;

/// A line under an invented clock.
struct Case {
    upkeep: Upkeep,
    now: Instant,
}

fn silent() -> String {
    "the modem does not answer".to_owned()
}

impl Case {
    fn new(policy: Policy) -> Self {
        let mut case = Self { upkeep: Upkeep::new(policy), now: crate::clock::now() };
        case.does(&[Output::Open]);
        case
    }

    /// One whose modem waits for calls.
    fn ready() -> Self {
        let mut case = Self::new(Policy::default());
        case.upkeep.handle_opened();
        case.does(&[Output::SetUp]);
        case.upkeep.handle_ready(false, case.now);
        case.does(&[Output::Changed(LineState::Ready)]);
        case
    }

    #[track_caller]
    fn does(&mut self, wanted: &[Output]) {
        let done: Vec<Output> = std::iter::from_fn(|| self.upkeep.poll_output()).collect();
        assert_eq!(done, wanted);
    }

    /// Lets the time pass until the deadline; gives how long that is.
    #[track_caller]
    fn waits(&mut self) -> Duration {
        let (at, _why) = self.upkeep.deadline().expect("it waits for nothing");
        let pause = at.saturating_duration_since(self.now);
        self.now = at;
        self.upkeep.handle_timeout(at);
        pause
    }

    fn down(&mut self, trouble: Trouble) {
        self.upkeep.handle_down(trouble, silent(), self.now);
    }

    fn is_silent(&mut self) {
        self.upkeep.handle_silent(silent(), self.now);
    }
}

fn is_down(trouble: Trouble) -> Output {
    Output::Changed(LineState::Down { trouble, cause: silent() })
}

#[test]
fn an_idle_line_waits_for_its_next_probe_and_for_nothing_else() {
    let mut case = Case::ready();
    assert_eq!(case.waits(), PROBE_EVERY);
    case.does(&[Output::Probe]);
    assert_eq!(case.upkeep.deadline(), None, "the driver has its own limits");
    case.upkeep.handle_alive(case.now);
    case.does(&[]);
    assert!(case.upkeep.is_idle());
    case.now += PROBE_EVERY / 2;
    case.upkeep.handle_word(case.now);
    assert_eq!(case.waits(), PROBE_EVERY, "a modem that rings need not be asked whether it is there");
}

#[test]
fn a_line_that_is_not_to_be_probed_waits_for_nothing() {
    let mut case = Case::new(Policy { probe_every: None, ..Policy::default() });
    case.upkeep.handle_opened();
    case.upkeep.handle_ready(false, case.now);
    assert_eq!(case.upkeep.deadline(), None);
}

#[test]
fn a_modem_that_does_not_answer_a_probe_is_set_up_opened_anew_and_switched_off_and_on() {
    let mut case = Case::ready();
    case.waits();
    case.does(&[Output::Probe]);
    case.is_silent();
    case.does(&[Output::Changed(LineState::Resetting), Output::SetUp]);
    case.is_silent();
    case.does(&[Output::Close, Output::Open]);
    case.upkeep.handle_opened();
    case.does(&[Output::SetUp]);
    case.is_silent();
    case.does(&[Output::Close, Output::SwitchUsb]);
    case.upkeep.handle_switched(true, silent(), case.now);
    case.does(&[]);
    assert_eq!(case.waits(), ENUMERATION);
    case.does(&[Output::Open]);
    case.upkeep.handle_opened();
    case.does(&[Output::SetUp]);
    case.upkeep.handle_ready(false, case.now);
    case.does(&[Output::Changed(LineState::Ready)]);
}

#[test]
fn a_modem_that_nothing_helps_is_down_and_tried_again_less_and_less_often() {
    let mut case = Case::new(Policy { reset_usb: false, ..Policy::default() });
    let mut pauses = Vec::new();
    for round in 0..7 {
        for open in 0..2 {
            case.upkeep.handle_opened();
            case.does(&[Output::SetUp]);
            case.is_silent();
            if open == 0 {
                let told = [Output::Changed(LineState::Resetting), Output::Close, Output::Open];
                case.does(&told[usize::from(round > 0)..]);
            }
        }
        let told = [Output::Close, is_down(Trouble::Silent)];
        case.does(&told[..if round == 0 { 2 } else { 1 }]);
        pauses.push(case.waits().as_secs());
        case.does(&[Output::Open]);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600]);
}

#[test]
fn a_modem_that_cannot_be_switched_off_is_down_at_once() {
    let mut case = Case::new(Policy::default());
    case.upkeep.handle_opened();
    case.is_silent();
    case.upkeep.handle_opened();
    case.is_silent();
    let resetting = Output::Changed(LineState::Resetting);
    case.does(&[
        Output::SetUp,
        resetting,
        Output::Close,
        Output::Open,
        Output::SetUp,
        Output::Close,
        Output::SwitchUsb,
    ]);
    case.upkeep.handle_switched(false, silent(), case.now);
    case.does(&[is_down(Trouble::Silent)]);
}

#[test]
fn a_modem_that_is_unplugged_is_looked_for_at_once_and_found_within_seconds_of_its_return() {
    let mut case = Case::ready();
    case.down(Trouble::Missing);
    case.does(&[is_down(Trouble::Missing)]);
    let mut waited = Duration::ZERO;
    while waited < Duration::from_secs(10) {
        waited += case.waits();
        case.does(&[Output::Open]);
        case.down(Trouble::Missing);
        case.does(&[]);
    }
    assert!(case.waits() <= Duration::from_secs(5));
    case.does(&[Output::Open]);
    case.upkeep.handle_opened();
    case.upkeep.handle_ready(false, case.now);
    case.does(&[Output::SetUp, Output::Changed(LineState::Ready)]);
    case.down(Trouble::Missing);
    assert_eq!(case.waits(), BACK.first, "the next time is a first time again");
}

#[test]
fn a_line_that_others_have_is_tried_again_at_most_every_minute() {
    for trouble in [Trouble::Busy, Trouble::Attended, Trouble::Unusable] {
        let mut case = Case::new(Policy::default());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            case.down(trouble);
            pauses.push(case.waits().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60], "{trouble:?}");
    }
}

#[test]
fn a_line_that_is_lent_is_left_alone_and_set_up_when_it_comes_back() {
    let mut case = Case::ready();
    case.upkeep.handle_lent(Some(7));
    case.does(&[Output::Changed(LineState::Lent { process: Some(7) })]);
    assert_eq!(case.upkeep.deadline(), None);
    case.upkeep.handle_returned();
    case.does(&[Output::SetUp, Output::Changed(LineState::SettingUp)]);
}

#[test]
fn a_line_in_a_call_is_left_alone_and_set_up_or_opened_behind_it() {
    let mut case = Case::ready();
    case.upkeep.handle_taken();
    case.does(&[Output::Changed(LineState::InCall)]);
    assert_eq!(case.upkeep.deadline(), None);
    case.upkeep.handle_given_back(true);
    case.does(&[Output::SetUp, Output::Changed(LineState::SettingUp)]);
    case.upkeep.handle_ready(false, case.now);
    case.upkeep.handle_taken();
    case.does(&[Output::Changed(LineState::Ready), Output::Changed(LineState::InCall)]);
    case.upkeep.handle_given_back(false);
    case.does(&[Output::Open]);
}

#[test]
fn a_carrier_that_stays_without_a_call_is_told_and_forgotten_once_it_falls() {
    let mut case = Case::new(Policy::default());
    case.upkeep.handle_opened();
    case.upkeep.handle_ready(true, case.now);
    case.does(&[Output::SetUp, Output::Changed(LineState::StuckCarrier)]);
    case.upkeep.handle_taken();
    case.upkeep.handle_given_back(true);
    case.upkeep.handle_ready(false, case.now);
    let told = [LineState::InCall, LineState::SettingUp, LineState::Ready].map(Output::Changed);
    let [in_call, setting_up, ready] = told;
    case.does(&[in_call, Output::SetUp, setting_up, ready]);
}

#[test]
fn nothing_that_comes_late_disturbs_a_line_that_is_away_lent_or_in_a_call() {
    let enter: [fn(&mut Case); 3] =
        [|case| case.down(Trouble::Missing), |case| case.upkeep.handle_lent(None), |case| case.upkeep.handle_taken()];
    for enter in enter {
        let mut case = Case::ready();
        enter(&mut case);
        while case.upkeep.poll_output().is_some() {}
        let deadline = case.upkeep.deadline();
        case.is_silent();
        case.upkeep.handle_alive(case.now);
        case.upkeep.handle_word(case.now);
        case.upkeep.handle_switched(true, silent(), case.now);
        case.does(&[]);
        assert_eq!(case.upkeep.deadline(), deadline);
    }
}
