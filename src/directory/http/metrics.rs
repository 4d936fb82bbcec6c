//! Figures for Prometheus, in its text format (version 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::Desk;
use crate::directory::answer::Transport;
use crate::directory::figures::Ends;

/// What is counted since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By the first digit of the status.
    requests: [AtomicU64; 6],
    connections: AtomicUsize,
    refused_connections: AtomicU64,
    failed_logins: AtomicU64,
}

impl Metrics {
    pub(super) fn answered(&self, status: u16) {
        if let Some(count) = self.requests.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn failed_login(&self) {
        self.failed_logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused_connection(&self) {
        self.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open until what this gives is dropped.
    pub(super) fn open(&self) -> Open<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Open<'m>(&'m Metrics);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Desk {
    /// Writes every figure.
    pub(super) fn figures(&self) -> String {
        let mut text = String::with_capacity(2048);
        let counted = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let metrics = &self.metrics;
        describe(&mut text, "ringup_http_requests_total", "counter", "Requests answered, by class of status.");
        for (class, count) in metrics.requests.iter().enumerate().skip(1) {
            line(&mut text, "ringup_http_requests_total", &format!("{{status=\"{class}xx\"}}"), counted(count));
        }
        self.figures_of_dns(&mut text);
        self.figures_of_changes(&mut text);
        self.figures_of_copies(&mut text);
        let (serial, online, registered, hosts) = self.look(|view, _now| {
            let roll = view.zone.roll();
            let silent = roll.hosts().filter(|host| view.kept(host).is_none()).count();
            (view.index.serial, view.index.online(), view.index.len(), view.index.len() + silent)
        });
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for (name, kind, help, value) in [
            (
                "ringup_logins_failed_total",
                "counter",
                "Credentials shown that were not good.",
                counted(&metrics.failed_logins),
            ),
            (
                "ringup_http_connections_refused_total",
                "counter",
                "Connections beyond the limits.",
                counted(&metrics.refused_connections),
            ),
            (
                "ringup_http_connections",
                "gauge",
                "Connections open.",
                wide(metrics.connections.load(Ordering::Relaxed)),
            ),
            ("ringup_waiters", "gauge", "Clients that wait for a host.", wide(self.front.waiters.listening())),
            ("ringup_hosts", "gauge", "Hosts that have registered or may.", wide(hosts)),
            ("ringup_hosts_online", "gauge", "Hosts that are online.", wide(online)),
            ("ringup_hosts_registered", "gauge", "Hosts that have registered.", wide(registered)),
            ("ringup_zone_serial", "gauge", "The zone's serial number.", serial.into()),
            (
                "ringup_registrations_taken",
                "gauge",
                "1 while registrations can be stored, 0 while they cannot.",
                self.front.orders.are_taken().into(),
            ),
        ] {
            describe(&mut text, name, kind, help);
            line(&mut text, name, "", value);
        }
        text
    }

    fn figures_of_dns(&self, text: &mut String) {
        let ways = [("udp", Transport::Udp), ("tcp", Transport::Tcp)];
        let ways = ways.map(|(name, transport)| (name, self.front.figures.queries(transport)));
        let name = "ringup_dns_queries_total";
        describe(text, name, "counter", "Queries answered, by transport and response code.");
        for (way, queries) in ways {
            for (code, count) in queries.codes() {
                line(text, name, &format!("{{transport=\"{way}\",rcode=\"{code}\"}}"), count.get());
            }
        }
        let name = "ringup_dns_truncated_total";
        describe(text, name, "counter", "Answers cut short, by transport.");
        for (way, queries) in ways {
            line(text, name, &format!("{{transport=\"{way}\"}}"), queries.truncated.get());
        }
        let name = "ringup_dns_limited_total";
        describe(text, name, "counter", "Queries by UDP beyond the limit of their network.");
        line(text, name, "", self.front.figures.queries(Transport::Udp).limited.get());
        let name = "ringup_dns_unauthenticated_total";
        describe(text, name, "counter", "Requests by DNS whose signature was missing or wrong, by reason.");
        for (reason, count) in self.front.failures.counts() {
            line(text, name, &format!("{{reason=\"{}\"}}", reason.as_str()), count);
        }
    }

    fn figures_of_changes(&self, text: &mut String) {
        let figures = &self.front.figures;
        let changes = figures.changes().map(|(via, ends)| (via.as_str(), ends));
        let name = "ringup_registrations_total";
        describe(text, name, "counter", "Changes that an authenticated client asked for.");
        counted(text, name, "front", changes);
        let name = "ringup_committed_changes_total";
        describe(text, name, "counter", "Changes that were put on the disk.");
        line(text, name, "", figures.commits.changes.get());
        let name = "ringup_commit_seconds";
        describe(text, name, "histogram", "How long it took to put a group of changes on the disk.");
        let mut all = 0;
        for (within, count) in figures.commits.buckets() {
            line(text, &format!("{name}_bucket"), &format!("{{le=\"{within}\"}}"), count);
            all = count;
        }
        let took = Duration::from_micros(figures.commits.microseconds.get());
        push(text, format_args!("{name}_sum {}.{:06}\n", took.as_secs(), took.subsec_micros()));
        line(text, &format!("{name}_count"), "", all);
    }

    fn figures_of_copies(&self, text: &mut String) {
        let figures = &self.front.figures;
        let name = "ringup_transfers_total";
        describe(text, name, "counter", "Copies of the zone that were asked for.");
        counted(text, name, "kind", figures.transfers().map(|(kind, ends)| (kind.as_str(), ends)));
        if figures.secondaries.is_empty() {
            return;
        }
        let (serial, unanswered) = ("ringup_secondary_serial", "ringup_secondary_unanswered");
        describe(text, serial, "gauge", "The serial number that a secondary last said to have heard; 0 for none.");
        for told in &figures.secondaries {
            line(text, serial, &format!("{{secondary=\"{}\"}}", told.address), told.serial().into());
        }
        describe(text, unanswered, "gauge", "How often a secondary has been told since, in vain.");
        for told in &figures.secondaries {
            line(text, unanswered, &format!("{{secondary=\"{}\"}}", told.address), told.unanswered().into());
        }
    }
}

fn counted<'e>(text: &mut String, name: &str, label: &str, counts: impl Iterator<Item = (&'static str, &'e Ends)>) {
    for (value, ends) in counts {
        for (end, count) in ends.counts() {
            line(text, name, &format!("{{{label}=\"{value}\",outcome=\"{}\"}}", end.as_str()), count);
        }
    }
}

fn describe(text: &mut String, name: &str, kind: &str, help: &str) {
    push(text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    push(text, format_args!("{name}{labels} {value}\n"));
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _written = text.write_fmt(line);
}
