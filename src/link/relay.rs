//! Carries bytes between the modem's line and the pty that is pppd's line, and holds the peer's first bytes until pppd
//! has spoken: at its start pppd throws away what already waits in its tty, and with it the peer's first request.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hayes::driver::Online;
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::unix::pipe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frames::FrameWatch;
use super::meter::Meter;

/// What one read may bring; a PPP frame with everything escaped is about 3000 octets.
const CHUNK: usize = 4096;

/// Why the relay ended.
#[derive(Debug)]
pub(super) enum RelayEnd {
    /// pppd closed its side.
    PppdGone,
    /// The modem said, or showed, that the carrier is gone.
    CarrierLost,
    /// The line itself is gone; the cause is in the log.
    LineGone,
    /// We were told to stop.
    Stopped,
}

/// Our end of pppd's line.
#[derive(Debug)]
pub(super) struct Master {
    from_pppd: pipe::Receiver,
    to_pppd: pipe::Sender,
}

/// Makes a pty for pppd: our end, and the end that becomes pppd's standard input.
pub(super) fn pty() -> io::Result<(Master, OwnedFd)> {
    // Not openpty(3): no program that we start may inherit the master. A pppd that held its own would miss the hang-up
    // when we end.
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open(ptsname_r(&master)?.as_str(), OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())?;
    let master = OwnedFd::from(master);
    let mut settings = tcgetattr(&slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
    // A pty's master reads and writes as a pipe does; tokio's pipe ends need no more than that.
    let from_pppd = pipe::Receiver::from_file_unchecked(File::from(master.try_clone()?))?;
    let to_pppd = pipe::Sender::from_file_unchecked(File::from(master))?;
    Ok((Master { from_pppd, to_pppd }, slave))
}

/// Carries bytes until one side ends or `stop` is cancelled; gives the line back, carrier or not.
pub(super) async fn run(
    online: Online,
    master: Master,
    meter: Arc<Meter>,
    stop: CancellationToken,
) -> (Online, RelayEnd) {
    let (from_line, to_line) = tokio::io::split(online);
    let mut inward = Inward { line: from_line, pppd: master.to_pppd, meter: Arc::clone(&meter) };
    let mut outward = Outward { pppd: master.from_pppd, line: to_line, meter };
    let spoken = CancellationToken::new();
    let end = tokio::select! {
        end = inward.run(&spoken) => end,
        end = outward.run(&spoken) => end,
        () = stop.cancelled() => RelayEnd::Stopped,
    };
    (inward.line.unsplit(outward.line), end)
}

/// From the line to pppd.
struct Inward {
    line: ReadHalf<Online>,
    pppd: pipe::Sender,
    meter: Arc<Meter>,
}

impl Inward {
    async fn run(&mut self, spoken: &CancellationToken) -> RelayEnd {
        spoken.cancelled().await;
        let mut watch = FrameWatch::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            let deadline = watch.deadline().map_or_else(far_future, |(at, _why)| Instant::from_std(at));
            let length = tokio::select! {
                read = self.line.read(&mut buffer) => match read {
                    Ok(0) => return line_gone(&io::ErrorKind::UnexpectedEof.into()),
                    Ok(length) => length,
                    Err(error) => return line_gone(&error),
                },
                () = tokio::time::sleep_until(deadline) => 0,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let before = watch.packets();
            watch.handle_bytes(bytes, crate::clock::now());
            self.meter.add_packets(watch.packets() - before);
            self.meter.note_words(watch.words());
            if self.pppd.write_all(bytes).await.is_err() {
                return RelayEnd::PppdGone;
            }
            if watch.carrier_lost(crate::clock::now()) {
                return RelayEnd::CarrierLost;
            }
        }
    }
}

/// From pppd to the line.
struct Outward {
    pppd: pipe::Receiver,
    line: WriteHalf<Online>,
    meter: Arc<Meter>,
}

impl Outward {
    async fn run(&mut self, spoken: &CancellationToken) -> RelayEnd {
        let mut watch = FrameWatch::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match self.pppd.read(&mut buffer).await {
                // A master whose slave is closed reads EIO, not an end of file.
                Ok(0) | Err(_) => return RelayEnd::PppdGone,
                Ok(length) => length,
            };
            spoken.cancel();
            let bytes = buffer.get(..length).unwrap_or_default();
            let before = watch.packets();
            watch.handle_bytes(bytes, crate::clock::now());
            self.meter.add_packets(watch.packets() - before);
            let passed_on = async {
                self.line.write_all(bytes).await?;
                self.line.flush().await
            };
            if let Err(error) = passed_on.await {
                return line_gone(&error);
            }
        }
    }
}

fn line_gone(error: &io::Error) -> RelayEnd {
    tracing::warn!(%error, "the line went away under the link");
    RelayEnd::LineGone
}

fn far_future() -> Instant {
    Instant::now() + std::time::Duration::from_secs(86_400)
}
