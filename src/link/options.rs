//! What pppd is told: the options file of one link (pppd(8), OPTIONS FILES).

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::hook;
use crate::secret::Secret;

/// Which side of PPP we are, and with what.
#[derive(Clone, Debug)]
pub enum Side {
    /// A provider's subscriber: gives a name and secret, takes the address it is lent.
    Subscriber(Subscriber),
    /// The provider: asks for CHAP (RFC 1994) and lends an address.
    Provider {
        /// The server's name in CHAP.
        name: String,
        /// Our own end.
        local: Ipv4Addr,
        /// The address that is lent.
        lent: Ipv4Addr,
    },
}

/// A subscriber's account and wishes.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// The name to give.
    pub user: String,
    /// The secret that goes with it.
    pub secret: Secret,
    /// The kinds of authentication that we are willing to give; the others are refused.
    pub auth: Vec<Auth>,
    /// What becomes of the route to everywhere.
    pub route: DefaultRoute,
    /// What becomes of the provider's name servers.
    pub dns: NameServers,
    /// Whether IPv6 is asked for as well (RFC 5072).
    pub ipv6: bool,
    /// The longest packet, in octets, both ways; what the two sides agree on without it.
    pub mtu: Option<u16>,
    /// Further options in pppd's own words, each with its arguments; they come last, and so win.
    pub options: Vec<String>,
}

/// A kind of authentication, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// MS-CHAPv2 (RFC 2759).
    #[serde(rename = "mschap-v2")]
    MsChapV2,
    /// CHAP with MD5 (RFC 1994).
    Chap,
    /// MS-CHAP (RFC 2433).
    #[serde(rename = "mschap")]
    MsChap,
    /// EAP (RFC 3748).
    Eap,
    /// The secret itself, to whoever asks (RFC 1334).
    Pap,
}

/// How a peer that has vanished is noticed, after 15 to 20 s.
const ECHOES: &str = "lcp-echo-interval 5\nlcp-echo-failure 3\n";

/// What becomes of the route to everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultRoute {
    /// It goes over the link, unless there is one already; with this metric, if any.
    Add(Option<u32>),
    /// It goes over the link, and what there was comes back afterwards. Debian's pppd 2.4.9 can do that; in 2.5 the
    /// option does nothing.
    Replace,
    /// It stays as it is.
    Keep,
}

/// What becomes of the provider's name servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameServers {
    /// They are not asked for.
    #[default]
    Ignore,
    /// They stand in /etc/resolv.conf while the link is up.
    #[serde(rename = "resolv.conf")]
    ResolvConf,
    /// resolvconf(8) is told of them.
    Resolvconf,
}

impl Auth {
    const ALL: [Self; 5] = [Self::MsChapV2, Self::Chap, Self::MsChap, Self::Eap, Self::Pap];
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MsChapV2 => "mschap-v2",
            Self::Chap => "chap",
            Self::MsChap => "mschap",
            Self::Eap => "eap",
            Self::Pap => "pap",
        })
    }
}

impl Side {
    pub(super) fn asks_for_ipv6(&self) -> bool {
        match self {
            Self::Subscriber(subscriber) => subscriber.ipv6,
            Self::Provider { .. } => false,
        }
    }

    pub(super) fn name_servers(&self) -> NameServers {
        match self {
            Self::Subscriber(subscriber) => subscriber.dns,
            Self::Provider { .. } => NameServers::Ignore,
        }
    }

    /// pppd's options on a line that somebody else dials; pppd asks for a link for as long as `patience` lasts.
    pub(super) fn options(&self, patience: Duration, hooks: &Hooks<'_>) -> String {
        // Once a second (lcp-restart), from before the call until our own deadline has passed.
        let requests = patience.as_secs().max(10) + 10;
        let mut options = format!(
            "nodetach\nlogfd 2\nlocal\nnoccp\nlcp-restart 1\nlcp-max-configure {requests}\nipcp-restart 1\n\
             {ECHOES}{hooks}"
        );
        match self {
            Self::Subscriber(subscriber) => subscriber.add_to(&mut options),
            Self::Provider { name, local, lent } => {
                let name = quoted(name);
                options.push_str(&format!(
                    "noipv6\nauth\nrequire-chap\nrefuse-eap\nnodefaultroute\nname {name}\n{local}:{lent}\n"
                ));
            }
        }
        options
    }
}

impl Subscriber {
    fn add_to(&self, options: &mut String) {
        let mut add = |option: &str| {
            options.push_str(option);
            options.push('\n');
        };
        add("noauth");
        add("noipdefault");
        for auth in Auth::ALL.iter().filter(|auth| !self.auth.contains(auth)) {
            add(&format!("refuse-{auth}"));
        }
        match self.route {
            DefaultRoute::Add(None) => add("defaultroute"),
            DefaultRoute::Add(Some(metric)) => add(&format!("defaultroute\ndefaultroute-metric {metric}")),
            DefaultRoute::Replace => add("defaultroute\nreplacedefaultroute"),
            DefaultRoute::Keep => add("nodefaultroute"),
        }
        if self.dns != NameServers::Ignore {
            add("usepeerdns");
        }
        add(if self.ipv6 { "+ipv6" } else { "noipv6" });
        if let Some(mtu) = self.mtu {
            add(&format!("mtu {mtu}\nmru {mtu}"));
        }
        add(&format!("user {}", quoted(&self.user)));
        add(&format!("password {}", quoted(&String::from_utf8_lossy(self.secret.expose()))));
        self.options.iter().for_each(|option| add(option));
    }
}

