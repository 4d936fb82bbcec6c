//! Each subcommand, from its configuration to its room.

mod code;
mod modem;

use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command, Hook};
use crate::config::operation::{self, Fixtures};
use crate::config::{Config, DEFAULT_RUNTIME_DIRECTORY};
use crate::connect::call::Called;
use crate::connect::{self, Progress, command};
use crate::control::{self, PretendedRing, Socket};
use crate::dns::Resolver;
use crate::exit::{Failure, Status};
use crate::link::Up;
use crate::link::hook::{self, HookEvent};
use crate::record::{HostName, Identity, Reachability, SignedRecord};
use crate::report::Report;
use crate::sleep::Sleep;
use crate::systemd::Notifier;
use crate::{administration, demo, directory, exchange, listen, provide, shutdown, watch};

/// How long `ringup query` waits for an answer.
const QUERY_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs what the command line asks for; gives the exit status where it is not a failure of ours.
///
/// # Errors
/// With the one cause.
pub async fn run(cli: &Cli) -> Result<u8, Failure> {
    let mut signals = JoinSet::new();
    let (reload, asked) = mpsc::channel(1);
    let reload = matches!(cli.command, Command::Listen { .. }).then_some(reload);
    let stop = shutdown::on_signals(&mut signals, reload).map_err(|error| Failure::caused(Status::Internal, &error))?;
    let config = || Config::load(&cli.config);
    let whose = || operation::whose(&cli.config);
    match &cli.command {
        Command::Connect { site, quiet, json, command } => {
            return connect(&config()?, site, &Progress::new(*quiet, *json), command, &stop).await;
        }
        Command::Wake { site } => wake(&config()?, site, &stop).await?,
        Command::Query { host, json } => query(&config()?, host, *json).await?,
        Command::Listen { json } => {
            let config = config()?;
            let home = config.listen()?;
            let registrar = config.registrar(home.account)?;
            let front = config.front()?;
            let (path, started) = (cli.config.clone(), config.fixtures());
            let reloads = listen::Reloads { asked, read: Box::new(move || fresh(&path, &started)) };
            let socket = control_socket(&config)?;
            let surroundings = listen::Surroundings {
                front,
                sleep: Sleep::new(home.sleep),
                socket: Some(socket),
                notifier: Notifier::from_environment(),
                reloads,
            };
            listen::run(home.listen, registrar, surroundings, report(*json), &stop).await?;
        }
        Command::Status { json, watch } => return control::status(&whose()?, *json, *watch, &stop).await,
        Command::Hangup { line } => control::hang_up(&whose()?, line.clone()).await?,
        Command::Ring { line, from, rings } => {
            let ring = PretendedRing { line: line.clone(), from: from.clone(), rings: *rings };
            control::ring(&whose()?, ring).await?;
        }
        Command::Journal(args) => control::journal(&whose()?, args, &stop).await?,
        Command::Watch { json } => {
            let config = config()?;
            let (settings, account) = config.watch()?;
            let mut registrar = config.registrar(account)?;
            watch::run(&settings, &mut registrar, report(*json), &stop).await?;
        }
        Command::Directory { backup: Some(copy), .. } => {
            let settings = config()?.directory()?;
            directory::back_up(&settings.database, copy).map_err(|error| Failure::caused(Status::Internal, &error))?;
        }
        Command::Directory { json, backup: None } => {
            let settings = config()?.directory()?;
            let report = report(*json);
            let ready = |addresses: &directory::Addresses| {
                report
                    .say(&serde_json::json!({ "event": "ready", "addresses": addresses.dns, "http": addresses.http }));
                Notifier::from_environment().ready();
            };
            directory::run(settings, stop, ready).await.map_err(|error| Failure::from(&error))?;
        }
        Command::Host { command } => print(&administration::host(&config()?, command).await?)?,
        Command::Credential { command } => print(&administration::credential(&config()?, command).await?)?,
        Command::Enrol { code } => print(&administration::enrol(&cli.config, code.as_deref()).await?)?,
        Command::Provide { json } => provide::run(config()?.provide()?, report(*json), &stop).await?,
        Command::Exchange { json } => exchange::run(config()?.exchange()?, *json, &stop).await?,
        Command::Modem { command } => modem::run(command, &cli.config, &stop).await?,
        Command::Check => {
            let config = config()?;
            let roles = config.check()?;
            print(&format!("{}: good for {}", config.path().display(), roles.join(", ")))?;
        }
        Command::Identity { file } => print(&identity(file)?)?,
        Command::Code { count } => code::run(&config()?.codes()?, *count)?,
        Command::Demo => return demo::run(&stop).await,
        Command::IpUp(hook) => post(&cli.config, hook, |hook| {
            HookEvent::Up(Up {
                interface: hook.interface.clone(),
                local: hook.local,
                remote: hook.remote,
                peer: std::env::var("PEERNAME").ok(),
                names: hook.names(),
            })
        })?,
        Command::IpDown(hook) => {
            post(&cli.config, hook, |hook| HookEvent::Down { interface: hook.interface.clone(), names: hook.names() })?;
        }
        Command::OwnLink => connect::own_link::keeper::run(&config()?.keeper()?, &stop).await?,
    }
    Ok(0)
}

