//! A socket that shares its port with others of this process, and answers from the address that was asked.
//!
//! Bound to every address of a machine, a socket does not send from the one that a query came to unless it is told to, and
//! a client believes no other (RFC 2181 section 4).

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockType, SockaddrStorage, bind, sendmmsg,
    sendmsg, setsockopt, sockopt,
};

use crate::directory::sockets::open;

/// A bound socket; its copies are the same one.
#[derive(Clone, Debug)]
pub(in crate::directory) struct Socket {
    udp: Arc<UdpSocket>,
    is_for_all: bool,
}

impl Socket {
    /// Binds one more to an address.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::directory) fn bind(address: SocketAddr) -> io::Result<Self> {
        let fd = open(address, SockType::Datagram)?;
        setsockopt(&fd, sockopt::ReusePort, &true)?;
        // As much as the system grants: what waits there is not lost.
        let _smaller = setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER);
        let is_for_all = address.ip().is_unspecified();
        if is_for_all && address.is_ipv4() {
            setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
        } else if is_for_all {
            setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(Self { udp: Arc::new(fd.into()), is_for_all })
    }

    /// Tells whether it is a copy of another.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.udp, &other.udp)
    }

    pub(super) fn as_raw_fd(&self) -> i32 {
        self.udp.as_raw_fd()
    }

    /// Makes room for what comes, or goes, together.
    pub(super) fn headers(&self, count: usize) -> MultiHeaders<SockaddrStorage> {
        // The larger of the two kinds would leave room that the kernel reads as one more of them.
        let room = match self.udp.local_addr() {
            _ if !self.is_for_all => None,
            Ok(SocketAddr::V6(_)) => Some(nix::cmsg_space!(in6_pktinfo)),
            Ok(SocketAddr::V4(_)) | Err(_) => Some(nix::cmsg_space!(in_pktinfo)),
        };
        MultiHeaders::preallocate(count, room)
    }

    /// Sends messages from one address of ours; gives how many went.
    pub(super) fn send_all(
        &self,
        headers: &mut MultiHeaders<SockaddrStorage>,
        messages: &[[IoSlice<'_>; 1]],
        to: &[Option<SockaddrStorage>],
        from: Source,
    ) -> Result<usize, Errno> {
        from.told(None, |control| {
            Ok(sendmmsg(self.as_raw_fd(), headers, messages, to, control, MsgFlags::empty())?.count())
        })
    }

    /// Sends messages of one size to one peer, as one datagram that is cut into them on its way out.
    pub(super) fn send_cut(
        &self,
        messages: &[IoSlice<'_>],
        size: u16,
        to: SocketAddr,
        from: Source,
    ) -> Result<(), Errno> {
        let to = SockaddrStorage::from(to);
        from.told(Some(ControlMessage::UdpGsoSegments(&size)), |control| {
            sendmsg(self.as_raw_fd(), messages, control, MsgFlags::empty(), Some(&to)).map(|_all| ())
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.udp.as_fd()
    }
}

/// The address of ours that a message came to, and its answer is to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The one that the socket is bound to.
    Bound,
    Four(Ipv4Addr),
    /// With its interface, which an address that holds for one link needs.
    Six(Ipv6Addr, u32),
}

impl Source {
    /// Reads which it was.
    pub(super) fn of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Self {
        let Ok(mut control) = message.cmsgs() else { return Self::Bound };
        let found = control.find_map(|control| {
            if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
                Some(Self::Four(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr))))
            } else if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                Some(Self::Six(address, if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 }))
            } else {
                None
            }
        });
        found.unwrap_or(Self::Bound)
    }

    fn told<T>(self, also: Option<ControlMessage<'_>>, send: impl FnOnce(&[ControlMessage<'_>]) -> T) -> T {
        let (four, six);
        let from = match self {
            Self::Bound => None,
            Self::Four(address) => {
                let ipi_spec_dst = in_addr { s_addr: address.to_bits().to_be() };
                four = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: in_addr { s_addr: 0 } };
                Some(ControlMessage::Ipv4PacketInfo(&four))
            }
            Self::Six(address, interface) => {
                let ipi6_addr = in6_addr { s6_addr: address.octets() };
                six = in6_pktinfo { ipi6_addr, ipi6_ifindex: interface };
                Some(ControlMessage::Ipv6PacketInfo(&six))
            }
        };
        let control: Vec<_> = from.into_iter().chain(also).collect();
        send(&control)
    }
}

const RECEIVE_BUFFER: usize = 4 << 20;
