//! One answer of several servers: the first that is good enough, or the best of all that come.
//!
//! A server may be down, refuse, lag behind, have been set back, or lie; none of these decides as long as another knows
//! better. Refuses to hide: what the best answer is like, its asker judges.

use std::collections::{BTreeMap, VecDeque};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, sleep_until};

use super::client::{Answer, QueryError, Resolver};
use crate::record::{HostName, PublicKey, Seq, SignedRecord, State};

/// How much later the next server is asked while the one before is silent: longer than a round trip over a 33.6 kbit/s
/// line with other traffic on it.
const HEAD_START: Duration = Duration::from_millis(800);
/// How long the other servers may take to know better, once one has given an answer.
const BETTER_WITHIN: Duration = Duration::from_secs(3);

/// What is known of a host before anybody is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// Its key; `None` takes any record's own.
    pub(super) key: Option<PublicKey>,
    /// Its newest record.
    pub(super) seen: Option<Seq>,
}

/// What an answer is worth; better ones are greater, and of the host's own records the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// The server does not know the host.
    Unknown,
    /// A record that is not the host's own.
    Forged,
    /// The host is known, and has no record.
    NoRecord,
    /// A record older than one that was seen before.
    Older(Seq),
    /// The host's own.
    Own(Seq),
}

impl Worth {
    fn of(answer: &Answer, host: &HostName, expected: Expected) -> Self {
        let Some(signed) = &answer.record else {
            return if answer.host_exists { Self::NoRecord } else { Self::Unknown };
        };
        let seq = signed.record().seq();
        if !is_by(signed, host, expected.key.unwrap_or_else(|| *signed.key())) {
            Self::Forged
        } else if expected.seen.is_some_and(|seen| seq < seen) {
            Self::Older(seq)
        } else {
            Self::Own(seq)
        }
    }
}

fn is_by(signed: &SignedRecord, host: &HostName, key: PublicKey) -> bool {
    signed.record().host() == host && signed.verify(&key).is_ok()
}

/// Which answer spares the servers that have not been asked, or have not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    /// Any record that may be the host's, or that it has none.
    Known,
    /// The host's own record, online, unless another server has shown a newer one.
    Online,
    /// None: all are asked at once, and the others have this much longer than the quickest.
    Newest(Duration),
}

impl Enough {
    fn is_met(self, heard: &Heard<'_>, answer: &Answer) -> bool {
        let worth = heard.worth(answer);
        match self {
            Self::Known => worth >= Worth::NoRecord,
            Self::Online => {
                let is_online = answer.record.as_ref().is_some_and(|it| it.record().state() == State::Online);
                is_online && matches!(worth, Worth::Own(_)) && heard.has_no_newer(answer)
            }
            Self::Newest(_) => false,
        }
    }
}

/// What was answered so far, and by which of the servers in their order.
struct Heard<'asked> {
    host: &'asked HostName,
    expected: Expected,
    answers: BTreeMap<usize, Answer>,
}

impl Heard<'_> {
    fn worth(&self, answer: &Answer) -> Worth {
        Worth::of(answer, self.host, self.expected)
    }

    /// Whether none of the others is newer, and by the same key: what another key has signed says nothing of it.
    fn has_no_newer(&self, answer: &Answer) -> bool {
        let Some(signed) = &answer.record else { return true };
        let is_newer = |other: &SignedRecord| {
            other.record().seq() > signed.record().seq() && is_by(other, self.host, *signed.key())
        };
        !self.answers.values().filter_map(|other| other.record.as_ref()).any(is_newer)
    }

    /// The best of them. Where no key is expected, it is that of the first server with a record: a later one must not take
    /// its place by a greater number.
    fn best(mut self) -> Option<Answer> {
        let mut records = self.answers.values().filter_map(|answer| answer.record.as_ref());
        let first = records.find(|signed| is_by(signed, self.host, *signed.key()));
        self.expected.key = self.expected.key.or_else(|| first.map(|signed| *signed.key()));
        let (host, expected) = (self.host, self.expected);
        // Of equals the first: the servers stand in the order of preference.
        let best = self.answers.into_values().rev().max_by_key(|answer| Worth::of(answer, host, expected))?;
        tracing::debug!(worth = ?Worth::of(&best, host, expected), "the best that the directory's servers know");
        Some(best)
    }
}

impl Resolver {
    /// Asks the servers, beginning with number `first`, until one gives an answer that is enough, or each has had its
    /// chance; the best answer counts.
    pub(super) async fn best_of_all(
        &self,
        first: usize,
        host: &HostName,
        enough: Enough,
        deadline: Instant,
    ) -> Result<Answer, QueryError> {
        let mut servers: VecDeque<_> = self.all_servers().iter().copied().enumerate().collect();
        servers.rotate_left(first.checked_rem(servers.len()).unwrap_or_default());
        let mut asked = FuturesUnordered::new();
        let mut heard = Heard { host, expected: self.expected, answers: BTreeMap::new() };
        let (mut head_start, others_within) = match enough {
            Enough::Newest(others_within) => (Duration::ZERO, others_within),
            Enough::Known | Enough::Online => (HEAD_START, BETTER_WITHIN),
        };
        let (mut failure, mut next, mut until) = (None, Instant::now(), deadline);
        loop {
            let now = Instant::now();
            if now >= next
                && let Some((place, server)) = servers.pop_front()
            {
                asked.push(async move { (place, self.query_at(server, host, deadline).await) });
                next = now + head_start;
            }
            if asked.is_empty() && servers.is_empty() {
                break;
            }
            let (place, answered) = tokio::select! {
                Some(answered) = asked.next(), if !asked.is_empty() => answered,
                () = sleep_until(next), if !servers.is_empty() => continue,
                () = sleep_until(until) => break,
            };
            next = Instant::now();
            match answered {
                Ok(answer) => {
                    if enough.is_met(&heard, &answer) {
                        return Ok(answer);
                    }
                    heard.answers.insert(place, answer);
                    head_start = Duration::ZERO;
                    until = until.min(next + others_within);
                }
                Err(error) => {
                    let tells_more = matches!(failure, None | Some(QueryError::Unreachable { .. }));
                    failure = if tells_more { Some(error) } else { failure };
                }
            }
        }
        heard.best().ok_or_else(|| failure.unwrap_or_else(|| self.unanswered(None)))
    }
}
