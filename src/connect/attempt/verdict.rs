//! What is said of a host that was not reached: one cause, joined from what record, address and time have shown.

use std::net::SocketAddr;

use super::{Attempt, Failure, HostName, Reachability, Seq, SignedRecord, State, Status, state::Queue};
use crate::identity::{Finding, Unproven};
use crate::record::VerifyError;

/// How far the clocks of host and client may differ before a lease counts as over, in seconds.
const CLOCKS: u64 = 300;

/// Whether the record's lease is over, by our clock and with some patience.
pub(super) fn is_over(signed: &SignedRecord, unix_now: u64) -> bool {
    since_end(signed, unix_now) > CLOCKS
}

/// For how many seconds the lease has been over.
fn since_end(signed: &SignedRecord, unix_now: u64) -> u64 {
    let record = signed.record();
    unix_now.saturating_sub(record.issued().saturating_add(u64::from(record.lease())))
}

/// Whether the host is gone from where its record says, and not only out of reach from here: somebody else is there, or
/// the record's lease is over. Where the record counts and leads to a place that its own network alone can reach, silence
/// says nothing.
pub(super) fn is_gone(signed: &SignedRecord, unproven: &Unproven, unix_now: u64) -> bool {
    let record = signed.record();
    (record.reachability() == Reachability::Public && !needs_ipv6(unproven))
        || record.services().tunnel.is_some()
        || is_over(signed, unix_now)
        || unproven.foremost().is_some_and(|(_at, finding)| finding.is_a_stranger())
}

/// Whether the host can be reached from everywhere by IPv6 alone, which has no way from here.
fn needs_ipv6(unproven: &Unproven) -> bool {
    let mut public =
        unproven.0.iter().filter(|(at, _finding)| Reachability::of(at.ip()) == Reachability::Public).peekable();
    public.peek().is_some() && public.all(|(at, finding)| at.is_ipv6() && *finding == Finding::NoWay)
}

/// Why nobody at the record's addresses is believed to be the host.
pub(super) fn unproven(signed: &SignedRecord, unproven: &Unproven, unix_now: u64) -> Failure {
    let record = signed.record();
    let (host, seq, port) = (record.host(), record.seq(), record.services().proof_port);
    let tunnel = record.services().tunnel;
    if let Some((at, finding)) = unproven.foremost().filter(|(_at, finding)| finding.is_a_stranger()) {
        return stranger(signed, at, finding);
    }
    if let (Some(tunnel), false) = (tunnel, is_over(signed, unix_now)) {
        let at = tunnel.at();
        let found = unproven.0.iter().find(|(place, _finding)| *place == at).map(|(_place, finding)| *finding);
        let found = found.unwrap_or(Finding::NoWay);
        let message = format!("{host} is online behind a tunnel that ends at {at} (record {seq}), but {found}");
        return Failure::new(Status::Unreachable, message).hint(
            "the tunnel may be down, or not up yet: try again in a minute; at the host, `ringup status` and `ringup \
             journal` tell why",
        );
    }
    let reachability = record.reachability();
    // Of several places, the one where it should have been met.
    let best = unproven.0.iter().copied().filter(|(at, _finding)| Reachability::of(at.ip()) == reachability).collect();
    let (place, what) = match Unproven(best).foremost() {
        Some((at, finding)) => (at.ip().to_string(), finding),
        None => ("none of its addresses".to_owned(), Finding::NoWay),
    };
    if is_over(signed, unix_now) {
        let minutes = since_end(signed, unix_now) / 60;
        let message =
            format!("the record of {host} is stale: {place} was its address until {minutes} min ago, and {what}");
        let hint = "the host lost its link and could not say so; is it on, and can it reach the directory?";
        return Failure::new(Status::Stale, message).hint(match reachability.advice() {
            Some(advice) => format!("{hint} and once it is online again: {advice}"),
            None => hint.to_owned(),
        });
    }
    if let Some(advice) = reachability.advice() {
        let message = format!(
            "{host} is registered at {place} (record {seq}), where its own network alone can reach it ({reachability}), and \
             {what}"
        );
        return Failure::new(Status::BehindNat, message).hint(format!(
            "at the host: {advice}; if you are in its network, its link has dropped: `ringup wake {host}` rings it all the \
             same"
        ));
    }
    if needs_ipv6(unproven) {
        let message = format!("{host} is registered at {place} (record {seq}): it has IPv6, and this machine has none");
        return Failure::new(Status::BehindNat, message).hint(
            "connect from where there is IPv6; or have the host registered with a public IPv4 address as well, or open a \
             tunnel ([host.tunnel], ssh -R)",
        );
    }
    let message = format!("{host} is registered at {place} (record {seq}), but {what}");
    Failure::new(Status::Unreachable, message).hint(format!(
        "its link may have dropped just now: try again in a minute; or UDP port {port} (host.proof-port) is filtered on \
         the way"
    ))
}