/// Reads a listener's configuration again, whole.
fn fresh(path: &Path, started: &Fixtures) -> Result<listen::Fresh, Failure> {
    let mut config = Config::load(path)?;
    let at_next_start = config.keep(started);
    let home = config.listen()?;
    let caps = config.caps()?;
    let host = config.whose()?.host;
    let registrar = Box::new(move || config.registrar(home.account).map_err(Failure::from));
    Ok(listen::Fresh { settings: home.listen, caps, sleep: home.sleep, host, at_next_start, registrar })
}

fn control_socket(config: &Config) -> Result<Socket, Failure> {
    let path = config.whose()?.socket;
    Socket::bind(&path).map_err(|error| {
        Failure::new(Status::Internal, format!("cannot be asked at {}: {error}", path.display()))
            .hint("does another ringup listen run with this runtime-directory?")
    })
}

async fn connect(
    config: &Config,
    site: &str,
    progress: &Progress,
    command: &[String],
    stop: &CancellationToken,
) -> Result<u8, Failure> {
    let settings = config.connect(site)?.ok_or_else(|| unknown_site(config, site))?;
    let reached = connect::reach(&settings, progress, stop).await?;
    let address = best_address(&reached.record)?;
    if command.is_empty() {
        print(&address.to_string())?;
        return Ok(0);
    }
    let command = command::filled_in(command, address, &settings.plan.host);
    let ended = tokio::select! {
        ended = command::run(&command) => ended,
        () = stop.cancelled() => Err(Failure::new(Status::Interrupted, "interrupted")),
    };
    if ended.is_err()
        && let Some(mut own_link) = reached.own_link
    {
        own_link.quit().await;
    }
    ended
}

/// The first address that can be reached from anywhere, else the first.
fn best_address(signed: &SignedRecord) -> Result<IpAddr, Failure> {
    let addresses = signed.record().addresses();
    let public = addresses.iter().find(|address| Reachability::of(**address) == Reachability::Public);
    public.or_else(|| addresses.first()).copied().ok_or_else(|| {
        Failure::new(
            Status::NotRegistered,
            format!("{} is online, but its record has no address", signed.record().host()),
        )
    })
}

async fn wake(config: &Config, site: &str, stop: &CancellationToken) -> Result<(), Failure> {
    if !config.file().sites.contains_key(site) {
        return Err(unknown_site(config, site));
    }
    let call =
        config.call(site)?.ok_or_else(|| Failure::new(Status::Asleep, format!("{site} has no number to ring")))?;
    match connect::ring(&call, stop).await? {
        Called::Ended(_) => print(&format!("rang {site}")),
        Called::Told(verdict) => print(&format!("{site} answered: {verdict}")),
    }
}

