//! `ringup connect`, `proxy`, `wake`, `query` and `trust`.

use tokio_util::sync::CancellationToken;

use super::print;
use crate::cli::{ConnectArgs, Patience};
use crate::config::{Config, ConfigError};
use crate::connect::call::Called;
use crate::connect::enquiry::{Enquiry, Looked};
use crate::connect::{self, Audience, Event, Progress, Settings, Shared, command, proxy};
use crate::exit::{Failure, Status};
use crate::record::{HostName, PublicKey};

/// Reaches the sites, and runs the command for each, or prints their addresses; tells each failure as it comes. The status
/// is that of the first site which has one other than 0.
pub(super) async fn connect(
    config: Result<Config, ConfigError>,
    args: &ConnectArgs,
    verbose: bool,
    stop: &CancellationToken,
) -> u8 {
    let is_one_of_several = args.sites.len() > 1;
    let progress = Progress::new(Audience {
        quiet: args.quiet,
        json: args.json,
        verbose,
        shares_terminal: is_one_of_several && !args.command.is_empty(),
    });
    let (hosts, shared) = match prepared(config, args) {
        Ok(prepared) => prepared,
        Err((site, failure)) => {
            progress.failed(site, &failure);
            return failure.status.code();
        }
    };
    let names: Vec<String> = args.sites.iter().map(|site| format!("{site} ")).collect();
    let ends = connect::each(&hosts, &shared, &progress, stop, async |place, settings, found| {
        if args.command.is_empty() {
            let name = names.get(place).filter(|_name| is_one_of_several).map_or("", String::as_str);
            return print(&format!("{name}{}", found.place())).map(|()| 0);
        }
        let command = command::filled_in(&args.command, found, &settings.known)?;
        command::run(&command, is_one_of_several, stop).await
    })
    .await;
    if stop.is_cancelled() || ends.iter().all(Result::is_err) {
        shared.quit().await;
    }
    let mut statuses = ends.into_iter().map(|end| end.unwrap_or_else(|failure| failure.status.code()));
    statuses.find(|status| *status != 0).unwrap_or(0)
}

/// What the attempts work with; or what is wrong, and with which site.
fn prepared(
    config: Result<Config, ConfigError>,
    args: &ConnectArgs,
) -> Result<(Vec<Settings>, Shared), (Option<&str>, Failure)> {
    let config = config.map_err(|error| (None, Failure::from(error)))?;
    let of_site = |site| settings(&config, site, &args.patience).map_err(|failure| (Some(site), failure));
    let hosts: Result<Vec<Settings>, _> = args.sites.iter().map(String::as_str).map(of_site).collect();
    let own_link = config.own_link().map_err(|error| (None, Failure::from(error)))?;
    Ok((hosts?, Shared::new(own_link)))
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
    let progress = Progress::new(Audience { verbose, ..Audience::default() });
    let ended = join(&settings, &shared, &progress, port, stop).await;
    // A signal once bytes have passed is how ssh ends: our own link lingers then, and what TCP has still to say goes over it.
    if ended.is_err() {
        shared.quit().await;
    }
    ended
}

