//! What pppd's log tells: the link's addresses as soon as they stand, and the facts from which the cause of an end is
//! told. Sans IO. Knows the words of pppd 2.4.9; 2.5 has the same.

use std::collections::VecDeque;
use std::net::IpAddr;

/// What pppd's log lines have told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFacts {
    /// The interface that pppd has made.
    interface: Option<String>,
    /// Our address, told but not yet taken.
    local: Option<IpAddr>,
    /// The name servers that the peer offers.
    pub(super) dns: Vec<IpAddr>,
    /// Whether there has been an address.
    pub(super) address: bool,
    pub(super) no_kernel: bool,
    pub(super) lcp_timeout: bool,
    pub(super) ipcp_timeout: bool,
    pub(super) echo_lost: bool,
    pub(super) loopback: bool,
    pub(super) peer_terminated: bool,
    pub(super) idle: bool,
    pub(super) time_limit: bool,
    pub(super) refused: bool,
    /// The authentication that the peer insists on is none of those that we are willing to give.
    pub(super) no_common_authentication: bool,
    pub(super) peer_refused: bool,
    pub(super) no_address: bool,
    /// A route to everywhere was there already, so none was added.
    pub(super) route_kept: bool,
    /// The tty has been left in PPP's line discipline, or another pppd has it.
    pub(super) not_attached: bool,
    /// The last line, which is the cause where there is no better.
    pub(super) last_line: String,
    /// The last few, for whoever wants to see them.
    pub(super) last_lines: VecDeque<String>,
}

/// How many of them.
const LAST_LINES: usize = 8;

/// What a line of the log says that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// IP is up, with these addresses.
    Addresses { interface: String, local: IpAddr, remote: IpAddr },
    /// The peer names a server that resolves names.
    NameServer(IpAddr),
}

impl LogFacts {
    /// Takes in one line.
    pub(super) fn handle_line(&mut self, line: &str) -> Option<Told> {
        let has = |words: &str| line.contains(words);
        self.no_kernel |= has("lacks PPP kernel support") || has("lacks kernel support for PPP");
        self.lcp_timeout |= has("LCP: timeout sending Config-Requests");
        self.ipcp_timeout |= has("IPCP: timeout sending Config-Requests");
        self.echo_lost |= has("No response to") && has("echo-requests");
        self.loopback |= has("Serial line is looped back") || has("Loopback detected");
        self.peer_terminated |= has("LCP terminated by peer");
        self.idle |= has("Terminating connection due to lack of activity");
        self.time_limit |= has("Connect time expired");
        self.peer_refused |= has("failed CHAP authentication")
            || has("PAP peer authentication failed")
            || (has("peer refused to authenticate") && !has("terminated by peer"))
            || has("PAP authentication of peer failed");
        self.refused |= (has("CHAP authentication failed") || has("PAP authentication failed")) && !has("Peer");
        self.refused |= has("No response to PAP authenticate-requests") || has("No CHAP secret found for");
        // The peer names the reason in its Terminate-Request.
        self.no_common_authentication |= has("terminated by peer (peer refused to authenticate")
            || has("peer doesn't want to authenticate us")
            || has("No auth is possible");
        self.no_address |= has("Could not determine local IP address");
        self.route_kept |= has("not replacing existing default route");
        self.not_attached |= has("Couldn't attach to PPP unit") || has("Couldn't attach tty to PPP unit");
        if !line.trim().is_empty() {
            line.trim().clone_into(&mut self.last_line);
            if self.last_lines.len() == LAST_LINES {
                self.last_lines.pop_front();
            }
            self.last_lines.push_back(self.last_line.clone());
        }
        if let Some(interface) = after(line, "Using interface ") {
            self.interface = Some(interface.to_owned());
        }
        if let Some(local) = after(line, "local  IP address ").and_then(|text| text.parse().ok()) {
            self.local = Some(local);
            self.address = true;
        }
        if let Some(server) = after(line, "DNS address ").and_then(|text| text.parse().ok()) {
            if !self.dns.contains(&server) {
                self.dns.push(server);
            }
            return Some(Told::NameServer(server));
        }
        let remote = after(line, "remote IP address ").and_then(|text| text.parse().ok())?;
        Some(Told::Addresses { interface: self.interface.clone()?, local: self.local.take()?, remote })
    }
}

/// The first word after these words.
fn after<'line>(line: &'line str, words: &str) -> Option<&'line str> {
    line.split_once(words).and_then(|(_before, rest)| rest.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Vec<Told> {
        let mut facts = LogFacts::default();
        lines.iter().filter_map(|line| facts.handle_line(line)).collect()
    }

    #[test]
    fn addresses_are_told_by_the_log_when_both_are_known() {
        let lines = [
            "Using interface ppp3",
            "Connect: ppp3 <--> /dev/pts/4",
            "CHAP authentication succeeded: Access granted",
            "local  IP address 203.0.113.10",
            "remote IP address 203.0.113.1",
            "primary   DNS address 192.0.2.53",
            "secondary DNS address 192.0.2.54",
        ];
        let address = |text: &str| text.parse().unwrap();
        let (interface, local, remote) = ("ppp3".to_owned(), address("203.0.113.10"), address("203.0.113.1"));
        let servers = ["192.0.2.53", "192.0.2.54"].map(|server| Told::NameServer(address(server)));
        let [first, second] = servers;
        assert_eq!(told(&lines), [Told::Addresses { interface, local, remote }, first, second]);
    }

    #[test]
    fn a_renegotiation_tells_its_addresses_anew() {
        let addresses = ["local  IP address 203.0.113.11", "remote IP address 203.0.113.1"];
        let lines = [&["Using interface ppp0"][..], &addresses, &addresses].concat();
        assert_eq!(told(&lines).len(), 2);
    }

    #[test]
    fn words_that_only_look_like_addresses_tell_nothing() {
        assert_eq!(told(&["local  IP address soon", "remote IP address 203.0.113.1", "DNS address"]), []);
    }
}
