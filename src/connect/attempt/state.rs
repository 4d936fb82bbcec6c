//! What an attempt waits for, and what it was for.

use std::time::Instant;

use crate::exit::Failure;
use crate::identity::Unproven;
use crate::record::SignedRecord;

/// What the attempt waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Whether there is a way to the directory, and then the given step.
    Finding(Then),
    /// Our own link, and then the given step.
    Linking(Then),
    /// The directory's answer.
    Asking(Why),
    /// The line to be free.
    Freeing,
    /// The call to the host.
    Ringing,
    /// A newer record, until the given moment.
    Awaiting(Instant),
    /// The pause before another call.
    Pausing(Instant),
    /// Our turn, until the given moment.
    Queueing(Queue, Instant),
    /// The host's proof.
    Proving { record: Box<SignedRecord>, fresh: bool },
    /// Whether any server has a newer record than the one by which nobody has proved to be the host.
    Doubting { record: Box<SignedRecord>, fresh: bool, unproven: Unproven },
    /// Nothing any more.
    Done,
}

impl State {
    /// Its name, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Finding(_) => "finding",
            Self::Linking(_) => "linking",
            Self::Asking(_) => "asking",
            Self::Freeing => "freeing",
            Self::Ringing => "ringing",
            Self::Awaiting(_) => "awaiting",
            Self::Pausing(_) => "pausing",
            Self::Queueing(..) => "queueing",
            Self::Proving { .. } => "proving",
            Self::Doubting { .. } => "doubting",
            Self::Done => "done",
        }
    }
}

/// What is waited for, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// The line, to ring the host.
    ToRing(Failure),
    /// The line, to dial our provider, and then the given step.
    ToDial(Failure, Then),
    /// Our own link to be needed by no other command; it is being asked for, and the directory is watched over it.
    ToFree(Failure),
    /// The end of another command's way to the host.
    Waker,
}

/// What to do once there is a way to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Ask(Why),
    /// Wait until the moment given.
    Await(Instant),
}

/// Why the directory is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// To know where the host is.
    ToKnow,
    /// To know what there is to say of a host that did not come.
    ToTell,
}
