//! What an attempt has its shell do, and what it comes to.

use std::net::IpAddr;
use std::time::Duration;

#[cfg(doc)]
use super::Attempt;
use crate::exit::{Failure, Status};
use crate::record::{FarEnd, PublicKey, Reachability, Seq, SignedRecord};

/// What the shell is to do; it answers each but a note with the input of the same name.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Find out whether there is a way to the directory now: [`Attempt::handle_way`].
    FindWay,
    /// Bring our own link up: [`Attempt::handle_own_link`].
    BringUp,
    /// The line is not wanted after all: our own link is needed.
    KeepLink,
    /// We do not wait for our own link any more: unless others do, its provider is not to be called again.
    LetLinkGo,
    /// Take our own link down, if there is one, so that the line is free: [`Attempt::handle_line_free`].
    FreeLine,
    /// Ask the directory: [`Attempt::handle_answer`].
    Ask,
    /// Look out for a record newer than this, for as long as the attempt lasts, and meanwhile do what else is asked:
    /// [`Attempt::handle_newer`].
    Watch(Option<Seq>),
    /// Stop looking out.
    StopWatching,
    /// Ring the host: [`Attempt::handle_call`].
    Ring,
    /// Hang up: the host is there already.
    StopRinging,
    /// Wait until the line may be free, which somebody else has: [`Attempt::handle_turn`].
    AwaitLine,
    /// Wait until no other command is on the way to the host: [`Attempt::handle_turn`].
    AwaitWaker,
    /// Have the machine at the record's addresses prove that it is the host, within this time: [`Attempt::handle_proof`].
    Prove(Box<SignedRecord>, Duration),
    /// Ask every server of the directory for its newest record by this key, as nobody has proved to be the host by the
    /// record with this number: [`Attempt::handle_newest`].
    AskAll(PublicKey, Seq),
    /// Tell this.
    Note(Note),
    /// The host is there.
    Found(Box<Found>),
    /// There is no more to try.
    Failed(Failure),
}

/// What somebody who waits may want to know, and what decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The directory has a record older than one that was seen before.
    RolledBack {
        /// The record's number.
        found: Seq,
        /// The greatest number that was seen.
        seen: Seq,
    },
    /// Nobody outside the host's network can connect to it.
    Unreachable(Reachability),
    /// The host is not where its record says any more: it is rung.
    Gone {
        /// What is there now.
        why: String,
    },
    /// Our own link went down by itself.
    LinkLost,
    /// Somebody else has the line: it is waited for.
    LineBusy {
        /// Who.
        why: String,
    },
    /// Another command is waking the host: what comes of it is waited for.
    OtherWakes {
        /// Its process, where it tells.
        process: Option<u32>,
    },
    /// The number could not be reached; the directory is asked again after a pause.
    Pausing {
        /// Why not.
        why: String,
        /// For how long.
        pause: Duration,
    },
}

/// A host that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its record, signed by its key.
    pub record: SignedRecord,
    /// The address at which it has proved to hold the key, its own or that of its tunnel's far end.
    pub address: IpAddr,
    /// The tunnel, where it is met through it.
    pub tunnel: Option<FarEnd>,
    /// Whether its key was unknown before.
    pub first_use: bool,
}

impl Found {
    /// Gives the port to connect to for a service of the host.
    ///
    /// # Errors
    /// When the host is met through a tunnel that leads to another of its services.
    pub fn port(&self, service: u16) -> Result<u16, Failure> {
        match self.tunnel {
            None => Ok(service),
            Some(tunnel) if tunnel.service() == service => Ok(tunnel.at().port()),
            Some(tunnel) => {
                let host = self.record.record().host();
                let led = tunnel.service();
                let message = format!(
                    "{host} is reached through its tunnel only, which leads to port {led} of it, not to {service}"
                );
                Err(Failure::new(Status::BehindNat, message).hint(format!(
                    "`to` in [host.tunnel] there says where it leads; with ssh, -L takes other ports along: ssh -L \
                     {service}:localhost:{service} {{}}"
                )))
            }
        }
    }

    /// Writes where it is to be met: an address, or address and port of its tunnel's far end.
    #[must_use]
    pub fn place(&self) -> String {
        self.tunnel.map_or_else(|| self.address.to_string(), |tunnel| tunnel.at().to_string())
    }
}
