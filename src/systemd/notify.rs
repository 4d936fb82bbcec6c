//! The service manager's socket: a few words a datagram.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager; nowhere when none has started us.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// The socket that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        std::env::var_os("NOTIFY_SOCKET").map_or_else(Self::default, |path| Self::to(&path))
    }

    /// The socket of this path; one that begins with `@` is abstract (unix(7)).
    #[must_use]
    pub fn to(path: &OsStr) -> Self {
        let connected = (|| {
            let socket = UnixDatagram::unbound()?;
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(path)?,
            };
            socket.connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        })();
        match connected {
            Ok(socket) => Self { socket: Some(socket) },
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the service manager cannot be told anything");
                Self::default()
            }
        }
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// The daemon does its work now.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The daemon reads its configuration again; to be followed by [`Notifier::ready`]. `monotonic` is CLOCK_MONOTONIC in
    /// microseconds, by which the service manager tells this reload from the last.
    pub fn reloading(&self, monotonic: u64) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic}"));
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// What the daemon is about, in one line; tells whether it was heard.
    pub fn status(&self, line: &str) -> bool {
        self.say(&format!("STATUS={}", line.replace('\n', " ")))
    }

    /// The daemon lives.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, words: &str) -> bool {
        let Some(socket) = &self.socket else { return false };
        let sent = socket.send(words.as_bytes());
        if let Err(error) = &sent {
            tracing::debug!(%error, words, "the service manager did not hear");
        }
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_service_manager_hears_at_a_path_and_at_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("ringup-notify-{}", std::process::id()));
        let name = format!("ringup-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let listeners = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path)),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_name)),
        ];
        for (address, listener) in listeners {
            let (listener, notifier) = (listener.unwrap(), Notifier::to(&address));
            notifier.ready();
            notifier.status("asleep\nand well");
            assert_eq!((heard(&listener).as_str(), heard(&listener).as_str()), ("READY=1", "STATUS=asleep and well"));
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_service_manager_nothing_is_said() {
        assert!(!Notifier::default().is_heard());
        Notifier::default().ready();
        assert!(!Notifier::to(OsStr::new("/no/such/socket")).is_heard());
    }
}
