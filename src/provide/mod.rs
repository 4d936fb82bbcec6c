//! `ringup provide`: the PPP provider. Answers each call on its lines, lends the caller an address from a limited pool,
//! and takes it back when the call is over.

mod line;
pub mod pool;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::pool::Pool;
use crate::exit::{Failure, Status};
use crate::report::Report;
use crate::secret::Secret;

/// Where pppd looks for its callers' secrets (pppd(8), AUTHENTICATION).
const CHAP_SECRETS: &str = "/etc/ppp/chap-secrets";

/// What `ringup provide` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider's own end of every link.
    pub local: Ipv4Addr,
    /// The addresses it lends.
    pub pool: Vec<Ipv4Addr>,
    /// The pool's database.
    pub database: PathBuf,
    /// How long a returned address rests.
    pub quarantine: Duration,
    /// The server's name in CHAP.
    pub name: String,
    /// From CONNECT until there is a link.
    pub link_within: Duration,
    /// The lines that answer.
    pub lines: Vec<crate::line::Settings>,
    /// Where the links' sockets and options go.
    pub runtime: PathBuf,
}

/// What happens on the provider's lines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// All lines are ready.
    Ready {
        /// How many there are.
        lines: usize,
    },
    /// A call is answered.
    Answering {
        /// The line's port.
        line: String,
    },
    /// A caller has a link and an address.
    Up {
        /// The line's port.
        line: String,
        /// The address that is lent.
        address: Ipv4Addr,
        /// The name that the caller proved.
        peer: Option<String>,
    },
    /// A caller was turned away: no address is free.
    Full {
        /// The line's port.
        line: String,
    },
    /// A call is over.
    Ended {
        /// The line's port.
        line: String,
        /// The address that came back.
        address: Ipv4Addr,
        /// Why it ended.
        cause: String,
    },
}

/// Serves until told to stop.
///
/// # Errors
/// When the subscribers' secrets, the pool or one of the lines cannot be had at the start. A line that is lost later is tried again.
pub async fn run(settings: Settings, report: Report, shutdown: &CancellationToken) -> Result<(), Failure> {
    Secret::read(Path::new(CHAP_SECRETS)).map_err(|error| {
        Failure::caused(Status::Secret, &error).hint("one line a subscriber: its name, our name, its secret, *")
    })?;
    crate::link::mend(&settings.runtime).await;
    let pool = Pool::open(&settings.database, &settings.pool, settings.quarantine, crate::clock::unix_seconds())
        .map_err(|error| {
            Failure::caused(Status::Internal, &error).hint(format!("the database is {}", settings.database.display()))
        })?;
    let pool = Arc::new(Mutex::new(pool));
    let settings = Arc::new(settings);
    let mut lines = Vec::new();
    for line in &settings.lines {
        let mut line = line::Line::new(line.clone(), Arc::clone(&settings), Arc::clone(&pool), report);
        tokio::select! {
            ready = line.ready() => ready.map_err(|state| state.failure())?,
            () = shutdown.cancelled() => return Ok(()),
        }
        lines.push(line);
    }
    report.say(&Event::Ready { lines: lines.len() });
    tracing::info!(lines = lines.len(), addresses = settings.pool.len(), "providing");
    let mut tasks = JoinSet::new();
    for line in lines {
        tasks.spawn(line.serve(shutdown.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return Err(Failure::caused(Status::Internal, &error));
        }
    }
    Ok(())
}
