//! How things stand, for people: a screen that answers at a glance whether the machine can be woken, and what it cost so far.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::board::{LineStanding, Phase, Standing};
use crate::budget::{Left, View};
use crate::journal::{age, span, wake_line};

/// Whether the screen understands bold letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Terminal,
}

/// The whole screen, at a moment in milliseconds since 1970.
pub(super) fn table(standing: &Standing, now: u64, zone: &TimeZone, style: Style) -> String {
    let mut rows = Rows { text: String::new(), style };
    rows.head(standing, now);
    rows.lines(standing, now);
    rows.link(standing, now);
    rows.tunnel(standing, now);
    rows.budget("budget", &standing.budget);
    if let Some(client) = &standing.client {
        rows.budget("client", client);
    }
    rows.wakes(standing, zone);
    rows.warnings(standing);
    rows.text
}

/// The screen of a machine that calls others and waits for no calls itself.
pub(super) fn client_table(standing: &Standing, style: Style) -> String {
    let mut rows = Rows { text: String::new(), style };
    let head = rows.bold("this machine has no listener, and is a client only");
    rows.row("", &head);
    match &standing.client {
        Some(client) => rows.budget("client", client),
        None => rows.row("client", "what its calls have cost cannot be read; ask as root, or as whoever calls"),
    }
    rows.text
}

struct Rows {
    text: String,
    style: Style,
}

impl Rows {
    fn head(&mut self, standing: &Standing, now: u64) {
        let state = match (&standing.record, &standing.link) {
            (Some(record), _) => format!("{} (record {}, {})", record.state, record.seq, age(record.at, now)),
            (None, Some(_link)) => "online, not registered yet".to_owned(),
            (None, None) => "asleep, as far as this daemon knows".to_owned(),
        };
        let host = if standing.host.is_empty() { "this machine" } else { &standing.host };
        let head = format!("{host} is {state}");
        self.row("", &self.bold(&head));
        let running = if standing.pid == 0 {
            "ringup listen is not running".to_owned()
        } else {
            let up = span(now.saturating_sub(standing.started) / 1000);
            format!("ringup {}, process {}, running for {up}", standing.version, standing.pid)
        };
        self.row("", &running);
    }

    fn lines(&mut self, standing: &Standing, now: u64) {
        let width = standing.lines.keys().map(String::len).max().unwrap_or(0);
        for (index, (name, line)) in standing.lines.iter().enumerate() {
            let wake = line.wake.map_or_else(String::new, |wake| format!(", wake #{wake}"));
            let since = span(now.saturating_sub(line.since) / 1000);
            let phase = self.bold(&told(line));
            self.row(if index == 0 { "line" } else { "" }, &format!("{name:<width$}  {phase} for {since}{wake}"));
            if let Some(trouble) = &line.trouble {
                self.row("", &format!("{:width$}  to do: {}", "", trouble.advice));
            }
        }
    }

    fn link(&mut self, standing: &Standing, now: u64) {
        let Some(link) = &standing.link else { return self.row("link", "none") };
        let up = span(now.saturating_sub(link.since) / 1000);
        self.row("link", &format!("{} on {}, up for {up}, over {}", link.address, link.interface, link.line));
        let mut traffic = format!("{} received, {} sent", octets(link.received), octets(link.sent));
        if let Some(quiet) = link.quiet_since {
            let _written = write!(traffic, ", quiet for {}", span(now.saturating_sub(quiet) / 1000));
        }
        self.row("", &traffic);
    }

    fn tunnel(&mut self, standing: &Standing, now: u64) {
        let Some(tunnel) = &standing.tunnel else { return };
        let since = span(now.saturating_sub(tunnel.since) / 1000);
        let at = tunnel.at.as_deref().unwrap_or_default();
        let told = match (tunnel.state.as_str(), &tunnel.cause) {
            ("up", _) => format!("up for {since}, met at {at}"),
            ("opening", _) => format!("being opened for {since}, to be met at {at}"),
            (_, Some(cause)) => format!("down for {since} ({cause})"),
            (state, None) => format!("{state} for {since}"),
        };
        self.row("tunnel", &told);
    }

    fn budget(&mut self, label: &str, budget: &View) {
        let pair = |calls: Left, minutes: Left| format!("{}, {}", left(calls, "call"), left(minutes, "minute"));
        self.row(label, &format!("today       {}", pair(budget.calls_today, budget.minutes_today)));
        self.row("", &format!("this month  {}", pair(budget.calls_this_month, budget.minutes_this_month)));
    }

