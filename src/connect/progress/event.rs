//! What there is to tell on the way to a host, for programs as for people.

use std::net::{IpAddr, SocketAddr};

use hayes::modem::Outcome;
use serde::Serialize;

use crate::connect::attempt::{Found, Note};
use crate::connect::call::Called;
use crate::connect::own_link::Step;
use crate::exit::{Callee, Failure};

/// A step on the way to a host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The directory is asked for the host.
    Asking {
        /// The host's name.
        host: String,
    },
    /// There is no way to the directory: our provider is dialled.
    OwnLinkDialling,
    /// Our provider could not be reached; it is called again after a pause.
    OwnLinkPausing {
        /// Why.
        why: String,
        /// How long the pause is, in milliseconds.
        pause_ms: u64,
    },
    /// Our own link is up.
    OwnLinkUp {
        /// The interface.
        interface: String,
        /// Our address on it.
        address: IpAddr,
    },
    /// Our own link is down, for the line to be free.
    OwnLinkDown,
    /// Our own link went down by itself while it was needed.
    OwnLinkLost,
    /// Somebody else has the line; it is waited for.
    LineBusy {
        /// The host's name.
        host: String,
        /// Who has it.
        why: String,
    },
    /// Another command is waking the host; what comes of it is waited for.
    OtherWakes {
        /// The host's name.
        host: String,
        /// The other's process.
        #[serde(skip_serializing_if = "Option::is_none")]
        process: Option<u32>,
    },
    /// The host is asleep.
    Asleep {
        /// Its name.
        host: String,
        /// Its record's sequence number.
        seq: u64,
    },
    /// The host is known, but has never registered.
    NeverRegistered {
        /// Its name.
        host: String,
    },
    /// The directory has an older record than was seen before.
    RolledBack {
        /// The host's name.
        host: String,
        /// The record's sequence number.
        seq: u64,
        /// The greatest one that was seen.
        seen: u64,
    },
    /// The host is being rung.
    Ringing {
        /// Its name.
        host: String,
    },
    /// The wake-up call is over.
    CallOver {
        /// The host's name.
        host: String,
        /// How it ended.
        outcome: CallOver,
    },
    /// The host answered the wake-up call, and said what it does.
    Told {
        /// The host's name.
        host: String,
        /// What.
        words: String,
    },
    /// The number could not be reached; after a pause the directory is asked, and then it is rung again.
    Pausing {
        /// The host's name.
        host: String,
        /// Why.
        why: String,
        /// How long the pause is, in milliseconds.
        pause_ms: u64,
    },
    /// The directory is watched for a newer record.
    Waiting {
        /// The host's name.
        host: String,
        /// Newer than this one; `None` when it had none.
        after: Option<u64>,
    },
    /// The host is to prove that it is the one.
    Proving {
        /// Its name.
        host: String,
        /// Where.
        addresses: Vec<IpAddr>,
        /// Or here, where its tunnel ends, if it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tunnel: Option<SocketAddr>,
    },
    /// Nobody has proved to be the host by its record: every server of the directory is asked for a newer one.
    AskingAll {
        /// The host's name.
        host: String,
        /// The record's sequence number.
        than: u64,
    },
    /// Nobody outside the host's network can connect to it.
    Unreachable {
        /// The host's name.
        host: String,
        /// From how far it can be reached: `carrier-nat`, `private`, `local`.
        reachability: &'static str,
        /// What can be done about it.
        advice: &'static str,
    },
    /// The host is not where its record says any more.
    Gone {
        /// Its name.
        host: String,
        /// What is there.
        why: String,
    },
    /// The host's key was not known before, and is from now on.
    FirstUse {
        /// The host's name.
        host: String,
        /// Its key.
        key: String,
    },
    /// The host is there, and is used as soon as the line is needed for no other.
    Queued {
        /// Its name.
        host: String,
    },
    /// The host is there, and has proved that it is the one.
    Online {
        /// Its name.
        host: String,
        /// Its record's sequence number.
        seq: u64,
        /// The address at which it has proved it.
        address: IpAddr,
        /// The port there, where it is met through its tunnel.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// All that its record has.
        addresses: Vec<IpAddr>,
    },
    /// The host was not reached.
    Failed {
        /// Its name, or that of its site; none where it is no host's affair, such as a configuration that is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The cause's name, as in docs/outcomes.md.
        cause: &'static str,
        /// The exit status that goes with it.
        status: u8,
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
        /// Who was called, where it was a call that failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        callee: Option<Callee>,
        /// What modem, pppd, directory and host have said on the way.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
    },
}

