//! `ringup modem monitor`: all that a modem says, as it comes.
//!
//! Owns a line that it locks only while it sets the modem up: other programs may have it at any time, and are waited
//! for. Stays when the modem is unplugged, and goes on when it is back.

use std::time::Duration;

use hayes::driver::Driver;
use hayes::line::{Line, LineError, LineSettings, Lock};
use hayes::modem::Settings;
use hayes::narrator::{Narrator, Place};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::explain::unwritable;
use super::telling::Telling;
use crate::clock;
use crate::exit::{Failure, Status};
use crate::link::line_failure;

/// How wide the column of the time of day is.
const TIME_WIDTH: usize = 12;
/// How much is read at once, in bytes.
const CHUNK: usize = 256;
/// How often the signals are looked at: the shortest ring is 0.4 s (United Kingdom).
const SIGNALS_LOOK: Duration = Duration::from_millis(100);
/// How often a line that is gone or in use is looked at.
const AWAY_LOOK: Duration = Duration::from_millis(500);

/// What to listen to, and how.
#[derive(Debug)]
pub struct Monitor {
    /// The tty.
    pub line: LineSettings,
    /// How the modem is set up; `None`: nothing is sent.
    pub modem: Option<Settings>,
    /// Print JSON.
    pub json: bool,
}

/// Why listening ended.
enum Ended {
    Stopped,
    Gone,
    /// Another program has locked the line.
    Lent(u32),
}

impl Monitor {
    /// Listens until told to stop.
    ///
    /// # Errors
    /// When the line cannot be had, or the modem does not answer, at first; later both are waited for.
    pub async fn run(self, stop: &CancellationToken) -> Result<(), Failure> {
        let mut telling = Telling::new(self.json, TIME_WIDTH);
        let mut line = tokio::select! {
            opened = self.open(&telling) => opened?,
            () = stop.cancelled() => return Ok(()),
        };
        let port = self.line.port.display();
        loop {
            say(&telling, "listening", &format!("{port}: listening"), json!({ "port": self.line.port }))?;
            let ended = listen(&mut line, &mut telling, stop).await?;
            drop(line);
            match ended {
                Ended::Stopped => return Ok(()),
                Ended::Gone => say(&telling, "gone", &format!("{port}: gone; unplugged?"), Value::Null)?,
                Ended::Lent(process) => {
                    let text = format!("{port}: process {process} has it; waiting");
                    say(&telling, "lent", &text, json!({ "process": process }))?;
                }
            }
            line = tokio::select! {
                opened = self.open_again(&telling) => opened?,
                () = stop.cancelled() => return Ok(()),
            };
        }
    }

    async fn open_again(&self, telling: &Telling) -> Result<Line, Failure> {
        loop {
            tokio::time::sleep(AWAY_LOOK).await;
            match self.open(telling).await {
                Err(failure) if matches!(failure.status, Status::NoPort | Status::PortBusy | Status::ModemSilent) => {
                    tracing::debug!(%failure, "not back yet");
                }
                opened => {
                    let line = opened?;
                    say(telling, "back", &format!("{}: back", self.line.port.display()), Value::Null)?;
                    return Ok(line);
                }
            }
        }
    }

    async fn open(&self, telling: &Telling) -> Result<Line, Failure> {
        let Some(modem) = &self.modem else {
            let holder = Lock::holder(&self.line.port).map_err(|error| line_failure(&error.into()))?;
            if holder.is_some() {
                let busy = LineError::Busy { path: self.line.port.clone(), holder };
                return Err(line_failure(&busy.into()));
            }
            return Line::open(&self.line).map_err(|error| line_failure(&error.into()));
        };
        let failed = |error| {
            let failure = line_failure(&error);
            let silent = failure.status == Status::ModemSilent;
            if silent { failure.hint("--passive listens without a word; --rate sets another rate") } else { failure }
        };
        let mut driver = Driver::open(&self.line, modem.clone()).map_err(failed)?;
        driver.lock().map_err(failed)?;
        driver.initialise().await.map_err(failed)?;
        let profile = driver.profile();
        let text = format!("{}: {} (profile {}), set up", self.line.port.display(), profile.name, profile.id);
        say(telling, "ready", &text, json!({ "profile": profile.id, "name": profile.name }))?;
        Ok(driver.into_line())
    }
}

/// Tells what comes, until there is a reason not to.
async fn listen(line: &mut Line, telling: &mut Telling, stop: &CancellationToken) -> Result<Ended, Failure> {
    let port = line.settings().port.clone();
    let mut narrator = Narrator::new(clock::now());
    let mut heard = 0;
    let mut signals = line.signals();
    for (name, state) in signals.named() {
        if let Some(state) = state {
            say_signal(telling, name, state)?;
        }
    }
    let mut look = tokio::time::interval(SIGNALS_LOOK);
    let ended = loop {
        let deadline = narrator.deadline().map(|(at, _)| at);
        let readable = tokio::select! {
            ready = line.readable() => { if ready.is_err() { break Ended::Gone } true }
            _ = look.tick(), if line.has_modem_lines() => false,
            () = clock::sleep_until(deadline) => false,
            () = stop.cancelled() => break Ended::Stopped,
        };
        if readable {
            // Bytes on a line that another program has locked are that program's.
            if let Ok(Some(holder)) = Lock::holder(&port) {
                break Ended::Lent(holder);
            }
            let mut buffer = [0; CHUNK];
            let read = tokio::select! {
                biased;
                read = line.read(&mut buffer) => read,
                // Nothing was there after all.
                () = std::future::ready(()) => Ok(0),
            };
            match read {
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if count > 0 {
                        tracing::trace!(port = %port.display(), bytes = %bytes.escape_ascii(), "heard");
                    }
                    narrator.handle_heard(bytes, Place::Byte(heard), clock::now());
                    heard += count as u64;
                }
                Err(LineError::Gone { .. }) => break Ended::Gone,
                Err(error) => return Err(line_failure(&error.into())),
            }
        }
        narrator.handle_timeout(clock::now());
        tell(&mut narrator, telling)?;
        if telling.is_closed() {
            break Ended::Stopped;
        }
        let now = line.signals();
        for ((name, before), (_, state)) in signals.named().into_iter().zip(now.named()) {
            if let Some(state) = state.filter(|state| Some(*state) != before) {
                say_signal(telling, name, state)?;
            }
        }
        signals = now;
    };
    narrator.handle_end();
    tell(&mut narrator, telling)?;
    Ok(ended)
}

fn tell(narrator: &mut Narrator, telling: &mut Telling) -> Result<(), Failure> {
    while let Some(told) = narrator.poll_output() {
        let time = telling.time();
        telling.tell(&told, Some(&time)).map_err(unwritable)?;
    }
    Ok(())
}

fn say(telling: &Telling, event: &str, text: &str, fields: Value) -> Result<(), Failure> {
    telling.remark(event, text, &telling.time(), fields).map_err(unwritable)
}

fn say_signal(telling: &Telling, name: &str, on: bool) -> Result<(), Failure> {
    let state = if on { "on" } else { "off" };
    say(telling, "signal", &format!("{name} {state}"), json!({ "signal": name, "on": on }))
}
