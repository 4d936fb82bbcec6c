//! `/nic/update`, as dyndns2 clients in the field need it. Pure: a request's parameters in, one line a host out.
//!
//! Clients search the body for words: a host's name or a sentence in it can read as success to them, so a line is one
//! code and at most the addresses, one line a host in the order of the request. A family that is not mentioned is kept.

use std::net::{IpAddr, Ipv6Addr};

use domain::base::iana::Rtype;

use crate::directory::book::Step;
use crate::record::{HostName, Reachability, Record};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The hosts in the request's order; `None` for what is no host's full name.
    pub(crate) hosts: Vec<Option<HostName>>,
    wish: Wish,
}

/// What is to be said of each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    /// That it is offline.
    Offline,
    /// That it is at these addresses, and behind these prefixes.
    At { addresses: Vec<IpAddr>, prefixes: Vec<Prefix> },
    /// That it is where it was.
    Same,
    /// An address that is none.
    Nonsense,
}

/// A network that hosts keep their own part of the address in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    network: u128,
    length: u32,
}

/// Why a request is answered by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// No host at all.
    NotFqdn,
    /// More hosts than [`MOST_HOSTS`].
    NumHost,
}

/// The answer for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// An address that cannot be kept.
    DnsErr,
    /// Changed, and on the disk.
    Good(Vec<IpAddr>),
    /// Not there, or not this login's.
    NoHost,
    /// As it was; the lease runs anew.
    NoChange(Vec<IpAddr>),
    /// No host's full name.
    NotFqdn,
}

impl Update {
    /// Reads a request's parameters, those of the form after those of the query; the peer's address is what is meant where
    /// none is given.
    pub(crate) fn read(query: &str, form: &[u8], peer: Option<IpAddr>) -> Result<Self, Whole> {
        let (mut names, mut addresses, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut offline, mut nonsense, mut given) = (false, false, false);
        let mut preserved = Preserved::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form)) {
            let items = || value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
            match key.to_ascii_lowercase().as_str() {
                "hostname" => names.extend(items().take(MOST_HOSTS + 1)),
                kind @ ("myip" | "myipv4" | "myipv6" | "ip" | "ipv4" | "ipv6") => {
                    for item in items().take(MOST_ADDRESSES) {
                        match read_address(&item) {
                            Given::Address(address) => addresses.push(address),
                            Given::Prefix(prefix) => prefixes.push(prefix),
                            Given::Kept if kind.ends_with("v6") => preserved.six = true,
                            Given::Kept => preserved.four = true,
                            Given::Nonsense => nonsense = true,
                        }
                        given |= !item.eq_ignore_ascii_case(PRESERVE);
                    }
                }
                "offline" => offline = value.trim().eq_ignore_ascii_case("yes"),
                // What else clients have said since 1998 changes nothing here.
                _ => {}
            }
        }
        if names.is_empty() {
            return Err(Whole::NotFqdn);
        }
        if names.len() > MOST_HOSTS {
            return Err(Whole::NumHost);
        }
        let peer = peer.map(|peer| peer.to_canonical());
        if !given {
            addresses.extend(peer.filter(|peer| !preserved.holds(*peer)));
        }
        addresses.sort_unstable();
        addresses.dedup();
        let wish = match (offline, nonsense || addresses.len() > Record::MOST_ADDRESSES) {
            (true, _) => Wish::Offline,
            (false, true) => Wish::Nonsense,
            (false, false) if !given && peer.is_some_and(|peer| preserved.holds(peer)) => Wish::Same,
            (false, false) => Wish::At { addresses, prefixes },
        };
        let is_full = |host: &HostName| host.labels().count() > 1;
        Ok(Self { hosts: names.iter().map(|name| name.parse().ok().filter(is_full)).collect(), wish })
    }

    /// What this means for a host that is known to be at these addresses: the steps, and the line if they are taken.
    pub(crate) fn apply(&self, known: &[IpAddr]) -> Result<(Vec<Step>, Line), Line> {
        let (addresses, prefixes) = match &self.wish {
            Wish::Offline => return Ok((vec![Step::DeleteAddresses(Rtype::ANY)], Line::Good(Vec::new()))),
            Wish::Nonsense => return Err(Line::DnsErr),
            Wish::Same if known.is_empty() => return Err(Line::DnsErr),
            Wish::Same => return Ok((Vec::new(), Line::NoChange(known.to_vec()))),
            Wish::At { addresses, prefixes } => (addresses, prefixes),
        };
        let mut wanted = addresses.clone();
        for prefix in prefixes {
            wanted.extend(known.iter().filter_map(|address| match address {
                IpAddr::V4(_) => None,
                IpAddr::V6(address) => Some(IpAddr::V6(prefix.before(*address))),
            }));
        }
        wanted.sort_unstable();
        wanted.dedup();
        // Nothing but a prefix and no address to put it before, or what no other machine can ever reach.
        if wanted.is_empty() || wanted.iter().any(|address| Reachability::of(*address) == Reachability::Local) {
            return Err(Line::DnsErr);
        }
        let mut steps = Vec::new();
        if wanted.iter().any(IpAddr::is_ipv4) {
            steps.push(Step::DeleteAddresses(Rtype::A));
        }
        if wanted.iter().any(IpAddr::is_ipv6) {
            steps.push(Step::DeleteAddresses(Rtype::AAAA));
        }
        steps.extend(wanted.iter().map(|address| Step::AddAddress(*address)));
        let mut same_families: Vec<IpAddr> = known.to_vec();
        same_families.retain(|address| wanted.iter().any(|other| other.is_ipv4() == address.is_ipv4()));
        same_families.sort_unstable();
        let line = if same_families == wanted { Line::NoChange(wanted) } else { Line::Good(wanted) };
        Ok((steps, line))
    }
}

