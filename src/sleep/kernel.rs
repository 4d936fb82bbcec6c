//! The kernel's own way to sleep, /sys/power, for machines without logind.
//!
//! Owns the handshake of `wakeup_count`: whoever is to sleep reads the count of wake-up events, makes sure that nothing
//! is going on, and writes it back; an event in between, such as a ring, makes that or the suspension itself fail
//! (Documentation/ABI/testing/sysfs-power). Blocks while the machine sleeps.

use std::io;
use std::path::{Path, PathBuf};

/// /sys/power, or a copy of it.
#[derive(Clone, Debug)]
pub(super) struct Power {
    folder: PathBuf,
}

/// The name under which the machine is kept awake.
const WAKE_LOCK: &str = "ringup";

impl Power {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// How often the machine has slept since it was started; `None` where the kernel does not count.
    pub(super) fn suspends(&self) -> Option<u64> {
        self.read("suspend_stats/success").ok()?.trim().parse().ok()
    }

    /// Whether the kernel can sleep in this way.
    pub(super) fn can(&self, state: &str) -> bool {
        self.read("state").is_ok_and(|states| states.split_whitespace().any(|one| one == state))
    }

    /// Which interrupt ended the last sleep, by its number and its devices; `None` where the kernel does not tell.
    pub(super) fn woken_by(&self) -> Option<String> {
        let number: u32 = self.read("pm_wakeup_irq").ok()?.trim().parse().ok()?;
        let actions = self.folder.parent()?.join(format!("kernel/irq/{number}/actions"));
        let devices = std::fs::read_to_string(actions).unwrap_or_default();
        Some(match devices.trim() {
            "" => format!("interrupt {number}"),
            devices => format!("interrupt {number} ({devices})"),
        })
    }

    /// Keeps the kernel from sleeping by itself, or lets it; only kernels with wake locks do so at all.
    pub(super) fn keep_awake(&self, awake: bool) {
        let file = if awake { "wake_lock" } else { "wake_unlock" };
        match self.write(file, WAKE_LOCK) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(file, %error, "no wake lock"),
        }
    }

    /// Suspends the machine, unless `is_busy` says at the last moment that something is going on, or a wake-up event
    /// comes. Returns when the machine is awake again.
    ///
    /// # Errors
    /// `ErrorKind::Interrupted` when something came in between; else what the kernel refused.
    pub(super) fn suspend(&self, state: &str, is_busy: impl Fn() -> bool) -> io::Result<()> {
        let raced = || io::Error::new(io::ErrorKind::Interrupted, "something came in between");
        // Kernels without wake-up sources have no count; reading it waits for events that are being handled.
        let count = match self.read("wakeup_count") {
            Ok(count) => Some(count),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if is_busy() {
            return Err(raced());
        }
        if let Some(count) = count {
            self.write("wakeup_count", count.trim()).map_err(|_changed| raced())?;
        }
        match self.write("state", state) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Err(raced()),
            other => other,
        }
    }

    fn read(&self, file: &str) -> io::Result<String> {
        std::fs::read_to_string(self.folder.join(file))
    }

    /// Writes without creating: a file that the kernel does not have is not to be made up.
    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let mut opened = std::fs::OpenOptions::new().write(true).open(self.folder.join(file))?;
        io::Write::write_all(&mut opened, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_count_is_written_back_before_the_state() {
        let folder = Scratch::new("power");
        folder.write("wakeup_count", "17\n");
        folder.write("state", "freeze mem\n");
        let power = Power::new(folder.root());
        assert!(power.can("freeze") && power.can("mem") && !power.can("disk"));
        power.suspend("freeze", || false).unwrap();
        assert_eq!((folder.read("wakeup_count"), folder.read("state")), ("17\n".to_owned(), "freeze mem\n".to_owned()));
    }

    #[test]
    fn a_ring_at_the_last_moment_keeps_the_machine_awake() {
        let folder = Scratch::new("power-busy");
        folder.write("wakeup_count", "17\n");
        folder.write("state", "freeze\n");
        let refused = Power::new(folder.root()).suspend("freeze", || true).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Interrupted);
        assert_eq!(folder.read("state"), "freeze\n", "nothing was written");
    }

    #[test]
    fn nothing_is_made_up_where_the_kernel_cannot_sleep() {
        let folder = Scratch::new("power-none");
        let power = Power::new(folder.root());
        assert!(!power.can("mem"));
        assert_eq!(power.suspends(), None);
        assert_eq!(power.suspend("mem", || false).unwrap_err().kind(), io::ErrorKind::NotFound);
        power.keep_awake(true);
        assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), 0);
    }

    #[test]
    fn what_woke_the_machine_is_told_by_its_interrupt() {
        let folder = Scratch::new("power-irq");
        let power = Power::new(&folder.path("power"));
        assert_eq!(power.woken_by(), None);
        folder.write("power/pm_wakeup_irq", "4\n");
        assert_eq!(power.woken_by().as_deref(), Some("interrupt 4"));
        folder.write("kernel/irq/4/actions", "ttyS0\n");
        assert_eq!(power.woken_by().as_deref(), Some("interrupt 4 (ttyS0)"));
    }

    #[test]
    fn a_kernel_with_wake_locks_is_told() {
        let folder = Scratch::new("power-lock");
        folder.write("wake_lock", "");
        folder.write("wake_unlock", "");
        let power = Power::new(folder.root());
        power.keep_awake(true);
        assert_eq!((folder.read("wake_lock").as_str(), folder.read("wake_unlock").as_str()), ("ringup", ""));
        power.keep_awake(false);
        assert_eq!(folder.read("wake_unlock"), "ringup");
    }
}
