//! Requests whose signature is missing or wrong: answered within a limit, and told in the log, so that a home with a wrong
//! secret is seen at the directory as well.
//!
//! Anybody can send such requests, over and over, in any key's name: the answers are limited by network, the lines by key
//! and reason.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::limits::Limits;
use crate::directory::answer::Transport;
use crate::directory::authentication::{Reason, Unauthenticated};

/// What is remembered of failures.
#[derive(Debug)]
pub(in crate::directory) struct Failures {
    /// Where the sender may be forged, and where he is not: nobody is to use up what others have by TCP.
    by_udp: Limits,
    by_tcp: Limits,
    said: Mutex<Said>,
    counts: [AtomicU64; Reason::ALL.len()],
}

impl Failures {
    pub(in crate::directory) fn new() -> Self {
        Self {
            by_udp: Limits::of_failures(),
            by_tcp: Limits::of_failures(),
            said: Mutex::default(),
            counts: Default::default(),
        }
    }

    /// How many there were since the start, by reason.
    pub(in crate::directory) fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Reason::ALL.into_iter().zip(counts)
    }

    /// Takes note of a failure at a time in Unix seconds; gives its answer, if one more may go there.
    pub(in crate::directory) fn answer(
        &self,
        failed: Unauthenticated,
        from: IpAddr,
        transport: Transport,
        now: u64,
    ) -> Option<Vec<u8>> {
        let Unauthenticated { answer, reason, key, is_known } = failed;
        if let Some((_, count)) = Reason::ALL.iter().zip(&self.counts).find(|(other, _)| **other == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let is_news = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.is_news(key.as_deref().filter(|_| is_known), reason, now)
        };
        if is_news {
            let key: Option<String> =
                key.map(|key| key.chars().take(LONGEST_NAME).flat_map(char::escape_default).collect());
            match reason {
                // A machine that has just been woken signs by a clock that it then puts right by our answer.
                Reason::BadTime => tracing::info!(key, %reason, "a signed request was not taken"),
                Reason::BadKey | Reason::BadSig | Reason::BadTrunc | Reason::Malformed | Reason::Unsigned => {
                    tracing::warn!(key, %reason, "a request was refused for its signature");
                }
            }
            tracing::debug!(%from, "it came from there");
        }
        let limits = match transport {
            Transport::Tcp => &self.by_tcp,
            Transport::Udp => &self.by_udp,
        };
        limits.take(from, now).then_some(answer)
    }

    /// Takes note of somebody who asked for a copy of the zone and may not have one.
    pub(in crate::directory) fn refused_transfer(&self, from: IpAddr, now: u64) {
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).is_news(None, Reason::Unsigned, now) {
            tracing::warn!("a transfer of the zone was refused; only [[directory.secondary]] may have it");
            tracing::debug!(%from, "it was asked for from there");
        }
    }
}

/// What the log has told lately.
#[derive(Debug, Default)]
struct Said {
    /// When it was last said of a key of ours that something is wrong.
    keys: HashMap<(String, Reason), u64>,
    /// Since when lines about others are counted, and how many there were.
    others: (u64, u32),
}

impl Said {
    /// Tells whether a failure is to be told: once a minute for each key and reason, and some of what names no key of ours.
    fn is_news(&mut self, key: Option<&str>, reason: Reason, now: u64) -> bool {
        let Some(key) = key else {
            let (since, count) = &mut self.others;
            if now.saturating_sub(*since) >= PAUSE {
                (*since, *count) = (now, 0);
            }
            *count = count.saturating_add(1);
            return *count <= OTHERS;
        };
        let said = self.keys.entry((key.to_owned(), reason)).or_default();
        let is_news = *said == 0 || now.saturating_sub(*said) >= PAUSE;
        if is_news {
            *said = now;
        }
        is_news
    }
}

/// Seconds between two lines about the same.
const PAUSE: u64 = 60;
/// Lines in that time about keys that there are not, and about what is not signed at all.
const OTHERS: u32 = 8;
/// Of a name that a stranger may have made up, no more goes to the log.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_each_key_and_reason_once_a_minute() {
        let mut said = Said::default();
        let mut news = |key, reason, now| said.is_news(Some(key), reason, now);
        assert!(news("home", Reason::BadSig, 1000) && news("away", Reason::BadSig, 1000));
        assert!(news("home", Reason::BadTime, 1000), "another reason is news");
        assert!(!news("home", Reason::BadSig, 1059));
        assert!(news("home", Reason::BadSig, 1060));
    }

    #[test]
    fn strangers_neither_fill_the_log_nor_hide_what_is_wrong_with_a_key_of_ours() {
        let mut said = Said::default();
        assert_eq!((0..1000).filter(|_| said.is_news(None, Reason::BadKey, 1000)).count(), 8);
        assert!(said.is_news(Some("home"), Reason::BadSig, 1000));
        assert!(said.is_news(None, Reason::Unsigned, 1060) && said.keys.len() == 1);
    }

    #[test]
    fn a_network_gets_few_answers_and_all_others_theirs() {
        let failures = Failures::new();
        let answered = |transport, from: &str| {
            let failed = Unauthenticated {
                answer: vec![1],
                reason: Reason::BadSig,
                key: Some("home".to_owned()),
                is_known: true,
            };
            failures.answer(failed, from.parse().unwrap(), transport, 1000).is_some()
        };
        assert_eq!((0..2000).filter(|_| answered(Transport::Udp, "198.51.100.1")).count(), 20);
        assert!(answered(Transport::Udp, "203.0.113.1"));
        assert_eq!(failures.counts().find(|(reason, _)| *reason == Reason::BadSig).unwrap().1, 2001);
        assert_eq!(
            (0..2000).filter(|_| answered(Transport::Tcp, "198.51.100.1")).count(),
            20,
            "not used up by the forged"
        );
    }
}
