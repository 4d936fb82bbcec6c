//! When the watchdog is fed: only once every line's own task has answered since the last time. Sans IO.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often the service manager wants to hear that this process lives, by its environment (sd_watchdog_enabled(3)).
#[must_use]
pub fn interval() -> Option<Duration> {
    let read = |name: &str| std::env::var(name).ok();
    interval_of(read("WATCHDOG_USEC").as_deref(), read("WATCHDOG_PID").as_deref(), std::process::id())
}

fn interval_of(microseconds: Option<&str>, process: Option<&str>, own: u32) -> Option<Duration> {
    if process.is_some_and(|process| process.parse() != Ok(own)) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    Some(Duration::from_micros(microseconds))
}

/// Follows who has answered. Lines are asked three times in the service manager's interval, so that one that is late once is no
/// reason to be killed.
#[derive(Debug)]
pub struct Pulse {
    every: Duration,
    due: Instant,
    waiting: BTreeSet<String>,
}

impl Pulse {
    /// A pulse for the service manager's interval.
    #[must_use]
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self { every: interval / 3, due: now, waiting: BTreeSet::new() }
    }

    /// When to ask, and why.
    #[must_use]
    pub fn deadline(&self) -> (Instant, &'static str) {
        (self.due, "the lines' tasks to be asked whether they live")
    }

    /// The time has come: gives whom to ask; those who still owe the last answer are not asked twice.
    pub fn handle_timeout(&mut self, lines: &[String], now: Instant) -> Vec<String> {
        self.due = now + self.every;
        self.waiting.retain(|line| lines.contains(line));
        lines.iter().filter(|line| self.waiting.insert((*line).clone())).cloned().collect()
    }

    /// A line's task has answered; tells whether all have now, and the watchdog is to be fed.
    pub fn handle_answer(&mut self, line: &str) -> bool {
        self.waiting.remove(line) && self.waiting.is_empty()
    }

    /// The lines whose tasks owe an answer.
    #[must_use]
    pub fn silent(&self) -> Vec<&str> {
        self.waiting.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_ours_only_if_it_is_meant_for_this_process() {
        assert_eq!(interval_of(Some("3000000"), None, 7), Some(Duration::from_secs(3)));
        assert_eq!(interval_of(Some("3000000"), Some("7"), 7), Some(Duration::from_secs(3)));
        assert_eq!(interval_of(Some("3000000"), Some("8"), 7), None);
        assert_eq!((interval_of(None, None, 7), interval_of(Some("0"), None, 7)), (None, None));
    }

    #[test]
    fn one_silent_line_keeps_the_watchdog_hungry() {
        let start = crate::clock::now();
        let lines = ["a".to_owned(), "b".to_owned()];
        let mut pulse = Pulse::new(Duration::from_secs(180), start);
        assert_eq!(pulse.handle_timeout(&lines, start), lines);
        assert!(!pulse.handle_answer("a"));
        let next = pulse.deadline().0;
        assert_eq!(next, start + Duration::from_secs(60));
        assert_eq!(pulse.handle_timeout(&lines, next), ["a"], "b has been asked already");
        assert!(!pulse.handle_answer("a"));
        assert_eq!(pulse.silent(), ["b"]);
        assert!(pulse.handle_answer("b"));
        assert!(!pulse.handle_answer("b"), "nobody asked");
    }

    #[test]
    fn a_line_that_was_taken_out_of_the_configuration_is_not_waited_for() {
        let start = crate::clock::now();
        let mut pulse = Pulse::new(Duration::from_secs(180), start);
        pulse.handle_timeout(&["a".to_owned(), "b".to_owned()], start);
        pulse.handle_timeout(&["a".to_owned()], pulse.deadline().0);
        assert!(pulse.handle_answer("a"));
    }
}
