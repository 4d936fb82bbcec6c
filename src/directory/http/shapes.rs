//! The JSON that goes out, and its errors: one exhaustive map from what happened to a status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::directory::accounts::AccountError;
use crate::directory::book::Refusal;
use crate::directory::entry::Known;
use crate::directory::update::Outcome;
use crate::record::{HostName, State};

/// A host as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct HostView {
    host: String,
    /// `online`, `asleep`, `expired`, or `unknown` where it has never registered.
    state: &'static str,
    /// Whether the host signed it itself.
    certified: bool,
    seq: Option<u64>,
    addresses: Vec<std::net::IpAddr>,
    reachability: Option<&'static str>,
    /// When the directory received it, in Unix seconds.
    received: Option<u64>,
    /// Until when it holds, in Unix seconds.
    expires: Option<u64>,
    identity: Option<String>,
    /// The signed text, to be checked against the pinned identity (docs/record.md).
    statement: Option<String>,
}

impl HostView {
    pub(super) fn of(host: &HostName, entry: Option<&Known>, now: u64) -> Self {
        let Some((entry, record)) = entry.and_then(|entry| Some((entry, entry.statement.record()?))) else {
            return Self {
                host: host.to_string(),
                state: "unknown",
                certified: false,
                seq: None,
                addresses: Vec::new(),
                reachability: None,
                received: None,
                expires: None,
                identity: None,
                statement: None,
            };
        };
        let state = match record.state() {
            State::Asleep => "asleep",
            State::Online if entry.remaining(now) == 0 => "expired",
            State::Online => "online",
        };
        let addresses = if state == "online" { record.addresses().to_vec() } else { Vec::new() };
        let signed = entry.statement.signed();
        Self {
            host: host.to_string(),
            state,
            certified: signed.is_some(),
            seq: Some(record.seq().number()),
            reachability: (!addresses.is_empty()).then(|| record.reachability().as_str()),
            addresses,
            received: Some(entry.received),
            expires: Some(entry.received.saturating_add(record.lease().into())),
            identity: signed.map(|signed| signed.key().to_string()),
            statement: signed.map(ToString::to_string),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn state(&self) -> &'static str {
        self.state
    }

    pub(super) fn is_online(&self) -> bool {
        self.state == "online"
    }

    pub(super) fn is_expired(&self) -> bool {
        self.state == "expired"
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq.unwrap_or(0)
    }
}

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    /// One word for programs.
    code: &'static str,
    /// A line for people.
    message: String,
    /// After how many seconds it may be otherwise.
    again_in: u32,
}

#[derive(Serialize)]
struct ProblemBody<'p> {
    error: &'p str,
    message: &'p str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), again_in: AGAIN_IN }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    pub(super) fn unknown_host(host: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-host", format!("the directory does not know {host}"))
    }

    pub(super) fn unauthenticated() -> Self {
        let message = "expected a good token: Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", message)
    }

    pub(super) fn failed() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "failed", "the directory could not store it; try again")
    }

    /// What an outcome that is not a success comes to.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Done => None,
            Outcome::Failed => Some(Self::failed()),
            Outcome::Refused(refusal) => Some(Self::from(refusal)),
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let message = match std::error::Error::source(refusal) {
            Some(source) => format!("{refusal}: {source}"),
            None => refusal.to_string(),
        };
        match refusal {
            Refusal::Stale { .. } | Refusal::Replayed { .. } => Self::new(StatusCode::CONFLICT, "stale", message),
            Refusal::TooOften { again_in, .. } => Self { again_in: *again_in, ..Self::too_many(message) },
            Refusal::NotBound => Self::forbidden(message),
            Refusal::EnrolmentOver => Self::new(StatusCode::FORBIDDEN, "enrolment-over", message),
            Refusal::Unverified(_) => Self::new(StatusCode::FORBIDDEN, "wrong-identity", message),
            Refusal::NameMissing | Refusal::NamePresent | Refusal::RecordsMissing | Refusal::RecordsPresent => {
                Self::new(StatusCode::PRECONDITION_FAILED, "prerequisite", message)
            }
            Refusal::Malformed
            | Refusal::OutsideZone
            | Refusal::TooManyHosts
            | Refusal::OtherRecords
            | Refusal::NoStatement
            | Refusal::Statement(_)
            | Refusal::Record(_)
            | Refusal::AddressesDiffer => Self::malformed(message),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let message = error.to_string();
        match error {
            AccountError::Invalid(_) => Self::malformed(message),
            AccountError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "unknown", message),
            AccountError::Exists(_) => Self::new(StatusCode::CONFLICT, "exists", message),
            AccountError::Configured(_) => Self::new(StatusCode::CONFLICT, "configured", message),
            AccountError::NoRandomness => Self::failed(),
            AccountError::Store(error) => {
                tracing::error!(%error, "the accounts cannot be stored");
                Self::failed()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody { error: self.code, message: &self.message };
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringup\""));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.again_in));
        }
        response
    }
}

/// Seconds after which what usually passes has passed.
const AGAIN_IN: u32 = 60;
