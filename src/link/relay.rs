//! Carries bytes between the modem's line and the pty that is pppd's line, and sees to it that neither side's first
//! request is lost: pppd's waits for the line, and the peer's waits until pppd has spoken, for at its start pppd throws
//! away what already waits in its tty.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hayes::driver::Online;
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frames::FrameWatch;
use super::meter::Meter;
use super::opening::Opening;

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

/// Holds what pppd says until it is given a line, then carries bytes until one side ends or `stop` is cancelled; gives the
/// line back, carrier or not, if it ever had one.
pub(super) async fn run(
    mut master: Master,
    mut line: oneshot::Receiver<Online>,
    meter: Arc<Meter>,
    stop: CancellationToken,
) -> (Option<Online>, RelayEnd) {
    let spoken = CancellationToken::new();
    let mut opening = Opening::default();
    let mut buffer = vec![0; CHUNK];
    let online = loop {
        tokio::select! {
            given = &mut line => match given {
                Ok(online) => break online,
                Err(_dropped) => return (None, RelayEnd::Stopped),
            },
            read = master.from_pppd.read(&mut buffer) => match read {
                Ok(0) | Err(_) => {
                    line.close();
                    return (line.try_recv().ok(), RelayEnd::PppdGone);
                }
                Ok(length) => {
                    spoken.cancel();
                    let held = buffer.get(..length).unwrap_or_default();
                    opening.handle_pppd(held, crate::clock::now(), &mut Vec::new());
                }
            },
            () = stop.cancelled() => {
                line.close();
                return (line.try_recv().ok(), RelayEnd::Stopped);
            }
        }
    };
    let mut first = Vec::new();
    opening.handle_connect(crate::clock::now(), &mut first);
    tracing::debug!(octets = first.len(), "pppd's first request goes out");
    let (from_line, to_line) = tokio::io::split(online);
    let opening = Mutex::new(opening);
    let (again, to_say_again) = mpsc::channel(1);
    let mut inward = Inward { line: from_line, pppd: master.to_pppd, meter: &meter, opening: &opening, again };
    let mut outward = Outward { pppd: master.from_pppd, line: to_line, meter: &meter, opening: &opening, to_say_again };
    let end = tokio::select! {
        end = inward.run(&spoken) => end,
        end = outward.run(&spoken, &first) => end,
        () = stop.cancelled() => RelayEnd::Stopped,
    };
    (Some(inward.line.unsplit(outward.line)), end)
}

/// From the line to pppd.
struct Inward<'relay> {
    line: ReadHalf<Online>,
    pppd: pipe::Sender,
    meter: &'relay Meter,
    opening: &'relay Mutex<Opening>,
    /// What must go out on the line before pppd answers what has come in.
    again: mpsc::Sender<Vec<u8>>,
}

impl Inward<'_> {
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
            self.open(bytes).await;
            if self.pppd.write_all(bytes).await.is_err() {
                return RelayEnd::PppdGone;
            }
            if watch.carrier_lost(crate::clock::now()) {
                return RelayEnd::CarrierLost;
            }
        }
    }

    async fn open(&mut self, bytes: &[u8]) {
        let mut first = Vec::new();
        {
            let mut opening = locked(self.opening);
            opening.handle_line(bytes, crate::clock::now(), &mut first);
            if opening.peer_speaks_lcp() {
                self.meter.note_lcp();
            }
        }
        if !first.is_empty() && self.again.send(first).await.is_err() {
            tracing::debug!("the relay is ending");
        }
    }
}

/// From pppd to the line.
struct Outward<'relay> {
    pppd: pipe::Receiver,
    line: WriteHalf<Online>,
    meter: &'relay Meter,
    opening: &'relay Mutex<Opening>,
    to_say_again: mpsc::Receiver<Vec<u8>>,
}

impl Outward<'_> {
    async fn run(&mut self, spoken: &CancellationToken, first: &[u8]) -> RelayEnd {
        if let Err(error) = self.pass_on(first).await {
            return line_gone(&error);
        }
        let mut watch = FrameWatch::default();
        let mut buffer = vec![0; CHUNK];
        let mut opening = true;
        loop {
            let read = tokio::select! {
                biased; // our request once more, before pppd's answer to the peer's
                Some(request) = self.to_say_again.recv() => {
                    tracing::debug!("the peer listens now: pppd's first request once more");
                    if let Err(error) = self.pass_on(&request).await {
                        return line_gone(&error);
                    }
                    continue;
                }
                read = self.pppd.read(&mut buffer) => read,
            };
            let length = match read {
                // A master whose slave is closed reads EIO, not an end of file.
                Ok(0) | Err(_) => return RelayEnd::PppdGone,
                Ok(length) => length,
            };
            spoken.cancel();
            let bytes = buffer.get(..length).unwrap_or_default();
            let before = watch.packets();
            watch.handle_bytes(bytes, crate::clock::now());
            self.meter.add_packets(watch.packets() - before);
            let passed_on = if opening {
                let mut passed = Vec::with_capacity(length);
                opening = {
                    let mut core = locked(self.opening);
                    core.handle_pppd(bytes, crate::clock::now(), &mut passed);
                    !core.is_over()
                };
                self.pass_on(&passed).await
            } else {
                self.pass_on(bytes).await
            };
            if let Err(error) = passed_on {
                return line_gone(&error);
            }
        }
    }

    async fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.write_all(bytes).await?;
        self.line.flush().await
    }
}

fn locked(opening: &Mutex<Opening>) -> MutexGuard<'_, Opening> {
    opening.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line_gone(error: &io::Error) -> RelayEnd {
    tracing::warn!(%error, "the line went away under the link");
    RelayEnd::LineGone
}

fn far_future() -> Instant {
    Instant::now() + std::time::Duration::from_secs(86_400)
}