impl Whole {
    pub(crate) fn body(self) -> &'static str {
        match self {
            Self::NotFqdn => "notfqdn\n",
            Self::NumHost => "numhost\n",
        }
    }
}

impl Line {
    /// Writes the line, with its end.
    pub(crate) fn push_to(&self, body: &mut String) {
        let (code, addresses) = match self {
            Self::DnsErr => ("dnserr", &[][..]),
            Self::Good(addresses) => ("good", addresses.as_slice()),
            Self::NoHost => ("nohost", &[][..]),
            Self::NoChange(addresses) => ("nochg", addresses.as_slice()),
            Self::NotFqdn => ("notfqdn", &[][..]),
        };
        body.push_str(code);
        for (index, address) in addresses.iter().enumerate() {
            body.push(if index == 0 { ' ' } else { ',' });
            body.push_str(&address.to_string());
        }
        body.push('\n');
    }
}

enum Given {
    Address(IpAddr),
    Prefix(Prefix),
    Kept,
    Nonsense,
}

/// The families that a client asks to be kept, as deSEC has it.
#[derive(Clone, Copy, Default)]
struct Preserved {
    four: bool,
    six: bool,
}

impl Preserved {
    fn holds(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.four } else { self.six }
    }
}

/// Reads `203.0.113.9`, `2001:db8::9`, `2001:db8:1:2::/64`, or `preserve`.
fn read_address(text: &str) -> Given {
    if text.eq_ignore_ascii_case(PRESERVE) {
        return Given::Kept;
    }
    let (text, length) = match text.split_once('/') {
        Some((text, length)) => match length.parse::<u32>() {
            Ok(length) => (text, Some(length)),
            Err(_) => return Given::Nonsense,
        },
        None => (text, None),
    };
    let Ok(address) = text.parse::<IpAddr>() else { return Given::Nonsense };
    let address = address.to_canonical();
    if let (IpAddr::V6(network), Some(length @ 1..128)) = (address, length) {
        let prefix = Prefix { network: u128::from(network), length };
        // Routers name the prefix that they were given, with nothing behind it.
        if prefix.network & prefix.host_mask() == 0 && !network.is_unspecified() {
            return Given::Prefix(prefix);
        }
    }
    Given::Address(address)
}

impl Prefix {
    fn host_mask(self) -> u128 {
        u128::MAX.checked_shr(self.length).unwrap_or(0)
    }

    /// The address of the same interface in this network.
    fn before(self, address: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from(self.network | (u128::from(address) & self.host_mask()))
    }
}