async fn join(
    settings: &Settings,
    shared: &Shared,
    progress: &Progress,
    port: u16,
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let host = settings.plan.host.as_str();
    let reached = connect::reach(settings, shared, progress, stop).await;
    let found = reached.inspect_err(|_failure| progress.end(host))?.found;
    progress.say(host, &Event::online(&found));
    let record = found.record.record();
    // ssh looks when it is connected, which it is from here on: the key is in its place by then.
    if let Some(key) = record.services().ssh
        && let Err(error) = settings.known.for_ssh(record.host(), Some(key))
    {
        tracing::warn!(%error, "ssh does not find the host's key by itself");
    }
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

/// Rings a site once; tells why not, if it does not come to that, and gives the status.
pub(super) async fn wake(
    config: Result<Config, ConfigError>,
    site: &str,
    audience: Audience,
    stop: &CancellationToken,
) -> u8 {
    let progress = Progress::new(audience);
    let config = match config {
        Ok(config) => config,
        Err(error) => return told(&progress, None, Err(error.into())),
    };
    let Some(name) = site_of(&config, site) else {
        return told(&progress, Some(site), Err(unknown_site(&config, site)));
    };
    let host = config.file().sites.get(name).map_or(site, |site| site.host.as_str());
    let no_number = || Failure::new(Status::Asleep, format!("{host} has no number to ring"));
    let call = match config.call(name).map_err(Failure::from).and_then(|call| call.ok_or_else(no_number)) {
        Ok(call) => call,
        Err(failure) => return told(&progress, Some(host), Err(failure)),
    };
    let rung = connect::ring(host, &call, &progress, stop).await.and_then(|called| match called {
        Called::Ended(_) | Called::BrokeOff => print(&format!("rang {site}")),
        Called::Told(verdict) => print(&format!("{site} answered: {verdict}")),
    });
    told(&progress, Some(host), rung)
}

/// Tells a failure, and gives the status.
fn told(progress: &Progress, host: Option<&str>, done: Result<(), Failure>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(failure) => {
            progress.failed(host, &failure);
            failure.status.code()
        }
    }
}

fn enquiry(config: &Config, host: &str) -> Result<Enquiry, Failure> {
    let (site, name) = (site_of(config, host), name_of(config, host)?);
    let (identity, seen) = config.identity_of(site.unwrap_or_default(), &name)?;
    Ok(Enquiry { host: name, called: host.to_owned(), identity, seen, directory: config.servers()? })
}

async fn looked(enquiry: &Enquiry, stop: &CancellationToken) -> Result<Looked, Failure> {
    tokio::select! {
        looked = enquiry.ask() => looked,
        () = stop.cancelled() => Err(connect::interrupted()),
    }
}

/// Prints what the directory has of a host; tells why not, if it has nothing, and gives the status.
pub(super) async fn query(
    config: Result<Config, ConfigError>,
    host: &str,
    json: bool,
    verbose: bool,
    stop: &CancellationToken,
) -> u8 {
    let progress = Progress::new(Audience { quiet: true, json, verbose, ..Audience::default() });
    let config = match config {
        Ok(config) => config,
        Err(error) => return told(&progress, None, Err(error.into())),
    };
    let enquiry = match enquiry(&config, host) {
        Ok(enquiry) => enquiry,
        Err(failure) => return told(&progress, Some(host), Err(failure)),
    };
    let asked = looked(&enquiry, stop).await.and_then(|found| {
        print(&if json { found.to_json().to_string() } else { found.in_words(crate::clock::unix_seconds()) })
    });
    told(&progress, Some(enquiry.host.as_str()), asked)
}

/// Remembers a host's key: the one given, or the one in the directory if none is known yet.
pub(super) async fn trust(
    config: &Config,
    host: &str,
    key: Option<PublicKey>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let Some(key) = key else {
        let enquiry = enquiry(config, host)?;
        let key = looked(&enquiry, stop).await?.key()?;
        if enquiry.identity.is_some() {
            return print(&format!("{} is known already by {key}", enquiry.host));
        }
        remember(config, &enquiry.host, key)?;
        return print(
            "compare it with what `ringup identity FILE` prints there; FILE is what `identity` in [host] names",
        );
    };
    let site = site_of(config, host).and_then(|site| config.file().sites.get(site));
    if let Some(pinned) = site.and_then(|site| site.identity.as_ref())
        && *pinned != key.to_string()
    {
        let message = format!("{} pins another key for {host}", config.path().display());
        return Err(Failure::new(Status::Configuration, message)
            .hint("put this one in `identity` there, or take `identity` out"));
    }
    remember(config, &name_of(config, host)?, key)
}

fn remember(config: &Config, name: &HostName, key: PublicKey) -> Result<(), Failure> {
    let before = config.known_hosts().trust(name, key);
    let before =
        before.map_err(|error| Failure::caused(Status::Configuration, &error).hint("make state-directory writable"))?;
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
