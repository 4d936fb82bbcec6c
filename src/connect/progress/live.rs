//! Steps on a terminal: one line a host, with the seconds of the step that it is at; what is over stands above, in full.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::{Event, line};

/// How often the seconds move on.
const TICK: Duration = Duration::from_millis(100);

/// The lines that move.
#[derive(Debug, Default)]
pub(super) struct Live {
    lines: MultiProgress,
    /// The step that each host is at.
    steps: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Live {
    /// Tells a step; the one before is over with it.
    pub(super) fn say(&self, host: &str, event: &Event) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        self.end(steps.remove(host));
        if event.begins_a_wait() {
            let step = self.lines.add(ProgressBar::new_spinner()).with_style(style()).with_message(event.words());
            step.enable_steady_tick(TICK);
            steps.insert(host.to_owned(), step);
        } else {
            self.lines.suspend(|| line(Duration::ZERO, &event.words()));
        }
    }

    /// Has a failure told below the step that it ended.
    pub(super) fn failed(&self, host: Option<&str>, tell: impl FnOnce()) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        self.end(host.and_then(|host| steps.remove(host)));
        self.lines.suspend(tell);
    }

    /// A line that moves is cut where the terminal ends; the one that stays is not.
    fn end(&self, step: Option<ProgressBar>) {
        if let Some(step) = step {
            step.finish_and_clear();
            self.lines.remove(&step);
            self.lines.suspend(|| line(step.elapsed(), &step.message()));
        }
    }
}

/// Seconds, then words; the spinner's colour is left off with NO_COLOR (no-color.org).
fn style() -> ProgressStyle {
    let seconds = |state: &ProgressState, line: &mut dyn std::fmt::Write| {
        if write!(line, "{:6.1} s", state.elapsed().as_secs_f64()).is_err() {
            tracing::trace!("no room for the seconds");
        }
    };
    let style = ProgressStyle::with_template("{seconds} {spinner:.cyan} {wide_msg}");
    style
        .unwrap_or_else(|_malformed| ProgressStyle::default_spinner())
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
        .with_key("seconds", seconds)
}