/// pppd's options beside those of a peers file, which come first: whatever it says, we keep watch over it.
pub(super) fn beside_peers_file(own: &[String], has_echoes: bool, hooks: &Hooks<'_>) -> String {
    let echoes = if has_echoes { "" } else { ECHOES };
    let mut options = format!("nodetach\nlogfd 2\nnopersist\nmaxfail 1\n{echoes}{hooks}");
    for option in own {
        options.push_str(option);
        options.push('\n');
    }
    options
}

/// How pppd's hooks find us.
pub(super) struct Hooks<'link> {
    pub(super) socket: &'link Path,
    pub(super) program: &'link Path,
}

impl fmt::Display for Hooks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = [(hook::SOCKET_VARIABLE, self.socket), (hook::PROGRAM_VARIABLE, self.program)];
        for (variable, path) in variables {
            writeln!(f, "set {variable}={}", quoted(&path.display().to_string()))?;
        }
        Ok(())
    }
}

/// A word as pppd's option files have it (pppd(8), OPTIONS FILES).
pub(super) fn quoted(word: &str) -> String {
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for character in word.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOKS: (&str, &str) = ("/run/x.sock", "/usr/bin/ringup");

    fn subscriber() -> Subscriber {
        Subscriber {
            user: "home".to_owned(),
            secret: Secret::new(b"s3cret".to_vec()),
            auth: vec![Auth::Chap, Auth::MsChapV2],
            route: DefaultRoute::Add(None),
            dns: NameServers::Ignore,
            ipv6: true,
            mtu: None,
            options: Vec::new(),
        }
    }

    fn lines(side: &Side) -> Vec<String> {
        let hooks = Hooks { socket: Path::new(HOOKS.0), program: Path::new(HOOKS.1) };
        side.options(Duration::from_secs(120), &hooks).lines().map(str::to_owned).collect()
    }

    fn has(lines: &[String], option: &str) -> bool {
        lines.iter().any(|line| line == option)
    }

    #[test]
    fn a_secret_with_quotes_and_blanks_reaches_pppd_whole() {
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn the_subscriber_takes_no_address_of_its_own_and_never_authenticates_its_provider() {
        let lines = lines(&Side::Subscriber(subscriber()));
        for option in ["noauth", "noipdefault", "defaultroute", "user \"home\"", "password \"s3cret\"", "+ipv6"] {
            assert!(has(&lines, option), "{option} in {lines:?}");
        }
        assert!(!has(&lines, "usepeerdns"));
        assert!(has(&lines, "set RINGUP_SOCKET=\"/run/x.sock\""));
    }

    #[test]
    fn what_is_not_allowed_is_refused_and_nothing_else() {
        let lines = lines(&Side::Subscriber(subscriber()));
        let refused: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("refuse-")).collect();
        assert_eq!(refused, ["mschap", "eap", "pap"]);
    }

    #[test]
    fn the_owners_own_options_come_last_and_so_win() {
        let options = vec!["novj".to_owned(), "asyncmap a0000".to_owned()];
        let lines = lines(&Side::Subscriber(Subscriber { options, mtu: Some(576), ..subscriber() }));
        assert_eq!(lines[lines.len() - 2..], ["novj", "asyncmap a0000"]);
        assert!(has(&lines, "mtu 576") && has(&lines, "mru 576"));
    }

    #[test]
    fn the_route_to_everywhere_is_as_the_owner_wants_it() {
        for (route, option, refused) in [
            (DefaultRoute::Add(Some(700)), "defaultroute-metric 700", "replacedefaultroute"),
            (DefaultRoute::Replace, "replacedefaultroute", "nodefaultroute"),
            (DefaultRoute::Keep, "nodefaultroute", "defaultroute"),
        ] {
            let lines = lines(&Side::Subscriber(Subscriber { route, ..subscriber() }));
            assert!(has(&lines, option) && !has(&lines, refused), "{lines:?}");
        }
    }

    #[test]
    fn a_peers_file_that_says_nothing_of_echoes_gets_them_and_one_that_does_keeps_its_own() {
        let hooks = Hooks { socket: Path::new(HOOKS.0), program: Path::new(HOOKS.1) };
        assert!(beside_peers_file(&[], false, &hooks).contains("lcp-echo-interval 5"));
        let own = beside_peers_file(&["novj".to_owned()], true, &hooks);
        assert!(!own.contains("echo") && own.ends_with("novj\n"), "{own}");
    }

    #[test]
    fn pppd_asks_for_longer_than_a_call_may_take() {
        let lines = lines(&Side::Subscriber(subscriber()));
        assert!(has(&lines, "lcp-max-configure 130"), "{lines:?}");
    }

    #[test]
    fn the_provider_asks_for_chap_and_lends_one_address() {
        let side = Side::Provider {
            name: "isp".to_owned(),
            local: Ipv4Addr::new(203, 0, 113, 1),
            lent: Ipv4Addr::new(203, 0, 113, 10),
        };
        let lines = lines(&side);
        assert!(has(&lines, "require-chap") && has(&lines, "203.0.113.1:203.0.113.10"));
    }
}