const PRESERVE: &str = "preserve";
/// As many as Dyn took in one request.
pub(crate) const MOST_HOSTS: usize = 20;
/// Beyond any record's; what is past it is not even read.
const MOST_ADDRESSES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Update, Whole> {
        Update::read(query, b"", Some(IpAddr::from([198, 51, 100, 7])))
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The line that a request comes to for a host known to be at these addresses.
    fn line(query: &str, known: &[&str]) -> String {
        let update = read(&format!("hostname=cam.dyn.test&{query}")).unwrap();
        let mut body = String::new();
        update.apply(&addresses(known)).map_or_else(|line| line, |(_, line)| line).push_to(&mut body);
        body
    }

    /// The addresses that a host has after it.
    fn left(query: &str, known: &[&str]) -> Vec<IpAddr> {
        let update = read(&format!("hostname=cam.dyn.test&{query}")).unwrap();
        let mut left = addresses(known);
        for step in update.apply(&left).unwrap().0 {
            match step {
                Step::AddAddress(address) => left.push(address),
                Step::DeleteAddresses(Rtype::A) => left.retain(IpAddr::is_ipv6),
                Step::DeleteAddresses(Rtype::AAAA) => left.retain(IpAddr::is_ipv4),
                Step::DeleteAddresses(_) => left.clear(),
                other @ (Step::AddStatement(_) | Step::DeleteAddress(_) | Step::DeleteStatement | Step::Remove) => {
                    panic!("{other:?}")
                }
            }
        }
        left.sort_unstable();
        left
    }

    #[test]
    fn hosts_are_taken_in_order_and_at_most_twenty() {
        let update = read("hostname=b.dyn.test,a.dyn.test,,bad_name,plain&myip=203.0.113.9").unwrap();
        let names: Vec<_> = update.hosts.iter().map(|host| host.as_ref().map(HostName::as_str)).collect();
        assert_eq!(names, [Some("b.dyn.test"), Some("a.dyn.test"), None, None]);
        assert_eq!(read("myip=203.0.113.9"), Err(Whole::NotFqdn));
        assert_eq!(read("hostname=,"), Err(Whole::NotFqdn));
        assert!(read(&format!("hostname={}", vec!["a.test"; 20].join(","))).is_ok());
        assert_eq!(read(&format!("hostname={}", vec!["a.test"; 21].join(","))), Err(Whole::NumHost));
    }

    #[test]
    fn an_address_changes_its_own_family_only() {
        let known = ["192.0.2.1", "2001:db8::1"];
        assert_eq!(left("myip=203.0.113.9", &known), addresses(&["203.0.113.9", "2001:db8::1"]));
        assert_eq!(left("myipv6=2001:db8::2", &known), addresses(&["192.0.2.1", "2001:db8::2"]));
        assert_eq!(left("myip=203.0.113.9,2001:db8::2", &known), addresses(&["203.0.113.9", "2001:db8::2"]));
        assert_eq!(left("myip=203.0.113.9&myipv6=preserve", &known), addresses(&["203.0.113.9", "2001:db8::1"]));
        assert_eq!(left("myip=&system=dyndns&wildcard=NOCHG", &known), addresses(&["198.51.100.7", "2001:db8::1"]));
        assert_eq!(left("myip=::ffff:203.0.113.9", &known), addresses(&["203.0.113.9", "2001:db8::1"]));
    }

    #[test]
    fn a_prefix_goes_before_the_interface_that_is_known() {
        let known = ["192.0.2.1", "2001:db8:0:1::abcd"];
        assert_eq!(left("myipv6=2001:db8:9:9::/64", &known), addresses(&["192.0.2.1", "2001:db8:9:9::abcd"]));
        assert_eq!(line("myipv6=2001:db8:9:9::/64", &["192.0.2.1"]), "dnserr\n");
        assert_eq!(line("myip=203.0.113.9&ipv6=2001:db8:9:9::/64", &[]), "good 203.0.113.9\n");
        assert_eq!(line("myipv6=2001:db8::7/64", &[]), "good 2001:db8::7\n");
    }

    #[test]
    fn each_line_is_one_code_and_the_addresses() {
        assert_eq!(line("myip=203.0.113.9,2001:db8::9", &[]), "good 203.0.113.9,2001:db8::9\n");
        assert_eq!(line("myip=203.0.113.9", &["203.0.113.9", "2001:db8::1"]), "nochg 203.0.113.9\n");
        assert_eq!(line("offline=YES&myip=nonsense", &["203.0.113.9"]), "good\n");
        assert!(left("offline=YES&myip=192.0.2.1", &["203.0.113.9"]).is_empty());
        for bad in ["myip=localhost", "myip=203.0.113.9/x", "myip=::/64"] {
            assert_eq!(line(bad, &[]), "dnserr\n", "{bad}");
        }
    }

    #[test]
    fn what_can_never_be_a_hosts_address_is_not_taken_for_one() {
        for bad in
            ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1"]
        {
            assert_eq!(line(&format!("myip=203.0.113.9,{bad}"), &[]), "dnserr\n", "{bad}");
            let peer = Update::read("hostname=cam.dyn.test", b"", bad.parse().ok()).unwrap();
            assert_eq!(peer.apply(&[]), Err(Line::DnsErr), "from {bad}");
        }
        // Whoever watches a private network is at home in one, and test networks are what some clients try first.
        for good in ["10.1.2.3", "192.168.1.1", "100.64.0.1", "203.0.113.9", "fd00::1"] {
            assert_eq!(line(&format!("myip={good}"), &[]), format!("good {good}\n"));
        }
    }

    #[test]
    fn a_family_that_is_to_be_preserved_is_and_the_other_is_the_peers() {
        let known = ["192.0.2.1", "2001:db8::1"];
        assert_eq!(left("myipv6=preserve", &known), addresses(&["198.51.100.7", "2001:db8::1"]));
        assert_eq!(line("myipv6=preserve", &[]), "good 198.51.100.7\n");
        assert_eq!(left("myipv4=preserve&myipv6=2001:db8::2", &known), addresses(&["192.0.2.1", "2001:db8::2"]));
        for same in ["myip=preserve", "myipv4=preserve&myipv6=preserve"] {
            assert_eq!(left(same, &known), addresses(&known), "{same}");
            assert_eq!(line(same, &known), "nochg 192.0.2.1,2001:db8::1\n", "{same}");
            assert_eq!(line(same, &[]), "dnserr\n", "{same}");
        }
    }

    #[test]
    fn a_form_does_as_well_as_a_query() {
        let update = Update::read("", b"hostname=cam.dyn.test&myip=203.0.113.9", None).unwrap();
        assert_eq!(update, read("hostname=cam.dyn.test&myip=203.0.113.9").unwrap());
        let nowhere = Update::read("hostname=cam.dyn.test", b"", None).unwrap();
        assert_eq!(nowhere.apply(&[]), Err(Line::DnsErr));
    }
}
