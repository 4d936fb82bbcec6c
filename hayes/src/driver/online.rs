//! A connected line: data both ways.
//!
//! Owns the bytes between `CONNECT` and the end of the call. Refuses to look into them: `NO CARRIER` in the data is
//! data; the end of the call shows in the carrier, where the tty has it, in silence, or in the end of the line.

use std::future::Future as _;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::{Driver, now};
use crate::line::{CarrierWatch, Signals};
use crate::modem::Carrier;
use crate::reply::Connect;

/// How often the carrier is looked at while nothing comes: nothing tells of its fall (no TIOCMIWAIT in tokio). Our
/// choice: soon enough for whoever waits for the end of a call, and no load on the machine.
const CARRIER_LOOK: Duration = Duration::from_millis(250);

/// The data of a connected line. Reads begin with the first byte after the line of `CONNECT`; none is missing. They
/// come to an end when the line does, or within a quarter of a second when a carrier that was there has gone and all
/// that came before has been read.
///
/// Dropping it closes the line, which hangs up by DTR.
#[derive(Debug)]
pub struct Online {
    driver: Driver,
    watch: CarrierWatch,
    /// When the carrier is looked at next, while a read waits.
    look: Pin<Box<Sleep>>,
}

impl Online {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver, watch: CarrierWatch::default(), look: Box::pin(tokio::time::sleep(CARRIER_LOOK)) }
    }

    /// Returns what the modem said of the connection.
    #[must_use]
    pub fn connect(&self) -> &Connect {
        &self.driver.connect
    }

    /// Reads the carrier signal; it may rise only seconds after `CONNECT`.
    pub fn carrier(&mut self) -> Carrier {
        let carrier = self.driver.line.carrier();
        self.watch.note(carrier);
        carrier
    }

    /// Reads all of the modem's signals.
    pub fn signals(&mut self) -> Signals {
        self.driver.line.signals()
    }

    /// Duplicates the open tty, for a program that takes it as its standard input (pppd).
    ///
    /// Bytes that were read already stay here: [`take_leftover`](Self::take_leftover).
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.driver.line.duplicate()
    }

    /// Takes the data that was read together with `CONNECT`; at most one byte unless the modem connected unasked.
    #[must_use]
    pub fn take_leftover(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.driver.incoming)
    }

    /// Takes the line back, still in data state: [`Driver::hang_up`] ends the call. Data not read is thrown away.
    #[must_use]
    pub fn into_driver(mut self) -> Driver {
        self.driver.incoming.clear();
        self.driver
    }
}

impl CarrierWatch {
    /// Is ready once the carrier is lost; until then sleeps from one look at it to the next.
    fn poll_lost(
        &mut self,
        mut look: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
        mut carrier: impl FnMut() -> Carrier,
    ) -> Poll<()> {
        while !self.is_lost() {
            if look.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.note(carrier());
            look.as_mut().reset(Instant::now() + CARRIER_LOOK);
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Online {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let driver = &mut this.driver;
        while driver.incoming.is_empty() {
            let Poll::Ready(count) = driver.line.poll_read(cx, buf.initialize_unfilled()) else {
                if !driver.line.has_modem_lines() {
                    return Poll::Pending;
                }
                return this.watch.poll_lost(this.look.as_mut(), cx, || driver.line.carrier()).map(Ok);
            };
            let count = match count {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            };
            let fresh = buf.initialize_unfilled().get(..count).unwrap_or_default();
            let linefeed = driver.modem.handle_bytes(fresh, now());
            if linefeed == 0 {
                buf.advance(count);
                return Poll::Ready(Ok(()));
            }
            driver.incoming.extend(fresh.iter().skip(linefeed));
        }
        let count = driver.incoming.len().min(buf.remaining());
        buf.put_slice(driver.incoming.get(..count).unwrap_or_default());
        driver.incoming.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Online {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().driver.line.poll_write(cx, buf)
    }

    /// Does nothing: the system has what was written, and waiting for a slow line to drain would block the runtime.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: a line has no half of its own to close.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_waits_ends_when_the_carrier_falls() {
        let began = Instant::now();
        let mut watch = CarrierWatch::default();
        let mut look = Box::pin(tokio::time::sleep(CARRIER_LOOK));
        let looks = Cell::new(0);
        let carrier = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Carrier::Absent,
                2 | 3 => Carrier::Present,
                _ => Carrier::Absent,
            }
        };
        poll_fn(|cx| watch.poll_lost(look.as_mut(), cx, carrier)).await;
        assert_eq!((looks.get(), began.elapsed()), (4, CARRIER_LOOK * 4), "one look each time, and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_carrier_that_is_unknown_is_waited_for_without_end() {
        let mut watch = CarrierWatch::default();
        let mut look = Box::pin(tokio::time::sleep(CARRIER_LOOK));
        let lost = poll_fn(|cx| watch.poll_lost(look.as_mut(), cx, || Carrier::Unknown));
        assert!(tokio::time::timeout(CARRIER_LOOK * 100, lost).await.is_err());
    }
}