    fn wakes(&mut self, standing: &Standing, zone: &TimeZone) {
        if standing.wakes.is_empty() {
            return self.row("wakes", "none yet");
        }
        for (index, wake) in standing.wakes.iter().take(WAKES_SHOWN).enumerate() {
            self.row(if index == 0 { "wakes" } else { "" }, &wake_line(wake, zone));
        }
    }

    fn warnings(&mut self, standing: &Standing) {
        let mut warnings = standing.warnings.clone();
        if let Some(trouble) = &standing.budget_trouble {
            warnings.push(format!("the count of calls cannot be written down: {trouble}"));
        }
        if let Some(trouble) = &standing.journal.trouble {
            warnings.push(format!("the journal cannot be written: {trouble}; is the disk full?"));
        }
        if standing.journal.lost > 0 {
            warnings.push(format!("{} entries of the journal were lost", standing.journal.lost));
        }
        if let Some((aside, why)) = &standing.journal.aside {
            warnings.push(format!("the old journal was put aside as {}: {why}", aside.display()));
        }
        if standing.budget.clock_behind > 0 {
            let days = standing.budget.clock_behind;
            warnings.push(format!(
                "the clock is {days} days behind the last day counted; the budget goes on from that day"
            ));
        }
        for (index, warning) in warnings.iter().enumerate() {
            let warning = self.bold(warning);
            self.row(if index == 0 { "WARNING" } else { "" }, &warning);
        }
    }

    fn row(&mut self, label: &str, text: &str) {
        let row = if label.is_empty() && self.text.lines().count() < HEAD_ROWS {
            text.to_owned()
        } else {
            format!("  {label:<8}{text}")
        };
        self.text.push_str(row.trim_end());
        self.text.push('\n');
    }

    fn bold(&self, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Terminal => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }
}

fn told(line: &LineStanding) -> String {
    let kind = line.trouble.as_ref().map(|trouble| trouble.kind.as_str());
    match &line.phase {
        Phase::Opening => "being set up".to_owned(),
        Phase::Listening if kind == Some("stuck-carrier") => "listening, but its carrier signal is stuck".to_owned(),
        Phase::Listening => "listening".to_owned(),
        Phase::Ringing { count } => format!("ringing ({count})"),
        Phase::Accepted => "call accepted, waiting for silence".to_owned(),
        Phase::Waking => "waking".to_owned(),
        Phase::Dialling => "dialling the provider".to_owned(),
        Phase::Connected => "connected, negotiating".to_owned(),
        Phase::Up => "online, registering".to_owned(),
        Phase::Registered => "online and registered".to_owned(),
        Phase::Withdrawn => "hanging up".to_owned(),
        Phase::Lent { process, program } => match (process, program) {
            (Some(process), Some(program)) => format!("lent to {program}, process {process},"),
            (Some(process), None) => format!("lent to process {process}"),
            (None, _) => "lent to another program".to_owned(),
        },
        Phase::Resetting => "silent, being reset".to_owned(),
        Phase::Lost { cause } => {
            let word = kind.filter(|kind| matches!(*kind, "silent" | "unplugged")).unwrap_or("lost");
            format!("{word} ({cause})")
        }
        Phase::Other => "busy".to_owned(),
    }
}

fn left(left: Left, what: &str) -> String {
    match left.cap {
        Some(cap) => format!("{} of {cap} {what}s", left.used),
        None if left.used == 1 => format!("1 {what}"),
        None => format!("{} {what}s", left.used),
    }
}

fn octets(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} octets"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

