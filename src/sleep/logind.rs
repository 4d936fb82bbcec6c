//! systemd-logind, or elogind in its place: who may hold sleep off, who asks for it, and when it comes.
//!
//! Speaks `org.freedesktop.login1.Manager`. Refuses to overrule: another program's block is respected even where logind
//! would let root pass it (before systemd 257).

use std::os::fd::OwnedFd;

use super::bus::message::{Argument, Call};
use super::bus::{Bus, BusError};

/// What a lock holds off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Sleep is refused for as long as the lock is held.
    Block,
    /// Sleep waits for the lock to be given back, for some seconds (`InhibitDelayMaxSec`).
    Delay,
}

/// A lock; sleep is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _descriptor: OwnedFd,
}

/// A connection to logind.
#[derive(Debug)]
pub(super) struct Logind {
    bus: Bus,
}

impl Logind {
    /// Connects, and listens for announcements of sleep.
    ///
    /// # Errors
    /// When there is no bus, or nobody on it who answers to logind's name.
    pub(super) async fn connect() -> Result<Self, BusError> {
        let mut bus = Bus::connect().await?;
        bus.listen_for(&format!("type='signal',sender='{NAME}',interface='{INTERFACE}',member='{PREPARE}'")).await?;
        // Whoever is to start logind does so now, and where nobody can, this tells.
        let _can = bus.call(&method("CanSuspend"), &[]).await?;
        Ok(Self { bus })
    }

    /// Takes a lock on sleep, and for a block on idleness, too.
    ///
    /// # Errors
    /// When logind refuses: polkit lets only root, and users with a session, block sleep.
    pub(super) async fn inhibit(&mut self, mode: Mode, why: &str) -> Result<Lock, BusError> {
        let (what, mode) = match mode {
            Mode::Block => ("sleep:idle", "block"),
            Mode::Delay => ("sleep", "delay"),
        };
        let arguments = [what, "ringup", why, mode].map(Argument::Text);
        let mut reply = self.bus.call(&method("Inhibit"), &arguments).await?;
        let descriptor = reply.descriptors.pop().ok_or_else(|| BusError::Refused {
            name: "no lock".to_owned(),
            text: "logind's answer holds no file descriptor".to_owned(),
        })?;
        Ok(Lock { _descriptor: descriptor })
    }

    /// Names a program, and its reason, that blocks sleep at present; ours are not counted.
    ///
    /// # Errors
    /// When logind does not tell.
    pub(super) async fn blocked_by(&mut self) -> Result<Option<String>, BusError> {
        let reply = self.bus.call(&method("ListInhibitors"), &[]).await?;
        let rows = reply.body.rows().map_err(|malformed| BusError::Refused {
            name: "ListInhibitors".to_owned(),
            text: malformed.to_string(),
        })?;
        let own = std::process::id();
        let blocker = rows.into_iter().find(|([what, _, _, mode], [_, process])| {
            mode == "block" && what.split(':').any(|what| what == "sleep") && *process != own
        });
        Ok(blocker.map(|([_, who, why, _], _)| format!("{who} ({why})")))
    }

    /// Has the machine suspended; returns when that has begun.
    ///
    /// # Errors
    /// When logind refuses.
    pub(super) async fn suspend(&mut self) -> Result<(), BusError> {
        self.bus.call(&method("Suspend"), &[Argument::Flag(false)]).await.map(drop)
    }

    /// Waits until sleep is announced (true) or over (false).
    ///
    /// # Errors
    /// When the bus goes away.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn sleep_comes(&mut self) -> Result<bool, BusError> {
        loop {
            let signal = self.bus.signal().await?;
            if signal.interface == INTERFACE
                && signal.member == PREPARE
                && let Ok(comes) = signal.body.flag()
            {
                return Ok(comes);
            }
        }
    }
}

fn method(member: &str) -> Call<'_> {
    Call { destination: NAME, path: "/org/freedesktop/login1", interface: INTERFACE, member }
}

const NAME: &str = "org.freedesktop.login1";
const INTERFACE: &str = "org.freedesktop.login1.Manager";
const PREPARE: &str = "PrepareForSleep";