async fn query(config: &Config, host: &str, json: bool) -> Result<(), Failure> {
    let site = config.file().sites.get(host);
    let name = site.map_or(host, |site| site.host.as_str());
    let name: HostName = name.parse().map_err(|error| {
        Failure::new(
            Status::UnknownSite,
            format!("{host} is no site of {}, and no host's name: {error}", config.path().display()),
        )
    })?;
    let deadline = tokio::time::Instant::now() + QUERY_WITHIN;
    let resolver = Resolver::new(config.servers()?);
    let answer = resolver.query(&name, deadline).await.map_err(|error| Failure::from(&error))?;
    let signed = connect::known(answer, &name)?;
    let Some(signed) = signed else {
        let addresses = resolver.addresses(&name, deadline).await.map_err(|error| Failure::from(&error))?;
        if !addresses.is_empty() {
            return print(&uncertified(&name, &addresses, json));
        }
        return Err(Failure::new(Status::NotRegistered, format!("{name} has never registered")));
    };
    if let Some(site) = site {
        let pinned = site
            .identity
            .parse()
            .map_err(|error| Failure::new(Status::Configuration, format!("sites.{host}.identity: {error}")))?;
        signed.verify(&pinned).map_err(|error| {
            Failure::new(Status::WrongIdentity, format!("the directory's record of {name} is not its own: {error}"))
                .hint(format!(
                    "if {host} has a new key, put what `ringup identity` prints there in sites.{host}.identity"
                ))
        })?;
    }
    let record = signed.record();
    if json {
        return print(
            &serde_json::json!({
                "host": record.host().to_string(),
                "state": record.state().as_str(),
                "certified": true,
                "seq": record.seq().number(),
                "addresses": record.addresses(),
                "reachability": record.reachability().as_str(),
                "issued": record.issued(),
                "lease": record.lease(),
                "identity": signed.key().to_string(),
            })
            .to_string(),
        );
    }
    let addresses: Vec<String> = record.addresses().iter().map(IpAddr::to_string).collect();
    let place = if addresses.is_empty() { String::new() } else { format!(" at {}", addresses.join(", ")) };
    print(&format!(
        "{} is {}{place} (record {}, {})",
        record.host(),
        record.state().as_str(),
        record.seq(),
        signed.key()
    ))
}

/// What is said of a host that has an address and no statement: a router registered it, or ddclient.
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

fn identity(file: &Path) -> Result<String, Failure> {
    let identity = if file.exists() { Identity::load(file) } else { Identity::create(file) };
    let identity = identity.map_err(|error| Failure::caused(Status::Secret, &error))?;
    Ok(identity.public_key().to_string())
}

/// Posts to the link's own daemon; for a link that somebody else has brought up, to this machine's, if it runs.
fn post(config: &Path, hook: &Hook, event: impl FnOnce(&Hook) -> HookEvent) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::caused(Status::Internal, &error);
    if let Some(socket) = std::env::var_os(hook::SOCKET_VARIABLE) {
        return hook::post(Path::new(&socket), &event(hook)).map_err(failed);
    }
    let runtime = match Config::load(config) {
        Ok(config) => config.file().runtime_directory.clone(),
        Err(_none) => DEFAULT_RUNTIME_DIRECTORY.into(),
    };
    match hook::post(&runtime.join(hook::STANDING), &event(hook)) {
        // Nobody waits for this link.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(()),
        posted => posted.map_err(failed),
    }
}

fn unknown_site(config: &Config, site: &str) -> Failure {
    let known: Vec<&str> = config.file().sites.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::new(Status::UnknownSite, format!("no site {site} in {}", config.path().display()))
        .hint(format!("sites there: {known}"))
}

fn report(json: bool) -> Report {
    if json { Report::Stdout } else { Report::Off }
}

fn print(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    written.map_err(|error| Failure::new(Status::Internal, format!("cannot write: {error}")))
}