/// How a wake-up call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallOver {
    /// The host answered, asked who we are, and was heard no more.
    BrokeOff,
    /// A call came in at the moment of dialling.
    Glare,
    /// The number is busy.
    Busy,
    /// A modem answered where nobody was to answer.
    Connected,
    /// The modem forbids the number for now.
    Delayed,
    /// The modem forbids the number.
    Blacklisted,
    /// It rang until the modem gave up.
    NoAnswer,
    /// No connection came about, or it was lost.
    NoCarrier,
    /// There is no dial tone.
    NoDialTone,
    /// It rang until we hung up.
    RangOut,
    /// The modem does not dial the number.
    Refused,
    /// The modem said nothing any more.
    Silent,
    /// A person or a machine of another kind answered.
    Voice,
}

impl From<&Outcome> for CallOver {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Blacklisted => Self::Blacklisted,
            Outcome::Busy => Self::Busy,
            Outcome::Connected(_) => Self::Connected,
            Outcome::Delayed => Self::Delayed,
            Outcome::Glare => Self::Glare,
            Outcome::NoAnswer => Self::NoAnswer,
            Outcome::NoCarrier => Self::NoCarrier,
            Outcome::NoDialTone => Self::NoDialTone,
            Outcome::RangOut => Self::RangOut,
            Outcome::Refused => Self::Refused,
            Outcome::Silent => Self::Silent,
            Outcome::Voice => Self::Voice,
        }
    }
}

impl Event {
    /// What an attempt notes, as an event.
    pub(in crate::connect) fn of_note(note: &Note, host: String) -> Self {
        match note {
            Note::RolledBack { found, seen } => Self::RolledBack { host, seq: found.number(), seen: seen.number() },
            Note::Unreachable(reachability) => Self::Unreachable {
                host,
                reachability: reachability.as_str(),
                advice: reachability.advice().unwrap_or_default(),
            },
            Note::LinkLost => Self::OwnLinkLost,
            Note::LineBusy { why } => Self::LineBusy { host, why: why.clone() },
            Note::OtherWakes { process } => Self::OtherWakes { host, process: *process },
            Note::Gone { why } => Self::Gone { host, why: why.clone() },
            Note::Pausing { why, pause } => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                Self::Pausing { host, why: why.clone(), pause_ms }
            }
        }
    }

    /// What our own link's keeper does, as an event.
    pub(in crate::connect) fn of_own_link(step: &Step) -> Self {
        match step {
            Step::Dialling => Self::OwnLinkDialling,
            Step::Pausing { why, pause } => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                Self::OwnLinkPausing { why: why.message.clone(), pause_ms }
            }
        }
    }

    /// What a wake-up call came to, as an event.
    pub(in crate::connect) fn of_call(called: &Called, host: String) -> Self {
        match called {
            Called::Ended(outcome) => Self::CallOver { host, outcome: outcome.into() },
            Called::Told(verdict) => Self::Told { host, words: verdict.to_string() },
            Called::BrokeOff => Self::CallOver { host, outcome: CallOver::BrokeOff },
        }
    }

    /// A host that is there, as an event.
    #[must_use]
    pub fn online(found: &Found) -> Self {
        let record = found.record.record();
        Self::Online {
            host: record.host().to_string(),
            seq: record.seq().number(),
            address: found.address,
            port: found.tunnel.map(|tunnel| tunnel.at().port()),
            addresses: record.addresses().to_vec(),
        }
    }

    /// A failure, as an event.
    pub(super) fn of_failure(host: Option<&str>, failure: &Failure) -> Self {
        Self::Failed {
            host: host.map(str::to_owned),
            cause: failure.status.name(),
            status: failure.status.code(),
            message: failure.message.clone(),
            hint: failure.advice().to_owned(),
            callee: failure.callee,
            evidence: failure.evidence.clone(),
        }
    }

    /// Whether something is waited for once this has been told.
    pub(super) fn begins_a_wait(&self) -> bool {
        !matches!(self, Self::Online { .. } | Self::Failed { .. } | Self::FirstUse { .. } | Self::Unreachable { .. })
    }
}
