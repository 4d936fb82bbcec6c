//! Links that somebody else has brought up, `pon isp` or PPPoE at boot, and that are registered all the same.
//!
//! Their hooks have no socket of one link's, so they post to one that every daemon's hooks know. Which links are meant
//! says their name: peers file, linkname or ipparam. All others of this machine, a provider's callers say, are let be.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use tokio::time::Instant;

use super::addresses::Ipv6Watch;
use super::hook::{self, Hook, HookEvent, Up};

/// How often it is looked whether the interface is still there: a pppd that was killed runs no hook.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where pppd says which process has which link (pppd(8), FILES).
const PID_FILES: &str = "/run";

/// The ear for such links.
#[derive(Debug)]
pub struct Adoption {
    hook: Hook,
    names: Vec<String>,
}

/// Such a link, while it stands.
#[derive(Debug)]
pub struct AdoptedLink {
    up: Up,
    ipv6: Ipv6Watch,
    look_at: Instant,
}

/// What has become of such a link.
#[derive(Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Its addresses are others now.
    Addresses,
    /// It has gone.
    Gone,
}

impl Adoption {
    /// Listens for links of these names.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn open(runtime: &Path, names: Vec<String>) -> io::Result<Self> {
        Ok(Self { hook: Hook::open(runtime.join(hook::STANDING))?, names })
    }

    /// Other links are meant from now on.
    pub fn set_names(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Gives a link of these names that is up already, and not ours.
    #[must_use]
    pub fn standing(&self) -> Option<AdoptedLink> {
        let files = std::fs::read_dir(PID_FILES).ok()?.filter_map(Result::ok);
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let interfaces = names.filter_map(|name| name.strip_suffix(".pid").map(str::to_owned));
        interfaces.filter(|name| name.starts_with("ppp")).find_map(|interface| {
            let pid = std::fs::read_to_string(format!("{PID_FILES}/{interface}.pid")).ok()?;
            let pid: u32 = pid.trim().parse().ok()?;
            (parent_of(pid) != Some(std::process::id())).then_some(())?;
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let names = names_of(&command);
            self.is_meant(&names).then_some(())?;
            let (local, remote) = addresses_of(&interface)?;
            Some(AdoptedLink::new(Up { interface, local, remote, peer: None, names }))
        })
    }

    /// Waits for the next link that comes up.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> AdoptedLink {
        loop {
            match self.hook.next().await {
                HookEvent::Up(up) if self.is_meant(&up.names) => return AdoptedLink::new(up),
                HookEvent::Up(up) => tracing::debug!(interface = up.interface, "a link that is none of ours"),
                HookEvent::Down { .. } => {}
            }
        }
    }

    /// Waits until something has become of a link.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn follow(&self, link: &mut AdoptedLink) -> Adopted {
        loop {
            tokio::select! {
                event = self.hook.next() => match event {
                    HookEvent::Down { interface, names } if interface == link.up.interface && self.is_meant(&names) => {
                        return Adopted::Gone;
                    }
                    HookEvent::Up(up) if self.is_meant(&up.names) && up != link.up => {
                        *link = AdoptedLink::new(up);
                        return Adopted::Addresses;
                    }
                    HookEvent::Up(_) | HookEvent::Down { .. } => {}
                },
                () = tokio::time::sleep_until(link.look_at) => {
                    link.look_at = Instant::now() + LOOK_EVERY;
                    if !link.is_there() {
                        return Adopted::Gone;
                    }
                    if link.ipv6.look(&link.up.interface) {
                        return Adopted::Addresses;
                    }
                }
            }
        }
    }

    fn is_meant(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.names.contains(name))
    }
}

impl AdoptedLink {
    fn new(up: Up) -> Self {
        Self { up, ipv6: Ipv6Watch::default(), look_at: Instant::now() }
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.up.interface
    }

    /// The address that it was lent.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        self.up.local
    }

    /// Its addresses as they are now.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        std::iter::once(self.up.local).chain(self.ipv6.addresses()).collect()
    }

    /// Whether it still is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        addresses_of(&self.up.interface).is_some_and(|(local, _remote)| local == self.up.local)
    }
}

/// The IPv4 addresses of a point-to-point interface: ours and the other side's.
fn addresses_of(interface: &str) -> Option<(IpAddr, IpAddr)> {
    let mut all = getifaddrs().ok()?.filter(|one| one.interface_name == interface);
    all.find_map(|one| {
        let ip = |address: Option<nix::sys::socket::SockaddrStorage>| Some(address?.as_sockaddr_in()?.ip());
        let local = ip(one.address)?;
        Some((local.into(), ip(one.destination).unwrap_or(local).into()))
    })
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// What a pppd's command line calls its link: peers file, linkname, ipparam.
fn names_of(command: &[u8]) -> Vec<String> {
    let words: Vec<String> =
        command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let naming = |pair: &[String]| match pair {
        [option, name] if ["call", "linkname", "ipparam"].contains(&option.as_str()) => Some(name.clone()),
        _ => None,
    };
    words.windows(2).filter_map(naming).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn up(interface: &str, name: &str) -> HookEvent {
        let [local, remote] = ["203.0.113.10", "203.0.113.1"].map(|address| address.parse().unwrap());
        HookEvent::Up(Up { interface: interface.to_owned(), local, remote, peer: None, names: vec![name.to_owned()] })
    }

    #[test]
    fn a_pppds_command_line_names_its_link() {
        assert_eq!(names_of(b"/usr/sbin/pppd\0call\0isp\0linkname\0dsl\0nodetach\0"), ["isp", "dsl"]);
        assert_eq!(names_of(b"/usr/sbin/pppd\0call"), Vec::<String>::new());
    }

    #[tokio::test]
    async fn only_a_link_of_the_right_name_is_taken_up_and_its_end_is_heard() {
        let folder = Scratch::new("adopt");
        let adoption = Adoption::open(folder.root(), vec!["isp".to_owned()]).unwrap();
        let socket = folder.path(hook::STANDING);
        hook::post(&socket, &up("ppp7", "a caller of ours")).unwrap();
        hook::post(&socket, &up("ppp8", "isp")).unwrap();
        let mut link = adoption.next().await;
        assert_eq!(link.interface(), "ppp8");
        let expected: IpAddr = "203.0.113.10".parse().unwrap();
        assert_eq!(link.addresses(), [expected]);
        let down = HookEvent::Down { interface: "ppp8".to_owned(), names: vec!["isp".to_owned()] };
        hook::post(&socket, &down).unwrap();
        assert_eq!(adoption.follow(&mut link).await, Adopted::Gone);
    }

    #[tokio::test]
    async fn a_link_whose_interface_is_gone_has_ended_though_no_hook_has_said_so() {
        let folder = Scratch::new("adopt-gone");
        let adoption = Adoption::open(folder.root(), vec!["isp".to_owned()]).unwrap();
        hook::post(&folder.path(hook::STANDING), &up("no-such-interface", "isp")).unwrap();
        let mut link = adoption.next().await;
        assert_eq!(adoption.follow(&mut link).await, Adopted::Gone);
    }
}
