//! `ringup connect`, `proxy`, `wake`, `query` and `trust`.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

use super::print;
use crate::cli::{ConnectArgs, Patience};
use crate::config::Config;
use crate::connect::attempt::Found;
use crate::connect::call::Called;
use crate::connect::known::Acquaintance;
use crate::connect::{self, Progress, Settings, Shared, command, proxy};
use crate::dns::Resolver;
use crate::exit::{Failure, Status};
use crate::record::{HostName, PublicKey, Reachability, SignedRecord, State};

/// How long `ringup query` waits for an answer.
const QUERY_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Reaches the sites, and runs the command for each, or prints their addresses.
pub(super) async fn connect(
    config: &Config,
    args: &ConnectArgs,
    verbose: bool,
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let hosts: Result<Vec<Settings>, Failure> =
        args.sites.iter().map(|site| settings(config, site, &args.patience)).collect();
    let hosts = hosts?;
    let progress = Progress::new(args.quiet, args.json, verbose);
    let shared = Shared::new(config.own_link()?);
    let [host] = hosts.as_slice() else {
        return connect_all(&args.sites, &hosts, args, &shared, &progress, stop).await;
    };
    let found = connect::reach(host, &shared, &progress, stop).await?;
    if args.command.is_empty() {
        print(&found.place())?;
        return Ok(0);
    }
    let ended = run(host, &found, &args.command, false, stop).await;
    if ended.is_err() || stop.is_cancelled() {
        shared.quit().await;
    }
    ended
}

/// The same for several sites: the status is that of the first which has one other than 0.
async fn connect_all(
    sites: &[String],
    hosts: &[Settings],
    args: &ConnectArgs,
    shared: &Shared,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let reached = connect::reach_all(hosts, shared, progress, stop).await;
    let mut running = Vec::new();
    let mut ends: Vec<Option<Result<u8, Failure>>> = Vec::new();
    for ((site, host), found) in sites.iter().zip(hosts).zip(reached) {
        match found {
            Err(failure) => ends.push(Some(Err(failure))),
            Ok(found) if args.command.is_empty() => {
                ends.push(Some(print(&format!("{site} {}", found.place())).map(|()| 0)));
            }
            Ok(found) => {
                ends.push(None);
                running.push(async move { run(host, &found, &args.command, true, stop).await });
            }
        }
    }
    let mut ran = futures_util::future::join_all(running).await.into_iter();
    if stop.is_cancelled() {
        shared.quit().await;
    }
    let ends = ends.into_iter().map(|end| end.or_else(|| ran.next()));
    let mut status = Ok(0);
    for (site, end) in sites.iter().zip(ends) {
        match (&status, end) {
            (Ok(0), Some(Err(failure))) => status = Err(failure),
            (Ok(0), Some(Ok(code))) => status = Ok(code),
            (_, Some(Err(failure))) => tracing::error!(site, "{failure}"),
            (_, Some(Ok(_)) | None) => {}
        }
    }
    status
}

async fn run(
    host: &Settings,
    found: &Found,
    command: &[String],
    one_of_several: bool,
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let command = command::filled_in(command, found, &host.known)?;
    command::run(&command, one_of_several, stop).await
}

/// Reaches a site, and joins our standard streams to one of its ports.
pub(super) async fn proxy(
    config: &Config,
    host: &str,
    port: u16,
    patience: &Patience,
    verbose: bool,
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let settings = settings(config, host, patience)?;
    let shared = Shared::new(config.own_link()?);
    let found = connect::reach(&settings, &shared, &Progress::new(false, false, verbose), stop).await?;
    tokio::select! {
        passed = proxy::pass(host, found.address, found.port(port)?) => passed.map(|()| 0),
        // ssh sends a SIGHUP when it is through: nothing to complain of.
        () = stop.cancelled() => Ok(Status::Interrupted.code()),
    }
}

/// A site's settings, by its own name or by its host's.
fn settings(config: &Config, name: &str, patience: &Patience) -> Result<Settings, Failure> {
    let site = site_of(config, name).ok_or_else(|| unknown_site(config, name))?;
    let mut settings = config.connect(site)?.ok_or_else(|| unknown_site(config, name))?;
    if let Some(wait) = patience.wait {
        settings.plan.wait = wait.duration();
    }
    settings.plan.until = patience.timeout.map(|timeout| crate::clock::now() + timeout.duration());
    Ok(settings)
}

fn site_of<'config>(config: &'config Config, name: &str) -> Option<&'config str> {
    let sites = &config.file().sites;
    let host: Option<HostName> = name.parse().ok();
    let by_host = || {
        let is_it = |site: &str| host.is_some() && site.parse::<HostName>().ok() == host;
        sites.iter().find(|(_name, site)| is_it(&site.host)).map(|(name, _site)| name.as_str())
    };
    sites.get_key_value(name).map(|(name, _site)| name.as_str()).or_else(by_host)
}

