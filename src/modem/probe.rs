//! `ringup modem probe`: what a modem is and can do.
//!
//! Owns the questions and the order they are asked in. Changes nothing that lasts: it stores nothing, and says before
//! it resets the modem to its stored settings.

use std::time::Duration;

use hayes::driver::{Driver, DriverError};
use hayes::line::{LineError, LineSettings};
use hayes::modem::{Answer, Kind, Settings};
use hayes::profile::{Catalogue, Check, Profile};
use tokio_util::sync::CancellationToken;

use super::findings::{CallerIdFindings, Findings};
use crate::exit::{Failure, Status};
use crate::link::line_failure;

/// How long a line that was closed a moment ago may be in use still.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The registers that matter to a call (V.250, Hayes).
const REGISTERS: [&str; 6] = ["S0", "S7", "S8", "S10", "S11", "S25"];
/// What a cellular modem is asked, beside all else (3GPP TS 27.007).
const CELLULAR: [&str; 4] = ["+CPIN?", "+CREG?", "+CSQ", "+COPS?"];

/// Whom to ask, and how.
#[derive(Debug)]
pub struct Probe {
    /// The tty.
    pub line: LineSettings,
    /// How ringup would set the modem up.
    pub modem: Settings,
    /// Whether the modem may be reset, to see what its caller identification does then.
    pub reset: bool,
    /// Print JSON.
    pub json: bool,
}

impl Probe {
    /// Asks, and gives what was found, as text or as JSON.
    ///
    /// # Errors
    /// When the line cannot be had, or the modem does not answer.
    pub async fn run(self, stop: &CancellationToken) -> Result<String, Failure> {
        let json = self.json;
        let findings = tokio::select! {
            findings = self.ask() => findings.map_err(|error| self.failure(&error))?,
            () = stop.cancelled() => return Err(Failure::new(Status::Interrupted, "interrupted")),
        };
        Ok(if json { findings.to_json().to_string() } else { findings.to_text() })
    }

    fn failure(&self, error: &DriverError) -> Failure {
        let failure = line_failure(error);
        if failure.status != Status::ModemSilent {
            return failure;
        }
        failure.hint(if self.reset {
            "is it the right one of several ports, and switched on? `ringup modem list` shows who else has it"
        } else {
            "without --no-reset it is looked for in data state and at other rates, too"
        })
    }

    async fn ask(&self) -> Result<Findings, DriverError> {
        let mut driver = Driver::open(&self.line, self.modem.clone())?;
        driver.lock()?;
        let (seen, searched) = match driver.identify().await {
            Err(DriverError::Silent { port }) if self.reset => {
                tracing::info!(port = %port.display(), "no answer: looking for it by +++, by DTR and at other rates");
                drop(driver);
                driver = self.set_up(&Settings { caller_id: Some(Vec::new()), ..self.modem.clone() }).await?;
                (driver.identify().await?, true)
            }
            other => (other?, false),
        };
        let (recognised, evidence) = Catalogue::built_in().judge(&seen);
        let (profile, evidence) = match &self.modem.kind {
            Kind::Known(known) => (known.clone(), None),
            Kind::FindOut { .. } => (recognised, Some(evidence)),
        };
        let rate = driver.rate();
        let mut caller_id = CallerIdFindings { before: holds(&mut driver, &profile).await?, ..Default::default() };
        if self.reset {
            tracing::info!(
                port = %self.line.port.display(),
                "resetting the modem to its stored settings (AT{}); --no-reset leaves them as they are",
                profile.setup.reset
            );
            drop(driver);
            // Reset and set up, but for caller identification: what does the reset leave of it?
            let bare = Settings { caller_id: Some(Vec::new()), ..known(&self.modem, &profile) };
            driver = self.set_up(&bare).await?;
            caller_id.after_reset = holds(&mut driver, &profile).await?;
            drop(driver);
            driver = self.set_up(&known(&self.modem, &profile)).await?;
            caller_id.turned_on = holds(&mut driver, &profile).await?;
        }
        let mut registers = Vec::new();
        for register in REGISTERS {
            let answer = driver.ask(&format!("{register}?")).await?;
            if let Some(value) = answer.lines.first().filter(|_| answer.accepted == Some(true)) {
                registers.push((register, value.trim_start_matches('0').parse().unwrap_or(0_u32)));
            }
        }
        let country = lines(driver.ask("+GCI?").await?);
        let blacklist = match &profile.setup.blacklist {
            Some(command) => lines(driver.ask(command).await?),
            None => None,
        };
        let calls = match &profile.setup.call_list {
            Some(command) => lines(driver.ask(command).await?),
            None => None,
        };
        let mut cellular = Vec::new();
        if profile.setup.call_list.is_some() {
            for command in CELLULAR {
                cellular.extend(lines(driver.ask(command).await?).map(|lines| (command, lines)));
            }
        }
        Ok(Findings {
            port: self.line.port.clone(),
            rate,
            wanted_rate: self.line.rate,
            searched,
            told: self.modem.commands(&profile),
            signals: driver.signals(),
            evidence,
            seen,
            caller_id,
            registers,
            country,
            blacklist,
            calls,
            cellular,
            profile,
        })
    }

    /// Opens the line anew, and sets the modem up. A console server may take a moment to let go of the connection before.
    async fn set_up(&self, modem: &Settings) -> Result<Driver, DriverError> {
        let deadline = crate::clock::now() + LET_GO_WITHIN;
        loop {
            let mut driver = Driver::open(&self.line, modem.clone())?;
            driver.lock()?;
            match driver.initialise().await {
                Err(DriverError::Line(LineError::Busy { .. })) if crate::clock::now() < deadline => {}
                done => return done.map(|_| driver),
            }
            crate::clock::sleep_until(Some(crate::clock::now() + LOOK_EVERY)).await;
        }
    }
}

/// The settings for a kind that has been found out.
fn known(settings: &Settings, profile: &std::sync::Arc<Profile>) -> Settings {
    Settings { kind: Kind::Known(profile.clone()), ..settings.clone() }
}

/// Whether caller identification is on, where the modem's answer tells.
async fn holds(driver: &mut Driver, profile: &Profile) -> Result<Option<bool>, DriverError> {
    let Some(check) = check(profile) else { return Ok(None) };
    let answer = driver.ask(&check.ask).await?;
    let told = answer.accepted == Some(true) && !answer.lines.is_empty();
    Ok(told.then(|| answer.lines.iter().any(|line| check.holds(line))))
}

/// The kind's own question; else that of the command that turns it on, which most modems have (V.250 5.4.4.3).
fn check(profile: &Profile) -> Option<Check> {
    let own = profile.setup.caller_id_check.clone();
    own.or_else(|| {
        let (name, value) = profile.setup.caller_id.last()?.split_once('=')?;
        let extended = name.starts_with(['+', '#']);
        extended.then(|| Check { ask: format!("{name}?"), expect: value.to_owned() })
    })
}

/// What it answered, unless it refused.
fn lines(answer: Answer) -> Option<Vec<String>> {
    Some(answer.lines).filter(|_| answer.accepted == Some(true))
}
