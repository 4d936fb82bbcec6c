//! A connected line: data both ways.
//!
//! Owns the bytes between `CONNECT` and the end of the call. Refuses to look into them: `NO CARRIER` in the data is
//! data; the end of the call shows in the carrier, in silence, or in the end of the line.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Driver, now};
use crate::modem::Carrier;
use crate::reply::Connect;

/// The data of a connected line. Reads begin with the first byte after the line of `CONNECT`; none is missing.
///
/// Dropping it closes the line, which hangs up by DTR.
#[derive(Debug)]
pub struct Online {
    driver: Driver,
}

impl Online {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Returns what the modem said of the connection.
    #[must_use]
    pub fn connect(&self) -> &Connect {
        &self.driver.connect
    }

    /// Reads the carrier signal; it may rise only seconds after `CONNECT`.
    pub fn carrier(&mut self) -> Carrier {
        self.driver.line.carrier()
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

impl AsyncRead for Online {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let driver = &mut self.get_mut().driver;
        while driver.incoming.is_empty() {
            let Poll::Ready(count) = driver.line.poll_read(cx, buf.initialize_unfilled()) else { return Poll::Pending };
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