const HEAD_ROWS: usize = 2;
const WAKES_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::super::board::{LineTrouble, LinkStanding, RecordStanding, TunnelStanding};
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn online() -> Standing {
        let line = LineStanding { phase: Phase::Registered, since: NOW - 65_000, wake: Some(17.into()), trouble: None };
        Standing {
            version: "0.1.0".to_owned(),
            pid: 812,
            started: NOW - 90_000_000,
            host: "home.dyn.example".to_owned(),
            lines: [("/dev/ttyUSB0".to_owned(), line)].into(),
            link: Some(LinkStanding {
                line: "/dev/ttyUSB0".to_owned(),
                interface: "ppp0".to_owned(),
                address: "203.0.113.10".parse().unwrap(),
                since: NOW - 66_000,
                received: 48_213,
                sent: 9_114,
                quiet_since: Some(NOW - 12_000),
            }),
            record: Some(RecordStanding { state: "online".to_owned(), seq: 42, at: NOW - 65_000 }),
            budget: View {
                calls_today: Left { used: 3, cap: Some(20) },
                minutes_today: Left { used: 12, cap: Some(60) },
                calls_this_month: Left { used: 14, cap: None },
                minutes_this_month: Left { used: 1, cap: None },
                clock_behind: 0,
            },
            ..Standing::default()
        }
    }

    #[test]
    fn a_machine_that_is_online_is_shown_whole() {
        let shown = table(&online(), NOW, &TimeZone::UTC, Style::Plain);
        let expected = "\
home.dyn.example is online (record 42, 1 min 5 s ago)
ringup 0.1.0, process 812, running for 1 d 1 h
  line    /dev/ttyUSB0  online and registered for 1 min 5 s, wake #17
  link    203.0.113.10 on ppp0, up for 1 min 6 s, over /dev/ttyUSB0
          48 kB received, 9114 octets sent, quiet for 12 s
  budget  today       3 of 20 calls, 12 of 60 minutes
          this month  14 calls, 1 minute
  wakes   none yet
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_a_client_has_spent_stands_below_the_listeners_or_alone_where_there_is_none() {
        let used = |used, cap| Left { used, cap };
        let client = View { calls_today: used(3, Some(20)), minutes_this_month: used(1, None), ..View::default() };
        let standing = Standing { client: Some(client), ..online() };
        let shown = table(&standing, NOW, &TimeZone::UTC, Style::Plain);
        let rows = "  client  today       3 of 20 calls, 0 minutes\n          this month  0 calls, 1 minute\n";
        assert!(shown.contains(&format!("14 calls, 1 minute\n{rows}  wakes ")), "{shown}");
        let alone = client_table(&standing, Style::Plain);
        assert_eq!(alone, format!("this machine has no listener, and is a client only\n{rows}"));
    }

    #[test]
    fn a_line_that_hears_no_calls_says_why_and_what_to_do() {
        let trouble = |kind: &str, advice: &str| {
            Some(LineTrouble { kind: kind.to_owned(), cause: String::new(), advice: advice.to_owned() })
        };
        let line = |phase, trouble| LineStanding { phase, since: NOW - 5000, wake: None, trouble };
        let lent = Phase::Lent { process: Some(4711), program: Some("minicom".to_owned()) };
        let lost = Phase::Lost { cause: "no such file or directory".to_owned() };
        let lines = [
            ("/dev/ttyS0", line(lent, trouble("lent", "wait"))),
            ("/dev/ttyS1", line(Phase::Resetting, trouble("silent", "wait a minute"))),
            ("/dev/ttyUSB0", line(lost, trouble("unplugged", "plug it in"))),
        ];
        let lines = lines.map(|(name, line)| (name.to_owned(), line)).into();
        let shown = table(&Standing { lines, ..Standing::default() }, NOW, &TimeZone::UTC, Style::Plain);
        let expected = "  \
  line    /dev/ttyS0    lent to minicom, process 4711, for 5 s
                        to do: wait
          /dev/ttyS1    silent, being reset for 5 s
                        to do: wait a minute
          /dev/ttyUSB0  unplugged (no such file or directory) for 5 s
                        to do: plug it in
";
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn a_tunnel_stands_below_its_link() {
        let mut standing = online();
        let at = Some("198.51.100.7:2222/22".to_owned());
        let mut row = |state: &str, at, cause: Option<&str>| {
            let cause = cause.map(str::to_owned);
            standing.tunnel = Some(TunnelStanding { state: state.to_owned(), at, since: NOW - 3000, cause });
            let shown = table(&standing, NOW, &TimeZone::UTC, Style::Plain);
            shown.lines().nth(5).unwrap().to_owned()
        };
        assert_eq!(row("up", at.clone(), None), "  tunnel  up for 3 s, met at 198.51.100.7:2222/22");
        assert_eq!(row("opening", at, None), "  tunnel  being opened for 3 s, to be met at 198.51.100.7:2222/22");
        assert_eq!(row("down", None, Some("status 255")), "  tunnel  down for 3 s (status 255)");
    }

    #[test]
    fn what_is_wrong_stands_last_where_it_is_seen() {
        let mut standing = online();
        standing.journal.trouble = Some("database or disk is full".to_owned());
        standing.budget.clock_behind = 9;
        let shown = table(&standing, NOW, &TimeZone::UTC, Style::Plain);
        let last: Vec<&str> = shown.lines().rev().take(2).collect();
        assert!(
            last[1].starts_with("  WARNING the journal cannot be written") && last[0].contains("9 days"),
            "{shown}"
        );
    }
}
