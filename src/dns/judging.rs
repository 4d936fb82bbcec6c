//! One answer of several servers: the first that is good enough, or the best of all that come.
//!
//! A server may be down, refuse, lag behind, have been set back, or lie; none of these decides as long as another knows
//! better. Refuses to hide: what the best answer is like, its asker judges.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, sleep_until};

use super::client::{Answer, QueryError, Resolver};
use crate::record::{HostName, PublicKey, Seq, State};

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

/// What an answer is worth; better ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// The server does not know the host.
    Unknown,
    /// A record that is not the host's own.
    Forged,
    /// The host is known, and has no record.
    NoRecord,
    /// A record older than one that was seen before.
    Older,
    /// The host's own, asleep.
    Asleep,
    /// The host's own, online.
    Online,
}

impl Worth {
    fn of(answer: &Answer, host: &HostName, expected: Expected) -> Self {
        let Some(signed) = &answer.record else {
            return if answer.host_exists { Self::NoRecord } else { Self::Unknown };
        };
        let record = signed.record();
        if record.host() != host || signed.verify(&expected.key.unwrap_or_else(|| *signed.key())).is_err() {
            return Self::Forged;
        }
        match record.state() {
            _ if expected.seen.is_some_and(|seen| record.seq() < seen) => Self::Older,
            State::Asleep => Self::Asleep,
            State::Online => Self::Online,
        }
    }
}

impl Resolver {
    /// Asks the servers, beginning with number `first`, until one gives an answer worth this much, or each has had its
    /// chance.
    pub(super) async fn best_of_all(
        &self,
        first: usize,
        host: &HostName,
        enough: Worth,
        deadline: Instant,
    ) -> Result<Answer, QueryError> {
        let mut servers: VecDeque<_> = self.all_servers().iter().copied().collect();
        servers.rotate_left(first.checked_rem(servers.len()).unwrap_or_default());
        let mut asked = FuturesUnordered::new();
        let (mut best, mut failure): (Option<(Worth, Option<Seq>, Answer)>, Option<QueryError>) = (None, None);
        let (mut next, mut head_start, mut until) = (Instant::now(), HEAD_START, deadline);
        loop {
            let now = Instant::now();
            if now >= next
                && let Some(server) = servers.pop_front()
            {
                asked.push(self.query_at(server, host, deadline));
                next = now + head_start;
            }
            if asked.is_empty() && servers.is_empty() {
                break;
            }
            let answered = tokio::select! {
                Some(answered) = asked.next(), if !asked.is_empty() => answered,
                () = sleep_until(next), if !servers.is_empty() => continue,
                () = sleep_until(until) => break,
            };
            next = Instant::now();
            match answered {
                Ok(answer) => {
                    let worth = Worth::of(&answer, host, self.expected);
                    if worth >= enough {
                        return Ok(answer);
                    }
                    let seq = answer.record.as_ref().map(|signed| signed.record().seq());
                    if best.as_ref().is_none_or(|(than, than_seq, _)| (worth, seq) > (*than, *than_seq)) {
                        best = Some((worth, seq, answer));
                    }
                    head_start = Duration::ZERO;
                    until = until.min(next + BETTER_WITHIN);
                }
                Err(error) => {
                    let tells_more = matches!(failure, None | Some(QueryError::Unreachable { .. }));
                    failure = if tells_more { Some(error) } else { failure };
                }
            }
        }
        match (best, failure) {
            (Some((worth, _seq, answer)), _) => {
                tracing::debug!(?worth, "the best that the directory's servers know");
                Ok(answer)
            }
            (None, failure) => Err(failure.unwrap_or_else(|| self.unanswered(None))),
        }
    }
}
