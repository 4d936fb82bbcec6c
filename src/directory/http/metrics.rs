//! Figures for Prometheus, in its text format (version 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Desk;
use crate::directory::update::Outcome;

/// What is counted since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By the first digit of the status.
    requests: [AtomicU64; 6],
    connections: AtomicUsize,
    refused_connections: AtomicU64,
    failed_logins: AtomicU64,
    /// By front (JSON, dyndns2), then by outcome (done, refused, failed).
    registrations: [[AtomicU64; 3]; 2],
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

    pub(super) fn registered(&self, front: &str, outcome: &Outcome) {
        let front = usize::from(front != FRONTS[0]);
        let outcome = match outcome {
            Outcome::Done => 0,
            Outcome::Refused(_) => 1,
            Outcome::Failed => 2,
        };
        if let Some(count) = self.registrations.get(front).and_then(|front| front.get(outcome)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
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
        describe(&mut text, "ringup_registrations_total", "counter", "Changes asked for over HTTP.");
        for (front, counts) in FRONTS.iter().zip(&metrics.registrations) {
            for (outcome, count) in ["done", "refused", "failed"].iter().zip(counts) {
                let labels = format!("{{front=\"{front}\",outcome=\"{outcome}\"}}");
                line(&mut text, "ringup_registrations_total", &labels, counted(count));
            }
        }
        let failures = "ringup_dns_unauthenticated_total";
        describe(&mut text, failures, "counter", "Requests by DNS whose signature was missing or wrong, by reason.");
        for (reason, count) in self.front.failures.counts() {
            line(&mut text, failures, &format!("{{reason=\"{}\"}}", reason.as_str()), count);
        }
        let (serial, hosts) = self.look(|view, _now| {
            let roll = view.zone.roll();
            let silent = roll.hosts().filter(|host| view.kept(host).is_none()).count();
            (view.index.serial, view.index.len() + silent)
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

const FRONTS: [&str; 2] = ["json", "dyndns2"];
