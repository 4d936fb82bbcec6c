//! What every way into the directory shares: from a message to its answer, or to a change for the writer.
//!
//! Owns the one log line that a change gets.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::oneshot;

use super::answer::{self, Code, Transport, UPDATE};
use super::authentication::authenticate;
use super::book::{Change, Refusal};
use super::bounds::failures::Failures;
use super::bounds::limits::Limits;
use super::figures::{Figures, Via};
use super::index::Index;
use super::request::Request;
use super::udp::Outbox;
use super::update::{self, Outcome, Pending, Received};
use super::waiters::Waiters;
use super::writer::{Decided, Order, Orders};
use super::zone::{View, Zone};
use crate::dns::{WallClock, tsig};
use crate::record::HostName;

/// What every socket of the directory answers from.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) zone: Arc<Zone>,
    pub(super) index: Arc<RwLock<Index>>,
    pub(super) orders: Orders,
    pub(super) waiters: Arc<Waiters>,
    pub(super) clock: WallClock,
    pub(super) failures: Failures,
    pub(super) figures: Arc<Figures>,
}

/// What an update comes to.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is answered at once; with nothing, where it gets no answer.
    Answer(Vec<u8>),
    /// It is for the book to decide.
    Change(Box<Pending>),
}

impl Front {
    /// Gives what may be read while the writer waits for the disk.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a query into `out`, which stays empty where it gets no answer.
    pub(super) fn query(
        &self,
        request: &Request<'_>,
        index: &Index,
        now: u64,
        transport: Transport,
        from: IpAddr,
        out: &mut Vec<u8>,
    ) {
        let view = View { zone: &self.zone, index, pending: None };
        if !request.is_signed || request.is_garbled {
            return answer::answer(request, &view, now, transport, 0, out);
        }
        // A signed query gets a signed answer (RFC 8945 section 5.3).
        match authenticate(request, &self.zone, now) {
            Ok((signed, key)) => {
                let Some(bare) = Request::read(&signed.message) else { return };
                answer::answer(&bare, &view, now, transport, MOST_SIGNATURE, out);
                tsig::sign_answer(out, &key, signed.tsig.mac(), now);
            }
            Err(failed) => *out = self.failures.answer(*failed, from, transport, now).unwrap_or_default(),
        }
    }

    /// Authenticates and reads an update from an address.
    pub(super) fn receive(&self, request: &Request<'_>, from: IpAddr, transport: Transport) -> Taken {
        let now = self.clock.now();
        match update::receive(request, &self.zone, now) {
            Received::Answer(answer) => Taken::Answer(answer),
            Received::Change(pending) => Taken::Change(pending),
            Received::Unauthenticated(failed) => {
                Taken::Answer(self.failures.answer(*failed, from, transport, now).unwrap_or_default())
            }
        }
    }

    /// Has the change of an update decided and put on the disk; hands its answer to `send` then.
    pub(super) fn record(&self, pending: Box<Pending>, send: impl FnOnce(Vec<u8>, &mut Outbox) + Send + 'static) {
        let (clock, Pending { change, asker }) = (self.clock.clone(), *pending);
        self.hand_over(change, Via::Dns, move |decided, outbox| {
            send(asker.answer(&decided.outcome, clock.now()), outbox);
        });
    }

    /// Has a change decided, and put on the disk if it is accepted.
    ///
    /// # Cancel safety
    /// Dropping it leaves open whether the change was made.
    pub(super) async fn order(&self, change: Change, via: Via) -> Decided {
        let (done, decided) = oneshot::channel();
        self.hand_over(change, via, move |told, _outbox| {
            // Whoever does not wait any more asks again.
            let _gone = done.send(told);
        });
        decided.await.unwrap_or_else(|_writer_ended| Decided::failed())
    }

    fn hand_over(&self, change: Change, via: Via, told: impl FnOnce(Decided, &mut Outbox) + Send + 'static) {
        let by = Arc::clone(&change.by);
        let host = change.wanted.first().map(|wanted| wanted.host.clone());
        let figures = Arc::clone(&self.figures);
        let done = Box::new(move |decided: Decided, outbox: &mut Outbox| {
            figures.changed(via, &decided.outcome);
            report(&by, host.as_ref(), &decided);
            told(decided, outbox);
        });
        if let Err(order) = self.orders.give(Box::new(Order { change, done })) {
            let mut outbox = Outbox::default();
            (order.done)(Decided::failed(), &mut outbox);
            outbox.send();
        }
    }
}

/// Tells whether a request that came by UDP is one too many of its network; its answer is then in `out`, which stays empty
/// where nothing is to be said. This machine itself is no stranger.
pub(super) fn limited(request: &Request<'_>, limits: &Limits, from: IpAddr, now: u64, out: &mut Vec<u8>) -> bool {
    if from.to_canonical().is_loopback() || limits.take(from, now) {
        return false;
    }
    out.clear();
    if request.question.is_some() {
        answer::over_tcp(request, out);
    }
    true
}

/// Tells whether a request asks for a change.
pub(super) fn is_update(request: &Request<'_>) -> bool {
    request.opcode == UPDATE
}

/// Writes the answer to a request that there is no room for.
pub(super) fn refuse(request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    answer::failure(request, Code::REFUSED, &mut out);
    out
}

fn report(key: &str, host: Option<&HostName>, decided: &Decided) {
    for record in decided.entries.iter().filter_map(|entry| entry.statement.record()) {
        tracing::info!(host = %record.host(), seq = %record.seq(), state = %record.state(), key, "registered");
        tracing::debug!(host = %record.host(), addresses = ?record.addresses(), "registered addresses");
    }
    if let Outcome::Refused(refusal) = &decided.outcome
        && !matches!(refusal, Refusal::TooOften { is_news: false, .. })
    {
        let host = host.map(tracing::field::display);
        tracing::warn!(host, key, reason = %refusal, "update refused");
    }
}

/// What the longest of our signatures takes: three names of at most 255 octets, 64 of MAC, and the rest.
const MOST_SIGNATURE: usize = 380;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_no_stranger() {
        let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(b"\x03dyn\x04test\x00\x00\x01\x00\x01");
        let (request, limits) = (Request::read(&query).unwrap(), Limits::of_answers(1));
        let are_limited = |from: &str| {
            let mut out = Vec::new();
            [0, 1].map(|_| limited(&request, &limits, from.parse().unwrap(), 5, &mut out))
        };
        assert_eq!(are_limited("198.51.100.1"), [false, true]);
        assert_eq!(["127.0.0.1", "::1", "::ffff:127.0.0.1"].map(are_limited), [[false; 2]; 3]);
    }
}
