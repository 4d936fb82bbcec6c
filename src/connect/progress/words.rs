//! Each step in words.

use std::net::{IpAddr, SocketAddr};

use super::{CallOver, Event};

impl Event {
    /// The step in words, one line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Asking { host } => format!("asking the directory for {host}"),
            Self::OwnLinkDialling => "no way to the directory: dialling our provider".to_owned(),
            Self::OwnLinkPausing { why, pause_ms } => format!("{why}; next call in {} s", pause_ms.div_ceil(1000)),
            Self::OwnLinkUp { interface, address } => format!("our own link is up: {address} on {interface}"),
            Self::OwnLinkDown => "our own link is down: the line is needed for the call".to_owned(),
            Self::OwnLinkLost => "our own link was lost: dialling our provider again".to_owned(),
            Self::LineBusy { why, .. } => format!("{why}: waiting for it"),
            Self::OtherWakes { host, process: Some(process) } => {
                format!("another command, process {process}, is waking {host}: waiting for what comes of it")
            }
            Self::OtherWakes { host, process: None } => {
                format!("another command is waking {host}: waiting for what comes of it")
            }
            Self::Asleep { host, seq } => format!("{host} is asleep (record {seq})"),
            Self::NeverRegistered { host } => format!("{host} has never registered, and counts as asleep"),
            Self::RolledBack { host, seq, seen } => {
                format!("the directory's record of {host} is an old one: {seq}, and {seen} was seen before")
            }
            Self::Ringing { host } => format!("ringing {host}"),
            Self::CallOver { host, outcome: CallOver::RangOut } => {
                format!("{host} was rung; hung up before anybody answered")
            }
            Self::CallOver { host, outcome } => format!("the call to {host} is over: {}", outcome.words()),
            Self::Told { host, words } => format!("{host} answered: {words}"),
            Self::Pausing { why, pause_ms, .. } => format!("{why}; next try in {} s", pause_ms.div_ceil(1000)),
            Self::Waiting { host, after: Some(seq) } => format!("waiting for a record of {host} newer than {seq}"),
            Self::Waiting { host, after: None } => format!("waiting for {host} to register"),
            Self::Proving { host, addresses, tunnel } => {
                let tunnel = tunnel.map(|at| format!(", or who is behind a tunnel at {at},")).unwrap_or_default();
                format!("having {}{tunnel} prove to be {host}", list(addresses))
            }
            Self::AskingAll { host, than } => {
                format!("nobody proved to be {host}: asking the directory for a record newer than {than}")
            }
            Self::Unreachable { host, advice, .. } => format!("{host} cannot be reached from everywhere: {advice}"),
            Self::Gone { host, why } => format!("{why}; so {host} is rung"),
            Self::FirstUse { host, key } => format!("the key of {host} was new, and is remembered: {key}"),
            Self::Queued { host } => format!("{host} is online, and has its turn once no other needs the line"),
            Self::Online { host, seq, address, port: Some(port), .. } => {
                let at = SocketAddr::new(*address, *port);
                format!("{host} is online, and met through its tunnel at {at} (record {seq})")
            }
            Self::Online { host, seq, address, .. } => format!("{host} is online at {address} (record {seq})"),
            Self::Failed { message, .. } => message.clone(),
        }
    }
}

impl CallOver {
    fn words(self) -> &'static str {
        match self {
            Self::Blacklisted => "the number is on the modem's blacklist",
            Self::BrokeOff => "it broke off before the host said what it would do",
            Self::Busy => "the number is busy",
            Self::Connected => "a modem answered",
            Self::Delayed => "the modem delays redialling",
            Self::Glare => "a call came in at that moment",
            Self::NoAnswer => "nobody answered",
            Self::NoCarrier => "no carrier",
            Self::NoDialTone => "no dial tone",
            Self::RangOut => "hung up before anybody answered",
            Self::Refused => "the modem does not take the number",
            Self::Silent => "the modem stopped answering",
            Self::Voice => "a voice answered, not a modem",
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" or ")
}
