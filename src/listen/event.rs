//! What happens at a listener, for whoever follows along (`ringup listen --json`).

use serde::Serialize;

use super::doorman::Reason;

/// What happens on the line and after a wake.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The modem is ready and waits for calls.
    Listening,
    /// The line rang.
    Ring {
        /// For which time in this call.
        count: u32,
    },
    /// Caller identification came; the number itself stays out of events.
    Caller {
        /// Whether it shows a number.
        number: bool,
    },
    /// The call will wake the machine once the line is silent.
    Accepted,
    /// The call is being answered.
    Answering,
    /// Whoever was answered has proven to be allowed to wake the machine.
    Admitted {
        /// The name of the key, or the number of the code.
        by: String,
    },
    /// The answered call is over.
    Answered {
        /// What came of it: `waking`, `online`, `refused-…`; `unheard` when nothing valid was said; `left` or `lost` when
        /// the caller went first; `no-carrier` when there was no modem.
        ending: String,
        /// Whether the machine wakes for it.
        #[serde(skip)]
        wakes: bool,
    },
    /// The call is over and did not wake.
    Refused {
        /// Why not.
        reason: Reason,
    },
    /// A series of refused calls is over, or has gone on for an hour.
    MoreRefused {
        /// Why they were refused.
        reason: Reason,
        /// How many there were since the first, or since the last of these.
        more: u32,
    },
    /// The line is silent; the machine wakes.
    Waking {
        /// Milliseconds since the first ring.
        since_ring: u64,
    },
    /// A wake that was cut off goes on: the program, or the machine, went down in the middle of it.
    Resuming {
        /// How far it had come.
        step: &'static str,
    },
    /// The provider is being dialled.
    Dialling,
    /// The modems have agreed.
    Connected,
    /// The link is up.
    Up {
        /// The PPP interface.
        interface: String,
        /// The address it was lent.
        address: std::net::IpAddr,
    },
    /// A link is up that somebody else has brought up, and is registered.
    Adopted {
        /// The PPP interface.
        interface: String,
        /// The address it was lent.
        address: std::net::IpAddr,
    },
    /// Nobody outside the provider's network can connect to the address that the link has.
    Unreachable {
        /// From how far it can be reached: `carrier-nat`, `private`, `local`.
        reachability: &'static str,
        /// What can be done about it.
        advice: &'static str,
    },
    /// The tunnel for those who cannot reach the address is being opened.
    TunnelOpening {
        /// Where it ends, and the port of the service that is met there.
        at: String,
    },
    /// This machine can be met at the far end of its tunnel.
    TunnelUp {
        /// Where it ends, and the port of the service that is met there.
        at: String,
    },
    /// The tunnel is down, and is opened again after a pause.
    TunnelDown {
        /// Why.
        cause: String,
        /// In how many milliseconds it is opened again.
        again_ms: u64,
    },
    /// The address is in a directory; the first one makes the machine reachable, the others follow at their own pace.
    Registered {
        /// The record's sequence number.
        seq: u64,
        /// Milliseconds since the first ring.
        since_ring: u64,
        /// The directory: its zone and its servers.
        directory: String,
    },
    /// The machine has slept in the midst of it, so that nothing of it stands any more; the provider is called again.
    CutOff,
    /// Nothing has passed for long enough, but something keeps the link up.
    Kept {
        /// What: `file`, `lock`, `ssh` or `command`.
        by: &'static str,
    },
    /// Nothing has passed for long enough.
    Idle,
    /// Somebody wants the link, or the call that is to bring it, ended (`ringup hangup`).
    HangingUp,
    /// The budget is used up: no call is made, or the link ends.
    Spent {
        /// What of it.
        cause: String,
    },
    /// The wake has lasted for as long as its owner allows.
    Limit,
    /// The wake brought no link, or lost it for good.
    NoLink {
        /// In how many milliseconds a call may wake again: 0 for at once, longer where the provider has refused us.
        again: u64,
    },
    /// The link is lost but still wanted: the provider is called again.
    Redialling {
        /// In how many milliseconds.
        within: u64,
    },
    /// The record in a directory says asleep.
    Withdrawn {
        /// The record's sequence number.
        seq: u64,
        /// The directory: its zone and its servers.
        directory: String,
    },
    /// The link is down and the line on hook.
    Ended {
        /// Why.
        cause: String,
    },
    /// Something failed.
    Failed {
        /// What, in one line.
        cause: String,
    },
}

/// An event with the line that it happened on.
#[derive(Serialize)]
pub(super) struct OnLine<'event> {
    /// The line's port.
    pub(super) line: &'event str,
    /// What happened.
    #[serde(flatten)]
    pub(super) event: &'event Event,
}
