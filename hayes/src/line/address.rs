//! The name of a line at a console server: `tcp://host:port`, or `tcp+raw://host:port`.

use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

/// A line at a console server, by its TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The server's name or address.
    pub host: String,
    /// The TCP port that leads to the line.
    pub port: u16,
    /// Bytes pass as they are: neither telnet nor RFC 2217.
    pub raw: bool,
}

/// The text names no line at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected the path of a tty, tcp://host:port for an RFC 2217 server, or tcp+raw://host:port")]
pub struct NoAddress;

impl Address {
    /// The server that a line's name leads to; `None` if it is the path of a tty.
    ///
    /// # Errors
    ///
    /// [`NoAddress`] for a name that is neither.
    pub fn of(port: &Path) -> Result<Option<Self>, NoAddress> {
        match port.to_str() {
            Some(text) if text.contains("://") => text.parse().map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(NoAddress)?;
        let raw = match scheme {
            "tcp" => false,
            "tcp+raw" => true,
            _ => return Err(NoAddress),
        };
        let (host, port) = rest.rsplit_once(':').ok_or(NoAddress)?;
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = !host.is_empty() && !host.contains([':', '/', '[', ']', ' ', '@']);
        let host = match literal {
            Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => address,
            None if named => host,
            Some(_) | None => return Err(NoAddress),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(NoAddress)?;
        Ok(Self { host: host.to_owned(), port, raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_host_and_port_and_a_tty_by_its_path() {
        let address = |host: &str, port, raw| Address { host: host.to_owned(), port, raw };
        assert_eq!("tcp://console:7001".parse(), Ok(address("console", 7001, false)));
        assert_eq!("tcp+raw://192.0.2.1:7001".parse(), Ok(address("192.0.2.1", 7001, true)));
        assert_eq!("tcp://[2001:db8::1]:7001".parse(), Ok(address("2001:db8::1", 7001, false)));
        assert_eq!(Address::of(Path::new("/dev/serial/by-id/usb-Acme-if00")), Ok(None));
        for text in [
            "tcp://console",
            "tcp://:7001",
            "tcp://console:0",
            "tcp://console:70000",
            "tcp://2001:db8::1:7001",
            "tcp://[console]:7001",
            "tcp://console/:7001",
            "udp://console:7001",
            "telnet://console:7001",
        ] {
            assert_eq!(Address::of(Path::new(text)), Err(NoAddress), "{text}");
        }
    }
}
