//! How a line is, as the board shows it: what it is about, and what its owner can do where something is wrong.

use hayes::ports::Process;

use crate::control::{LineTrouble, Phase};
use crate::line::{LineState, Trouble};

/// The line's phase while no call is on it, what is wrong with it, and the word for it in the journal; `None` where its
/// calls tell.
pub(super) fn standing(state: &LineState) -> Option<(Phase, Option<LineTrouble>, Option<&'static str>)> {
    let trouble = |kind: &str| {
        let advice = state.advice().unwrap_or_default().to_owned();
        Some(LineTrouble { kind: kind.to_owned(), cause: state.to_string(), advice })
    };
    Some(match state {
        LineState::InCall => return None,
        LineState::SettingUp => (Phase::Opening, None, None),
        LineState::Ready => (Phase::Listening, None, Some("listening")),
        LineState::StuckCarrier => (Phase::Listening, trouble("stuck-carrier"), Some("listening")),
        LineState::Resetting => (Phase::Resetting, trouble("silent"), Some("resetting")),
        LineState::Lent { process } => {
            let program = process.and_then(|process| Process::of(process).name);
            (Phase::Lent { process: *process, program }, trouble("lent"), Some("lent"))
        }
        LineState::Down { trouble: why, cause } => {
            let kind = match why {
                Trouble::Missing => "unplugged",
                Trouble::Busy => "busy",
                Trouble::Attended => "attended",
                Trouble::Silent => "silent",
                Trouble::Unusable => "unusable",
            };
            (Phase::Lost { cause: cause.clone() }, trouble(kind), Some("lost"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_hears_no_calls_says_why_and_what_to_do() {
        let down = |trouble| LineState::Down { trouble, cause: "no such tty".to_owned() };
        let states = [
            (LineState::StuckCarrier, "stuck-carrier"),
            (LineState::Resetting, "silent"),
            (LineState::Lent { process: None }, "lent"),
            (down(Trouble::Missing), "unplugged"),
            (down(Trouble::Busy), "busy"),
            (down(Trouble::Attended), "attended"),
            (down(Trouble::Silent), "silent"),
            (down(Trouble::Unusable), "unusable"),
        ];
        for (state, kind) in states {
            let (_phase, trouble, _word) = standing(&state).unwrap();
            let trouble = trouble.unwrap_or_else(|| panic!("{state:?}"));
            assert_eq!(trouble.kind, kind);
            assert!(!trouble.cause.is_empty() && !trouble.advice.is_empty(), "{trouble:?}");
        }
        for state in [LineState::SettingUp, LineState::Ready] {
            assert_eq!(standing(&state).unwrap().1, None);
        }
    }

    #[test]
    fn whoever_has_the_line_is_named() {
        let state = LineState::Lent { process: Some(std::process::id()) };
        let Some((Phase::Lent { process, program: Some(program) }, ..)) = standing(&state) else { panic!("{state:?}") };
        assert_eq!(process, Some(std::process::id()));
        assert!(!program.is_empty());
    }
}
