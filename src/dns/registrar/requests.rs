//! What a registrar has under way: each request owns all that it needs, so that dropping it is all that ends it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Directory, RegisterError, TRY_WITHIN};
use crate::dns::{QueryError, UpdateError};
use crate::record::{Identity, Seq, SeqStore, SignedRecord};

/// Where one thing at a time is under way.
pub(super) struct Slot<T> {
    /// Never locked: only polled through `&mut`, and so the slot may be shared whatever the future is.
    work: Mutex<Option<BoxFuture<'static, T>>>,
}

impl<T> Slot<T> {
    pub(super) fn empty() -> Self {
        Self { work: Mutex::new(None) }
    }

    /// Starts something, in place of what was under way.
    pub(super) fn start(&mut self, work: BoxFuture<'static, T>) {
        *self.work.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }

    /// Gives up what is under way.
    pub(super) fn clear(&mut self) {
        *self.work.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Goes on with it; what has finished is taken out. An empty slot is never ready.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(under_way) = work else { return Poll::Pending };
        let polled = Pin::new(under_way).poll(context);
        if polled.is_ready() {
            *work = None;
        }
        polled
    }
}

/// What to ask of a directory.
pub(super) enum Request {
    /// The number of our own last record there.
    Ask,
    /// To take this record.
    Update(Arc<SignedRecord>),
}

/// What a directory answered.
pub(super) enum Answer {
    /// It knows this number of ours, or none.
    Known(Option<Seq>),
    /// Its number cannot be had.
    Unknown(RegisterError),
    /// It has the record on disk.
    Acknowledged(Arc<SignedRecord>),
    /// It has not.
    NotAcknowledged(Seq, UpdateError),
}

impl Request {
    /// Sends it, again as often as it takes, for as long as one attempt lasts.
    pub(super) fn send(self, directory: Arc<Directory>, identity: Arc<Identity>) -> BoxFuture<'static, Answer> {
        async move {
            let deadline = Instant::now() + TRY_WITHIN;
            match self {
                Self::Ask => match known(&directory, &identity, deadline).await {
                    Ok(known) => Answer::Known(known),
                    Err(error) => Answer::Unknown(error),
                },
                Self::Update(signed) => {
                    let Directory { resolver, zone, key, .. } = &*directory;
                    match resolver.try_update(zone, &signed, key, deadline).await {
                        Ok(()) => Answer::Acknowledged(signed),
                        Err(error) => Answer::NotAcknowledged(signed.record().seq(), error),
                    }
                }
            }
        }
        .boxed()
    }
}

/// Takes the next number above `floor`. The disk may be slow flash; the runtime has other work meanwhile.
pub(super) fn number(seqs: Arc<Mutex<SeqStore>>, floor: Option<Seq>) -> BoxFuture<'static, Result<Seq, RegisterError>> {
    async move {
        let advance = move || seqs.lock().unwrap_or_else(PoisonError::into_inner).advance(floor);
        Ok(tokio::task::spawn_blocking(advance).await.map_err(|_stopped| RegisterError::Stopped)??)
    }
    .boxed()
}

async fn known(directory: &Directory, identity: &Identity, deadline: Instant) -> Result<Option<Seq>, RegisterError> {
    match directory.resolver.query(&directory.host, deadline).await {
        Ok(answer) => match answer.record {
            Some(signed) if signed.verify(&identity.public_key()).is_ok() => Ok(Some(signed.record().seq())),
            Some(_) => Err(RegisterError::Foreign),
            None => Ok(None),
        },
        Err(error @ QueryError::Unreachable { .. }) => Err(error.into()),
        // A server that answers updates but no queries from us cannot tell a number.
        Err(QueryError::Refused(_) | QueryError::Garbled) => Ok(None),
    }
}