/// Why a machine that showed itself is not believed to be the host.
fn stranger(signed: &SignedRecord, at: SocketAddr, what: Finding) -> Failure {
    let record = signed.record();
    let (host, seq, port) = (record.host(), record.seq(), record.services().proof_port);
    let is_tunnel = record.services().tunnel.is_some_and(|tunnel| tunnel.at() == at);
    let place = if is_tunnel { at.to_string() } else { at.ip().to_string() };
    let reachability = Reachability::of(at.ip());
    if let (Some(advice), false) = (reachability.advice(), is_tunnel) {
        // Every network has such addresses of its own, and a stranger in ours says nothing of the host's.
        let message =
            format!("{place} is not {host}, as seen from here (record {seq}): {what}; nothing was sent there");
        return Failure::new(Status::Impostor, message).hint(format!(
            "many networks have that address ({reachability}): you are not in the host's; or it is lent to somebody else there \
             by now; at the host: {advice}"
        ));
    }
    let message = format!("{place} is not {host} any more (record {seq}): {what}; nothing was sent there");
    Failure::new(Status::Impostor, message).hint(match what {
        Finding::NoAnswerer if is_tunnel => {
            "somebody else's service is where its tunnel ended; at the host: ringup status".to_owned()
        }
        Finding::NoAnswerer => format!(
            "the address is lent to somebody else by now; or it is the host, and its UDP port {port} is closed \
             (host.proof-port)"
        ),
        Finding::Another(_)
        | Finding::Relayed(_)
        | Finding::Forged
        | Finding::NoTunnel
        | Finding::Silence
        | Finding::NoWay => {
            "the address is lent to somebody else by now; the host is found again once it registers".to_owned()
        }
    })
}

impl Attempt {
    /// Whether the record is the host's own, by the pinned key, or by its own where none is pinned yet.
    pub(super) fn check(&self, signed: &SignedRecord) -> Result<(), Failure> {
        let host: &HostName = &self.plan.host;
        if signed.record().host() != host {
            let other = signed.record().host();
            let message = format!("the directory gave a record of {other} for {host}");
            return Err(Failure::new(Status::WrongIdentity, message).hint("nothing was sent; ask another directory"));
        }
        let expected = self.plan.identity.unwrap_or_else(|| *signed.key());
        signed.verify(&expected).map_err(|error| not_its_own(host, host.as_str(), &error))
    }

    /// What is said of a host that sleeps and cannot be rung.
    pub(super) fn asleep(&self) -> Failure {
        if let Some(failure) = self.rolled_back() {
            return failure;
        }
        let host = &self.plan.host;
        if self.calls > 0 {
            return self.not_registered();
        }
        if self.plan.has_number {
            let message = format!("{host} is asleep, and no call to it is left");
            return Failure::new(Status::Asleep, message)
                .hint("it may sleep again while others are rung: connect to it alone; `calls` in its [sites] section limits them");
        }
        Failure::new(Status::Asleep, format!("{host} is asleep, and has no number to ring"))
            .hint("give it one with `number` in its [sites] section")
    }