/// Rings a site once.
pub(super) async fn wake(
    config: &Config,
    site: &str,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let name = site_of(config, site).ok_or_else(|| unknown_site(config, site))?;
    let host = config.file().sites.get(name).map_or(site, |site| site.host.as_str());
    let call =
        config.call(name)?.ok_or_else(|| Failure::new(Status::Asleep, format!("{site} has no number to ring")))?;
    let called = connect::ring(host, &call, progress, stop).await;
    match called.inspect_err(|failure| progress.failed(host, failure))? {
        Called::Ended(_) | Called::BrokeOff => print(&format!("rang {site}")),
        Called::Told(verdict) => print(&format!("{site} answered: {verdict}")),
    }
}

/// A host as the directory has it.
enum Looked {
    /// Its own record, and whether its key was known here.
    Certified { name: HostName, signed: Box<SignedRecord>, is_known: bool },
    /// A router registered it, or ddclient: it has addresses and no statement.
    Uncertified { name: HostName, addresses: Vec<IpAddr> },
}

/// Looks a host up, by its site's name or its own, and checks what can be checked.
async fn look_up(config: &Config, host: &str) -> Result<Looked, Failure> {
    let (site, name) = (site_of(config, host), name_of(config, host)?);
    let (pinned, seen) = config.identity_of(site.unwrap_or_default(), &name)?;
    let deadline = tokio::time::Instant::now() + QUERY_WITHIN;
    let resolver = Resolver::new(config.servers()?);
    let answer = resolver.query(&name, deadline).await.map_err(|error| Failure::from(&error))?;
    let Some(signed) = connect::known(answer, &name)? else {
        let addresses = resolver.addresses(&name, deadline).await.map_err(|error| Failure::from(&error))?;
        if !addresses.is_empty() {
            return Ok(Looked::Uncertified { name, addresses });
        }
        return Err(Failure::new(Status::NotRegistered, format!("{name} has never registered"))
            .hint("start ringup listen there; the directory must know its key"));
    };
    signed.verify(&pinned.unwrap_or_else(|| *signed.key())).map_err(|error| {
        Failure::new(Status::WrongIdentity, format!("the directory's record of {name} is not its own: {error}")).hint(
            format!(
                "if {host} has a new key, put what `ringup identity` prints there in sites.{host}.identity, or: ringup \
                 trust {host} KEY"
            ),
        )
    })?;
    let seq = signed.record().seq();
    if let Some(seen) = seen.filter(|seen| seq < *seen) {
        let message = format!("the directory has an old record of {name}: number {seq}, and {seen} was seen before");
        return Err(Failure::new(Status::RolledBack, message));
    }
    Ok(Looked::Certified { name, signed: Box::new(signed), is_known: pinned.is_some() })
}

pub(super) async fn query(config: &Config, host: &str, json: bool) -> Result<(), Failure> {
    let looked = look_up(config, host).await;
    if let (true, Err(failure)) = (json, &looked) {
        Progress::new(true, true, false).failed(host, failure);
    }
    match looked? {
        Looked::Certified { signed, .. } if json => print(&as_json(&signed).to_string()),
        Looked::Certified { signed, .. } => print(&in_words(&signed, crate::clock::unix_seconds())),
        Looked::Uncertified { name, addresses } => print(&uncertified(&name, &addresses, json)),
    }
}

fn as_json(signed: &SignedRecord) -> serde_json::Value {
    let (record, services) = (signed.record(), signed.record().services());
    serde_json::json!({
        "host": record.host().to_string(),
        "state": record.state().as_str(),
        "certified": true,
        "seq": record.seq().number(),
        "addresses": record.addresses(),
        "reachability": record.reachability().as_str(),
        "issued": record.issued(),
        "lease": record.lease(),
        "identity": signed.key().to_string(),
        "proof-port": services.proof_port,
        "ssh-host-key": services.ssh.map(|key| key.to_string()),
        "tls-pin": services.tls.map(|pin| pin.to_string()),
        "tunnel": services.tunnel.map(|tunnel| tunnel.to_string()),
    })
}

/// A record for a person: an online one only counts for as long as its lease lasts, and only where it can be reached.
fn in_words(signed: &SignedRecord, unix_now: u64) -> String {
    let record = signed.record();
    let (host, seq, key) = (record.host(), record.seq(), signed.key());
    if record.state() == State::Asleep {
        return format!("{host} is asleep (record {seq}, {key})");
    }
    let addresses: Vec<String> = record.addresses().iter().map(IpAddr::to_string).collect();
    let mut place = addresses.join(", ");
    if record.reachability() != Reachability::Public {
        place.push_str(", where its own network alone can reach it");
    }
    if let Some(tunnel) = record.services().tunnel {
        place.push_str(&format!(", and through its tunnel at {}", tunnel.at()));
    }
    let end = record.issued().saturating_add(u64::from(record.lease()));
    match unix_now.checked_sub(end) {
        None | Some(0) => format!("{host} is online at {place} (record {seq}, {key})"),
        Some(seconds) => format!(
            "{host} was online at {place} until its lease ended, {} ago (record {seq}, {key})",
            if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
        ),
    }
}

