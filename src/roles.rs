//! Each subcommand, from its configuration to its room.

mod code;
mod connect;
mod manual;
mod modem;
mod setup;

use std::io::{ErrorKind, Write};
use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::{Cli, Command, Hook};
use crate::config::operation::{self, Fixtures};
use crate::config::{Config, DEFAULT_RUNTIME_DIRECTORY};
use crate::connect::{Audience, own_link};
use crate::control::{self, PretendedRing, Socket};
use crate::exit::{Failure, Status};
use crate::link::Up;
use crate::link::hook::{self, HookEvent};
use crate::record::Identity;
use crate::report::Report;
use crate::sleep::Sleep;
use crate::systemd::Notifier;
use crate::{administration, demo, directory, exchange, listen, provide, shutdown, watch};

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
        Command::Connect(args) => return Ok(connect::connect(config(), args, cli.verbose > 0, &stop).await),
        Command::Proxy { host, port, patience } => {
            return connect::proxy(&config()?, host, *port, patience, cli.verbose > 0, &stop).await;
        }
        Command::Wake { site, quiet, json } => {
            let audience = Audience { quiet: *quiet, json: *json, verbose: cli.verbose > 0, ..Audience::default() };
            return Ok(connect::wake(config(), site, audience, &stop).await);
        }
        Command::Query { host, json } => return Ok(connect::query(config(), host, *json, cli.verbose > 0, &stop).await),
        Command::Trust { host, key } => connect::trust(&config()?, host, *key, &stop).await?,
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
            config.try_folders()?;
            print(&format!("{}: good for {}", config.path().display(), roles.join(", ")))?;
        }
        Command::Identity { file } => print(&identity(file)?)?,
        Command::Code { count } => code::run(&config()?.codes()?, *count)?,
        Command::Setup => setup::run(&cli.config, &stop).await?,
        Command::Completions { shell } => manual::completions(*shell)?,
        Command::Man { folder } => manual::pages(folder.as_deref())?,
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
        Command::OwnLink => {
            own_link::keeper::run(&config()?.keeper()?, own_link::keeper::standard_input(), &stop).await?;
        }
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

fn report(json: bool) -> Report {
    if json { Report::Stdout } else { Report::Off }
}

fn print(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // `ringup man | head`: whoever has read enough is no failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::new(Status::Internal, format!("cannot write: {error}"))),
    }
}
