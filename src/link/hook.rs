//! The socket on which pppd's ip-up and ip-down hooks post what happened: one datagram an event, never an answer, so
//! that no hook can hold pppd up.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::net::UnixDatagram;

/// The environment variable in which pppd hands its hooks the path of the socket.
pub const SOCKET_VARIABLE: &str = "RINGUP_SOCKET";
/// The environment variable in which pppd hands its hooks the path of this very program.
pub const PROGRAM_VARIABLE: &str = "RINGUP";
/// The name, in the runtime directory, of the socket on which hooks post that have no link's own.
pub const STANDING: &str = "hooks.sock";
/// More than any event needs.
const LARGEST_EVENT: usize = 4096;

/// What a hook reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum HookEvent {
    /// IPCP is up (pppd(8), SCRIPTS, ip-up).
    Up(Up),
    /// IPCP is no longer up (pppd(8), SCRIPTS, ip-down).
    Down {
        /// The interface that went.
        interface: String,
        /// As [`Up::names`].
        #[serde(default)]
        names: Vec<String>,
    },
}

/// A link that came up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Up {
    /// The interface's name, such as `ppp0`.
    pub interface: String,
    /// Our address on it.
    pub local: IpAddr,
    /// The other side's address.
    pub remote: IpAddr,
    /// The name that the other side proved, if it had to.
    pub peer: Option<String>,
    /// What the link is called here: its peers file, its linkname and its ipparam (pppd(8)), as far as it has them.
    #[serde(default)]
    pub names: Vec<String>,
}

/// The daemon's end of the socket; the file goes when it is dropped.
#[derive(Debug)]
pub(super) struct Hook {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Hook {
    /// Opens the socket at a path of its own.
    pub(super) fn open(path: PathBuf) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { socket: UnixDatagram::bind(&path)?, path })
    }

    /// Where the hooks find it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next event; what is no event is passed over.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&self) -> HookEvent {
        let mut buffer = vec![0; LARGEST_EVENT];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer).await else {
                // A bound datagram socket has no way to fail for good; the link's other signs decide.
                std::future::pending::<()>().await;
                continue;
            };
            match serde_json::from_slice(buffer.get(..length).unwrap_or_default()) {
                Ok(event) => return event,
                Err(error) => tracing::debug!(%error, "a hook said something that is no event"),
            }
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the hook's socket was gone already");
        }
    }
}

/// Posts an event to the daemon that owns the link; does not wait for it.
///
/// # Errors
/// When nobody has the socket open.
pub fn post(socket: &Path, event: &HookEvent) -> std::io::Result<()> {
    let sender = std::os::unix::net::UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to(&serde_json::to_vec(event)?, socket).map(|_sent| ())
}
