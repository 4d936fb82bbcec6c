//! A tunnel from this machine to one with a public address, for clients that cannot reach it where its provider has put
//! it: the owner's command, such as `ssh -N -R`, run for as long as there is a link (docs/tunnel.md).
//!
//! [`keeper`] decides when it is started again; `process` runs it, and `porch` receives what comes through it: challenges
//! are answered, everything else is passed on to one service of this machine. Says that the tunnel is up when this
//! machine has met itself at its far end, as a client would. Refuses to leave anything of it behind.

pub mod keeper;
mod porch;
mod process;
mod remains;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::keeper::Keeper;
use self::porch::Porch;
use self::process::{Process, Said};
use crate::dns::jittered;
use crate::identity::{self, Unproven};
use crate::record::{FarEnd, Identity};

pub use self::remains::mend;

/// How long a tunnel may run without this machine being met at its far end; then it is opened anew.
const PROVE_WITHIN: Duration = Duration::from_secs(120);
/// Stands for the port at which this machine receives what comes through the tunnel, in the command.
pub const PORT: &str = "{port}";

/// What a tunnel is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it ends, as the record says.
    pub far_end: FarEnd,
    /// The service that is met there.
    pub to: SocketAddr,
}

/// What happens to a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its command was started.
    Opening,
    /// This machine can be met at its far end.
    Up,
    /// It is down.
    Down {
        /// Why.
        cause: String,
        /// How long it stays so.
        again: Duration,
    },
}

/// A tunnel that is kept up; none where nothing is configured.
pub struct Tunnel {
    settings: Option<Settings>,
    identity: Arc<Identity>,
    keeper: Keeper,
    porch: Option<Porch>,
    state: State,
    /// What the command said last, and why it is being ended.
    last: Option<String>,
}

enum State {
    /// It is opened then.
    Due(Instant),
    Running {
        process: Box<Process>,
        /// How this machine is looked for at the far end, until it has been found.
        proof: Option<Proof>,
    },
}

type Proof = Pin<Box<dyn Future<Output = Result<SocketAddr, Unproven>> + Send>>;

impl Tunnel {
    /// One that opens while [`Tunnel::next`] is polled.
    #[must_use]
    pub fn new(settings: Option<Settings>, identity: Arc<Identity>) -> Self {
        let state = State::Due(crate::clock::now());
        Self { settings, identity, keeper: Keeper::new(jittered), porch: None, state, last: None }
    }

    /// Waits for what happens next, and keeps it up meanwhile; for ever where there is none.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Event {
        let Some(settings) = self.settings.clone() else { return std::future::pending().await };
        loop {
            let (process, proof) = match &mut self.state {
                State::Due(at) => {
                    crate::clock::sleep_until(Some(*at)).await;
                    match self.start(&settings) {
                        Ok(()) => return Event::Opening,
                        Err(error) => return self.down(format!("cannot be opened: {error}")),
                    }
                }
                State::Running { process, proof } => (process, proof),
            };
            tokio::select! {
                said = process.next() => match said {
                    Said::Line(line) => {
                        tracing::info!(program = settings.command.first(), "tunnel: {line}");
                        self.last = Some(line);
                    }
                    Said::Ended(how) => {
                        let last = self.last.take().map(|line| format!(": {line}")).unwrap_or_default();
                        return self.down(format!("{how}{last}"));
                    }
                },
                proved = proved(proof) => match proved {
                    Ok(_at) => {
                        self.keeper.handle_up(crate::clock::now());
                        tracing::info!("this machine can be met at the far end of its tunnel");
                        return Event::Up;
                    }
                    Err(Unproven(findings)) => {
                        let found = findings.first().map(|(at, finding)| format!("{at}: {finding}"));
                        self.last = Some(format!("this machine is not to be met at {}", found.unwrap_or_default()));
                        process.terminate();
                    }
                },
            }
        }
    }

    /// Ends it, and waits until nothing is left of it; a few seconds at the most.
    pub async fn close(self) {
        if let State::Running { process, .. } = self.state {
            process.end().await;
        }
    }

    fn start(&mut self, settings: &Settings) -> io::Result<()> {
        let at = settings.far_end.at();
        let port = match &self.porch {
            Some(porch) => porch.port(),
            None => {
                let porch = Porch::open(Arc::clone(&self.identity), at, settings.to)?;
                self.porch.insert(porch).port()
            }
        };
        let command: Vec<String> = settings.command.iter().map(|word| word.replace(PORT, &port.to_string())).collect();
        let process = Box::new(Process::start(&command)?);
        let key = self.identity.public_key();
        let proof: Proof = Box::pin(async move { identity::challenge(key, &[], Some(at), PROVE_WITHIN).await });
        self.last = None;
        self.state = State::Running { process, proof: Some(proof) };
        Ok(())
    }

    fn down(&mut self, cause: String) -> Event {
        let now = crate::clock::now();
        let again = self.keeper.handle_end(now);
        self.state = State::Due(now + again);
        tracing::warn!(cause, ?again, "the tunnel is down");
        Event::Down { cause, again }
    }
}

/// Waits until the host was looked for at the far end, once.
async fn proved(proof: &mut Option<Proof>) -> Result<SocketAddr, Unproven> {
    match proof {
        Some(future) => {
            let result = future.await;
            *proof = None;
            result
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