    /// What is said of a host that was rung and did not come.
    pub(super) fn not_registered(&self) -> Failure {
        self.rolled_back().unwrap_or_else(|| {
            if self.broke_off {
                let host = &self.plan.host;
                let message =
                    format!("the call to {host} broke off before it said what it would do, and it did not come online");
                return Failure::new(Status::NoHandshake, message)
                    .hint("call again; `ringup journal` on the host tells how far it came");
            }
            if let Some(gone) = &self.gone {
                let message = format!("{}; it was rung, and did not come online anew in time", gone.message);
                return Failure::new(gone.status, message)
                    .hint(format!("`ringup journal` on the host tells whether it heard the ring; {}", gone.advice()));
            }
            let message = format!("{} was rung, but did not come online in time", self.plan.host);
            Failure::new(Status::NotRegistered, message)
        })
    }

    /// What is said of a number that could not be reached. A busy host whose record counts is online by all appearances,
    /// and then it is its address that is the matter.
    pub(super) fn not_called(&self, failure: Failure) -> Failure {
        match &self.gone {
            Some(gone) if failure.status == Status::Busy && gone.status == Status::Unreachable => {
                let message = format!("{}; its number is busy, as that of a host that is online", gone.message);
                Failure::new(gone.status, message).hint(gone.advice())
            }
            Some(_) | None => failure,
        }
    }

    /// What is said when all of it took too long.
    pub(super) fn out_of_time(&self) -> Failure {
        let step = match self.state {
            State::Finding(_) | State::Done => "while it looked for a way to the directory",
            State::Linking(_) => "while our own link came up",
            State::Asking(_) | State::Doubting { .. } => "while the directory was asked",
            State::Freeing => "while our own link went down",
            State::Ringing => "while it rang",
            State::Awaiting(_) => "while it waited for the host to register",
            State::Pausing(_) => "before the next call",
            State::Queueing(Queue::Waker, _) => "while another command was waking it",
            State::Queueing(Queue::ToFree(ref busy) | Queue::ToRing(ref busy) | Queue::ToDial(ref busy, _), _) => {
                let message = format!("{} was not reached in time: {}", self.plan.host, busy.message);
                return Failure::new(Status::TimedOut, message)
                    .hint("end what has the line, or allow more with --timeout");
            }
            State::Proving { .. } => "while the host was to prove itself",
        };
        let mut message = format!("{} was not reached in time: it ended {step}", self.plan.host);
        if let (State::Linking(_), Some(why)) = (&self.state, &self.refused) {
            message.push_str(&format!(", and {}", why.message));
        }
        Failure::new(Status::TimedOut, message)
            .hint("allow more with --timeout; a wake takes half a minute, with one line a minute")
    }

    fn rolled_back(&self) -> Option<Failure> {
        let (found, seen): (Seq, Seq) = (self.rolled_back?, self.plan.seen?);
        Some(rolled_back(&self.plan.host, found, seen))
    }
}

/// The failure of a record that bears a signature, and not the host's; `called` is what whoever asks calls the host.
pub(in crate::connect) fn not_its_own(host: &HostName, called: &str, error: &VerifyError) -> Failure {
    let message = format!("the directory's record of {host} is not its own: {error}");
    Failure::new(Status::WrongIdentity, message).hint(format!(
        "nothing was sent; if {called} has a new key, take it from `ringup identity` there, and put it in `identity` in its \
         [sites] section, or: ringup trust {called} KEY"
    ))
}

/// The failure of a directory that has forgotten a record.
pub(in crate::connect) fn rolled_back(host: &HostName, found: Seq, seen: Seq) -> Failure {
    let message = format!("the directory has an old record of {host}: number {found}, and {seen} was seen before");
    Failure::new(Status::RolledBack, message)
        .hint("nothing was sent; was the directory restored from a backup? it is right again once the host registers")
}

/// The failure of a host that was to answer, and did not.
pub(in crate::connect) fn not_answered(host: &str) -> Failure {
    Failure::new(Status::NoAnswer, format!("{host} did not answer"))
        .hint("does a rule there say do = \"answer\" for this number? is `answer-within` long enough?")
}
