//! `ringup modem`, which needs no configuration, and takes from one what nobody has said on the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hayes::line::LineSettings;
use hayes::modem::{Kind, Purpose, Settings};
use hayes::ports::Machine;
use hayes::profile::Catalogue;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::cli::{ModemCommand, Port};
use crate::config::{Config, DEFAULT_PATH};
use crate::exit::{Failure, Status};
use crate::modem::explain;
use crate::modem::list::Listing;
use crate::modem::monitor::Monitor;
use crate::modem::probe::Probe;

/// Does one of them.
///
/// # Errors
/// With the one cause.
pub(super) async fn run(command: &ModemCommand, config: &Path, stop: &CancellationToken) -> Result<(), Failure> {
    match command {
        ModemCommand::List { json } => {
            let config = configured(config)?;
            let exchange = config.as_ref().and_then(|config| config.file().exchange.as_ref());
            let listing = Listing::of(&Machine::here(), exchange.map(|exchange| exchange.directory.as_path()));
            let text = if *json { listing.to_json() } else { listing.to_text() };
            print(text.trim_end())
        }
        ModemCommand::Explain { file, json, raw } => explain::run(file.as_deref(), *raw, *json, stop).await,
        ModemCommand::Probe { port, no_reset, json } => {
            let (line, modem) = modem(port, config)?;
            print(Probe { line, modem, reset: !no_reset, json: *json }.run(stop).await?.trim_end())
        }
        ModemCommand::Monitor { port, passive, json } => {
            let (line, settings) = modem(port, config)?;
            let modem = (!passive).then_some(settings);
            Monitor { line, modem, json: *json }.run(stop).await
        }
    }
}

/// Which modem: the one named, else the configuration's, else the only one there is.
fn modem(port: &Port, config: &Path) -> Result<(LineSettings, Settings), Failure> {
    let config = configured(config)?.filter(|config| config.file().modem.is_some());
    let configured = config.map(|config| config.modem(Purpose::Calls)).transpose()?;
    let unknown = || Settings::for_kind(Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None });
    let rate = port.rate.unwrap_or(DEFAULT_RATE);
    let (mut line, settings) = match (&port.port, configured) {
        (None, Some(configured)) => configured,
        (Some(named), Some((line, settings))) if same(named, &line.port) => (line, settings),
        (Some(named), _) => (LineSettings { port: named.clone(), rate }, unknown()),
        (None, None) => (LineSettings { port: only_one()?, rate }, unknown()),
    };
    if let Some(rate) = port.rate {
        line.rate = rate;
    }
    Ok((line, settings))
}

/// Tries a port out: gives what is found at it in a few words.
///
/// # Errors
/// As `ringup modem probe`.
pub(super) async fn try_out(port: &Path, stop: &CancellationToken) -> Result<String, Failure> {
    let line = LineSettings { port: port.to_owned(), rate: DEFAULT_RATE };
    let modem = Settings::for_kind(Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None });
    let found = Probe { line, modem, reset: false, json: false }.run(stop).await?;
    Ok(found.lines().take(TOLD).collect::<Vec<_>>().join("\n"))
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The only serial port that may be a modem's: of the several of one device, that which takes commands.
fn only_one() -> Result<PathBuf, Failure> {
    let mut ports = Machine::here().ports();
    ports.retain(|port| port.takes_commands != Some(false));
    match ports.as_slice() {
        [port] => Ok(port.best_name().to_owned()),
        [] => Err(Failure::new(Status::NoPort, "there is no serial port on this machine")
            .hint("is the modem plugged in and switched on? an emulated one must be named")),
        several => {
            let names: Vec<String> = several.iter().map(|port| port.path.display().to_string()).collect();
            Err(Failure::new(Status::NoPort, format!("which modem? there are {}", names.join(", ")))
                .hint("name one; `ringup modem list` tells more of each"))
        }
    }
}

/// The configuration, if there is one; one that was asked for must be there.
fn configured(path: &Path) -> Result<Option<Config>, Failure> {
    if path == Path::new(DEFAULT_PATH) && !path.exists() {
        return Ok(None);
    }
    Ok(Some(Config::load(path)?))
}

/// What modems adapt to, in bit/s, when nobody says otherwise.
const DEFAULT_RATE: u32 = 115_200;
/// How much a newcomer wants to know of his modem, in lines.
const TOLD: usize = 4;