/// What is said of a host that has an address and no statement.
fn uncertified(name: &HostName, addresses: &[IpAddr], json: bool) -> String {
    if json {
        let said = serde_json::json!({
            "host": name.to_string(), "state": "online", "certified": false, "addresses": addresses,
        });
        return said.to_string();
    }
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    format!(
        "{name} is online at {} (uncertified: the host did not sign this, so nothing proves it)",
        addresses.join(", ")
    )
}

/// Remembers a host's key: the one given, or the one in the directory if none is known yet.
pub(super) async fn trust(config: &Config, host: &str, key: Option<PublicKey>) -> Result<(), Failure> {
    match key {
        Some(key) => {
            let site = site_of(config, host).and_then(|site| config.file().sites.get(site));
            if let Some(pinned) = site.and_then(|site| site.identity.as_ref())
                && *pinned != key.to_string()
            {
                let message = format!("{} pins another key for {host}", config.path().display());
                return Err(Failure::new(Status::Configuration, message)
                    .hint("put this one in `identity` there, or take `identity` out"));
            }
            let name = name_of(config, host)?;
            remember(config, &name, key)
        }
        None => match look_up(config, host).await? {
            Looked::Certified { name, signed, is_known: true } => {
                print(&format!("{name} is known already by {}", signed.key()))
            }
            Looked::Certified { name, signed, is_known: false } => {
                remember(config, &name, *signed.key())?;
                print(
                    "compare it with what `ringup identity` prints there, with the file that identity in [host] names",
                )
            }
            Looked::Uncertified { name, addresses } => {
                Err(Failure::new(Status::WrongIdentity, uncertified(&name, &addresses, false))
                    .hint("there is no key to trust: `ringup listen` or `ringup watch` there signs with one"))
            }
        },
    }
}

fn remember(config: &Config, name: &HostName, key: PublicKey) -> Result<(), Failure> {
    let known = config.known_hosts();
    // What cannot be read any more is written anew.
    let before = known.find(name).ok().flatten().map(|before| before.key).filter(|before| *before != key);
    // A host that has lost its key may have lost its number, too: what was seen with the old one counts no more.
    known
        .remember(name, &Acquaintance { key, seq: None })
        .map_err(|error| Failure::caused(Status::Configuration, &error).hint("make state-directory writable"))?;
    let instead = before.map(|before| format!(", no more by {before}")).unwrap_or_default();
    print(&format!("{name} is known from now on by {key}{instead}"))
}

/// The full name of a host that is named by its site's name or its own.
fn name_of(config: &Config, host: &str) -> Result<HostName, Failure> {
    let site = site_of(config, host).and_then(|site| config.file().sites.get(site));
    let name: HostName = site.map_or(host, |site| site.host.as_str()).parse().map_err(|error| {
        let failure = unknown_site(config, host);
        Failure { message: format!("{}, and it is no host's name: {error}", failure.message), ..failure }
    })?;
    // No zone has hosts of a single label: a site was meant.
    if site.is_none() && name.labels().count() == 1 {
        return Err(unknown_site(config, host));
    }
    Ok(name)
}

fn unknown_site(config: &Config, site: &str) -> Failure {
    let known: Vec<&str> = config.file().sites.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::new(Status::UnknownSite, format!("no site {site} in {}", config.path().display()))
        .hint(format!("sites there: {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FarEnd, Identity, Record, Seq, Services};

    #[test]
    fn a_record_is_told_for_what_it_is_worth_now() {
        let identity = Identity::generate().unwrap();
        let (host, key): (HostName, _) = ("home.dyn.example".parse().unwrap(), identity.public_key());
        let said = |record: Record, now| in_words(&SignedRecord::sign(record, &identity), now);
        let at = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            Record::online(host.clone(), addresses, Seq::FIRST, 1000, 600).unwrap()
        };
        let tunnel: FarEnd = "198.51.100.7:2222/22".parse().unwrap();
        let asleep = Record::asleep(host.clone(), Seq::FIRST, 1000, 600).unwrap();
        for (told, expected) in [
            (said(at(&["203.0.113.9", "2001:db8::9"]), 1600), "is online at 203.0.113.9, 2001:db8::9 (record 1"),
            (said(at(&["203.0.113.9"]), 1660), "was online at 203.0.113.9 until its lease ended, 60 s ago (record 1"),
            (
                said(at(&["203.0.113.9"]), 8200),
                "was online at 203.0.113.9 until its lease ended, 110 min ago (record 1",
            ),
            (
                said(at(&["100.64.0.9"]).with_services(Services { tunnel: Some(tunnel), ..Services::default() }), 1600),
                "is online at 100.64.0.9, where its own network alone can reach it, and through its tunnel at \
                 198.51.100.7:2222 (record 1",
            ),
            (said(asleep, 9999), "is asleep (record 1"),
        ] {
            assert_eq!(told, format!("home.dyn.example {expected}, {key})"));
        }
    }
}
