//! The one map from the rooms' typed errors to exit statuses and advice.

use domain::base::iana::Rcode;

use crate::budget::{Cap, Unpaid};
use crate::directory::{DirectoryError, DoorError};
use crate::dns::{QueryError, RegisterError, UpdateError};
use crate::exit::{Failure, Status};

impl From<&Unpaid> for Failure {
    fn from(unpaid: &Unpaid) -> Self {
        let failure = Self::new(Status::Budget, format!("no call was made: {unpaid}"));
        failure.hint(match unpaid.cap {
            Cap::CallsADay | Cap::MinutesADay => {
                "more is allowed tomorrow, or by [connect.budget]; `ringup status` shows what is spent"
            }
            Cap::CallsAMonth | Cap::MinutesAMonth => {
                "more is allowed next month, or by [connect.budget]; `ringup status` shows what is spent"
            }
            Cap::NotKept => {
                "make state-directory writable, or take the caps out of [connect.budget]: without them calls are made uncounted"
            }
        })
    }
}

impl From<&QueryError> for Failure {
    fn from(error: &QueryError) -> Self {
        match error {
            QueryError::Unreachable { .. } => {
                Self::caused(Status::DirectoryUnreachable, error).hint("check directory-servers, and the way to them")
            }
            QueryError::Refused(Rcode::SERVFAIL) => Self::caused(Status::DirectoryRefused, error)
                .hint("that server has trouble of its own, which its log tells; name another in directory-servers too"),
            // Of questions the log says nothing: anybody may ask anything.
            QueryError::Refused(_) => Self::caused(Status::DirectoryRefused, error)
                .hint("is the host in the zone of that server, and is directory-servers right?"),
            QueryError::Garbled => Self::caused(Status::DirectoryRefused, error)
                .hint("does another name server, or a firewall, answer in its place? check directory-servers"),
        }
    }
}

impl From<&UpdateError> for Failure {
    fn from(error: &UpdateError) -> Self {
        match error {
            UpdateError::Unreachable { .. } => {
                Self::caused(Status::DirectoryUnreachable, error).hint("check directory-servers, and the way to them")
            }
            UpdateError::BadKey | UpdateError::BadSig => {
                Self::caused(Status::Secret, error).hint("compare [host.tsig] here with [[directory.key]] there")
            }
            UpdateError::NotAuth | UpdateError::NotZone => Self::caused(Status::DirectoryRefused, error)
                .hint("compare the zone in [host] here with the one in [directory] there"),
            UpdateError::BadTime { .. }
            | UpdateError::Refused
            | UpdateError::Stale
            | UpdateError::Failed
            | UpdateError::Rejected(_) => Self::caused(Status::DirectoryRefused, error),
        }
    }
}

impl From<&RegisterError> for Failure {
    fn from(error: &RegisterError) -> Self {
        match error {
            RegisterError::Update(error) => Self::from(error),
            RegisterError::Query(error) => Self::from(error),
            RegisterError::Foreign => Self::caused(Status::WrongIdentity, error)
                .hint("is another machine using this name, or was the identity's file replaced?"),
            RegisterError::Seq(_) | RegisterError::Record(_) | RegisterError::Stopped => {
                Self::caused(Status::Internal, error)
            }
        }
    }
}

impl From<&DirectoryError> for Failure {
    fn from(error: &DirectoryError) -> Self {
        match error {
            DirectoryError::NoListen
            | DirectoryError::HostOutsideZone { .. }
            | DirectoryError::DoubleKey { .. }
            | DirectoryError::SharedKey { .. } => Self::caused(Status::Configuration, error),
            DirectoryError::Bind { .. } => Self::caused(Status::Internal, error)
                .hint("does another name server have the port? does this user lack CAP_NET_BIND_SERVICE?"),
            DirectoryError::Door(DoorError::Tls(_)) => Self::caused(Status::Configuration, error),
            DirectoryError::Door(_)
            | DirectoryError::Store(_)
            | DirectoryError::Thread { .. }
            | DirectoryError::EndedEarly { .. } => Self::caused(Status::Internal, error),
        }
    }
}
