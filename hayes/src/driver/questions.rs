//! Asking a modem: what it is, which calls there are, and whatever else changes nothing.

use super::{Driver, DriverError};
use crate::line;
use crate::modem::{Answer, Event, Request};
use crate::profile::Identification;
use crate::reply::ListedCall;

impl Driver {
    /// Asks the modem what it is; it need not have been initialised.
    ///
    /// # Errors
    ///
    /// [`DriverError::Silent`] if it does not answer, [`DriverError::Occupied`] in a call, [`DriverError::Line`] if the
    /// line fails.
    ///
    /// # Cancel safety
    ///
    /// As [`probe`](Self::probe).
    pub async fn identify(&mut self) -> Result<Identification, DriverError> {
        self.request(Request::Identify).await?;
        loop {
            let event = self.progress_to_answer().await?;
            if let Event::Identified(mut seen) = event {
                seen.usb = line::usb_id(self.port());
                return Ok(seen);
            }
            self.keep(event);
        }
    }

    /// Asks one thing: a command without `AT` that changes nothing, such as `+FCLASS=?`, `S7?`, `&V`, or the kind's
    /// [list of blacklisted numbers](crate::profile::Setup::blacklist).
    ///
    /// # Errors
    ///
    /// [`DriverError::NoQuestion`] for what could go off hook or change a setting, else as [`identify`](Self::identify).
    /// That the modem refuses to answer is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`probe`](Self::probe).
    pub async fn ask(&mut self, command: &str) -> Result<Answer, DriverError> {
        self.request(Request::Ask(command.parse()?)).await?;
        loop {
            let event = self.progress_to_answer().await?;
            if let Event::Answered(answer) = event {
                return Ok(answer);
            }
            self.keep(event);
        }
    }

    /// Asks which calls there are; `None` if this kind of modem has no list of them, or refused it.
    ///
    /// # Errors
    ///
    /// As [`identify`](Self::identify).
    ///
    /// # Cancel safety
    ///
    /// As [`probe`](Self::probe).
    pub async fn list_calls(&mut self) -> Result<Option<Vec<ListedCall>>, DriverError> {
        self.request(Request::ListCalls).await?;
        let mut calls = Vec::new();
        loop {
            let event = self.progress_to_answer().await?;
            if let Event::CallsListed(complete) = event {
                return Ok(complete.then_some(calls));
            } else if let Event::CallListed(call) = event {
                calls.push(call);
            } else {
                self.keep(event);
            }
        }
    }
}
