//! Hears of every jump of the wall clock, which a resume is one of, without looking at it: the kernel cancels a timer
//! that was set to the end of time (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A timer that only a jump of the clock ends.
#[derive(Debug)]
pub(super) struct ClockSet {
    /// Read from as from a pipe, of which tokio knows how to wait.
    timer: Receiver,
}

/// So far ahead that no clock gets there: the year 2242.
const NEVER: Timespec = Timespec { tv_sec: 1 << 33, tv_nsec: 0 };

impl ClockSet {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel has no such timers.
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        set(timer.as_fd())?;
        Ok(Self { timer: Receiver::from_owned_fd_unchecked(timer)? })
    }

    /// Waits for the next jump.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn jumped(&self) -> io::Result<()> {
        loop {
            self.timer.readable().await?;
            match self.timer.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() != Some(rustix::io::Errno::CANCELED.raw_os_error()) => {
                    return Err(error);
                }
                Ok(_) | Err(_) => return set(self.timer.as_fd()),
            }
        }
    }
}

fn set(timer: BorrowedFd<'_>) -> io::Result<()> {
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    let never = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: NEVER };
    timerfd_settime(timer, flags, &never).map(drop).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_does_not_jump_is_not_heard_of() {
        let clock = ClockSet::new().unwrap();
        let heard = tokio::time::timeout(std::time::Duration::from_millis(20), clock.jumped()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}
