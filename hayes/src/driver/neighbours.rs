//! The line shared with other programs: left to whoever has locked or opened it, and taken up again afterwards.

use std::time::Duration;

use super::{Driver, DriverError};
use crate::line::{Line, LineError, Lock, Visitors};
use crate::modem::Event;

/// How often a line that another program has is looked at; it may be in use for hours.
const LENT_LOOK: Duration = Duration::from_millis(500);
/// How long a program that knows no locks may have the line open before it counts as taken: stty and the like only look.
const GLANCE: Duration = Duration::from_millis(250);

/// The other programs on this machine that may use the line.
#[derive(Debug)]
pub(super) struct Neighbours {
    visitors: Visitors,
    /// One of them has it.
    lent: bool,
    /// One of them was in our way: it is waited for without being told of.
    pub(super) waits: bool,
}

impl Neighbours {
    pub(super) fn of(line: &Line) -> Self {
        Self { visitors: line.visitors(), lent: false, waits: false }
    }

    /// What they did while the line was locked does not count.
    pub(super) fn forget_past(&mut self) {
        self.visitors.take_used();
    }
}

impl Driver {
    /// Waits until there is something to read on a line that nobody else has; or tells that somebody has it, or had.
    pub(super) async fn share(&mut self) -> Result<Option<Event>, DriverError> {
        let mut readable = false;
        loop {
            if self.neighbours.lent || self.neighbours.waits {
                while self.is_used()? {
                    tokio::time::sleep(LENT_LOOK).await;
                }
                return self.returned().map(Some);
            }
            if self.is_used()? {
                if self.stays().await? {
                    self.neighbours.lent = true;
                    return Ok(Some(Event::Lent { process: self.user()? }));
                }
                // Who only looks may change the tty's settings all the same.
                self.line.restore()?;
            }
            if self.neighbours.visitors.take_used() {
                return self.returned().map(Some);
            }
            if readable {
                return Ok(None);
            }
            let Self { line, neighbours, .. } = self;
            tokio::select! {
                ready = line.readable() => {
                    ready?;
                    readable = true;
                }
                () = neighbours.visitors.stirred() => {
                    if !self.is_used()? {
                        self.line.restore()?;
                    }
                }
            }
        }
    }

    /// Reports whether a program that has the line keeps it: at once if it has locked it.
    async fn stays(&mut self) -> Result<bool, DriverError> {
        if self.holder()?.is_none() {
            tokio::time::sleep(GLANCE).await;
        }
        self.is_used()
    }

    fn returned(&mut self) -> Result<Event, DriverError> {
        self.line.restore()?;
        self.neighbours.forget_past();
        (self.neighbours.lent, self.neighbours.waits) = (false, false);
        Ok(Event::Returned)
    }

    /// Reports whether another program has the line, by its lock or by having it open.
    fn is_used(&mut self) -> Result<bool, DriverError> {
        Ok(self.holder()?.is_some() || self.neighbours.visitors.present())
    }

    /// The process that has it, where that can be seen.
    fn user(&self) -> Result<Option<u32>, DriverError> {
        let holder = self.holder()?;
        Ok(holder.or_else(|| self.line.opened_by().first().map(|process| process.id)))
    }

    fn holder(&self) -> Result<Option<u32>, LineError> {
        let port = self.port();
        let holder = match &self.lock_directory {
            Some(directory) => Lock::holder_in(directory, port),
            None => Lock::holder(port),
        };
        match holder {
            // The tty has lost its name: reading it will tell that it is gone.
            Err(LineError::Missing { .. }) => Ok(None),
            other => other,
        }
    }
}
