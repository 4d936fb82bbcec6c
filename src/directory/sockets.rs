//! The sockets to answer at. Each has the addresses that its own address says and no others: `[::]` is IPv6 alone, so that
//! it goes beside `0.0.0.0`, whatever this machine's net.ipv6.bindv6only is.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind as bind_to, listen, setsockopt, socket, sockopt,
};
use tokio::net::TcpListener;

use super::udp;

/// Binds TCP, and UDP so many times, to one port; where any port will do, tries until one is free for both.
///
/// # Errors
/// What the system says.
pub(super) fn bind(address: SocketAddr, udp_sockets: usize) -> io::Result<(SocketAddr, Vec<udp::Socket>, TcpListener)> {
    let mut tries = if address.port() == 0 { 16 } else { 1 };
    loop {
        // A port that is taken shows here: UDP shares its own.
        let tcp = bind_tcp(address)?;
        let bound = tcp.local_addr()?;
        let bound_to = SockaddrStorage::from(bound);
        tries -= 1;
        // Nobody else's, either: one that is not shared cannot be had beside another's.
        match open(bound, SockType::Datagram).and_then(|probe| Ok(bind_to(probe.as_raw_fd(), &bound_to)?)) {
            Ok(()) => {}
            Err(error) if tries == 0 => return Err(error),
            Err(_taken) => continue,
        }
        let udp = (0..udp_sockets).map(|_| udp::Socket::bind(bound)).collect::<io::Result<_>>()?;
        return Ok((bound, udp, tcp));
    }
}

/// Binds TCP.
///
/// # Errors
/// What the system says.
pub(super) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let fd = open(address, SockType::Stream)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind_to(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    TcpListener::from_std(StdListener::from(fd))
}

/// Opens a socket for the family of an address, and for no other.
///
/// # Errors
/// What the system says.
pub(super) fn open(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut flags = SockFlag::SOCK_CLOEXEC;
    flags.set(SockFlag::SOCK_NONBLOCK, kind == SockType::Stream);
    let fd = socket(family, kind, flags, None)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    Ok(fd)
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn one_port_is_had_for_both_families_side_by_side() {
        let (four, _udp, _tcp) = bind("0.0.0.0:0".parse().unwrap(), 2).unwrap();
        let six = SocketAddr::new("::".parse().unwrap(), four.port());
        let (bound, udp, _tcp) = bind(six, 2).unwrap();
        assert_eq!((bound, udp.len()), (six, 2));
        let taken = bind(six, 1).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_port_that_anothers_datagrams_have_is_not_shared_with_it() {
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = bind(other.local_addr().unwrap(), 1).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
