//! An interface's addresses, as the kernel has them (rtnetlink(7)): a snapshot now, and word when to take another.

use std::io;
use std::net::IpAddr;

use futures_util::stream::{StreamExt, TryStreamExt};
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Follows one interface.
#[derive(Debug)]
pub(super) struct Interface {
    name: String,
    netlink: Handle,
    changed: watch::Receiver<u64>,
    _tasks: JoinSet<()>,
}

impl Interface {
    /// Opens a netlink socket; the interface itself need not be there yet.
    pub(super) fn follow(name: &str) -> io::Result<Self> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, netlink, mut messages) = rtnetlink::new_multicast_connection(&groups)?;
        let (change, changed) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        // What a message says matters less than that there was one: the snapshot has the truth.
        tasks.spawn(async move {
            while messages.next().await.is_some() {
                change.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { name: name.to_owned(), netlink, changed, _tasks: tasks })
    }

    /// Waits until something has changed since the last call; fails when netlink is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        self.changed.changed().await.map_err(|_gone| io::Error::other("the netlink socket is gone"))
    }

    /// The interface's addresses that others may reach it at; none when it is not there.
    pub(super) async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        let mut links = self.netlink.link().get().match_name(self.name.clone()).execute();
        let index = match links.try_next().await {
            Ok(Some(link)) => link.header.index,
            Ok(None) => return Ok(Vec::new()),
            Err(rtnetlink::Error::NetlinkError(error)) if is_absent(&error.to_io()) => return Ok(Vec::new()),
            Err(error) => return Err(io::Error::other(error)),
        };
        let dump = self.netlink.address().get().set_link_index_filter(index).execute();
        let messages: Vec<AddressMessage> = dump.try_collect().await.map_err(io::Error::other)?;
        Ok(messages.iter().filter(|message| message.header.index == index).filter_map(reachable).collect())
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32)
}

/// The address of a message, if it is of global scope and to stay.
fn reachable(message: &AddressMessage) -> Option<IpAddr> {
    let fleeting = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed | AddressHeaderFlags::Deprecated;
    if message.header.scope != AddressScope::Universe || message.header.flags.intersects(fleeting) {
        return None;
    }
    let attributes = || message.attributes.iter();
    let local = attributes().find_map(|one| if let AddressAttribute::Local(local) = one { Some(*local) } else { None });
    // Over a point-to-point link, Address is the other side's (if_addr.h); IPv6 has no Local.
    local.or_else(|| {
        attributes().find_map(|one| if let AddressAttribute::Address(own) = one { Some(*own) } else { None })
    })
}
