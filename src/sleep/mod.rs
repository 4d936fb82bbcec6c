//! The machine's sleep: held off while somebody rings or a link stands, noticed when it was over, begun when nothing has
//! happened for long enough, and ended by a ring.
//!
//! Owns the locks on sleep, the switches for wake on ring, and the decision to suspend. Refuses to know what a ring or a
//! link is: whoever has one keeps a [`Hold`]. Works with logind where there is one, else with the kernel alone.

mod arm;
mod bus;
mod clock_set;
mod doze;
mod event;
mod kernel;
mod logind;
mod resume;
mod watchman;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::kernel::Power;
use self::resume::{Resumes, Seen};
use self::watchman::Watchman;

pub use self::event::Event;

/// What the owner wants of the machine's sleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long nothing must have happened before the machine is suspended; `None`: never by us.
    pub suspend_after: Option<Duration>,
    /// The state to sleep in, where the kernel is asked directly: `mem`, `freeze`, `standby` or `disk`.
    pub state: String,
    /// Whether sleep is held off from the first ring until the link is down.
    pub inhibit: bool,
    /// Whether the ports are told to wake the machine on a ring.
    pub wake_on_ring: WakeOnRing,
    /// A file that keeps the machine awake for as long as it is there.
    pub stay_awake: PathBuf,
    /// Where the kernel shows its devices: /sys.
    pub sys: PathBuf,
}

/// Whether the ports are told to wake the machine on a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeOnRing {
    /// They are left alone.
    No,
    /// Those that can are; what cannot is no news where nobody asked for sleep.
    WherePossible,
    /// They are, and the owner hears of one that cannot.
    Wanted,
}

/// The machine's sleep, shared by all who care.
#[derive(Clone, Debug)]
pub struct Sleep {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: watch::Sender<Arc<Settings>>,
    sys: PathBuf,
    power: Power,
    holds: watch::Sender<usize>,
    moment: watch::Sender<Moment>,
    resumes: Mutex<Resumes>,
}

/// How the machine's sleep stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// How often the machine has slept since this program was started. What was up before may be dead.
    pub naps: u64,
    /// Sleep has been announced, and waits for a few seconds only: say goodbye and drop every [`Hold`].
    pub going: bool,
}

/// Keeps the machine awake while it lives.
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
}

impl Sleep {
    /// The sleep of this machine, as it stands now.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let power = Power::new(&settings.sys.join("power"));
        let resumes = Mutex::new(Resumes::new(seen(&power)));
        let (holds, moment) = (watch::Sender::new(0), watch::Sender::new(Moment::default()));
        let (sys, settings) = (settings.sys.clone(), watch::Sender::new(Arc::new(settings)));
        Self { shared: Arc::new(Shared { settings, sys, power, holds, moment, resumes }) }
    }

    /// What the owner wants now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.shared.settings.borrow())
    }

    /// The owner wants something else from now on; tells whether it is anything else. Ports that are to be armed now are
    /// [armed](Self::arm) by whoever has them; those that are armed stay so until the machine is started anew.
    pub fn set_settings(&self, settings: Settings) -> bool {
        self.shared.settings.send_if_modified(|now| {
            let changed = **now != settings;
            if changed {
                *now = Arc::new(settings);
            }
            changed
        })
    }

    /// Keeps the machine awake until the hold is dropped.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.shared.holds.send_modify(|holds| *holds += 1);
        Hold { shared: Arc::clone(&self.shared) }
    }

    /// Follows what happens; what has happened before counts as seen.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Moment> {
        self.shared.moment.subscribe()
    }

    /// Looks whether the machine has slept since the last look, and tells everybody who follows; gives the moment.
    pub fn look(&self) -> Moment {
        let naps = {
            let mut resumes = self.shared.resumes.lock().unwrap_or_else(PoisonError::into_inner);
            resumes.handle_look(seen(&self.shared.power))
        };
        self.shared.moment.send_if_modified(|moment| std::mem::replace(&mut moment.naps, naps) != naps);
        *self.shared.moment.borrow()
    }

    /// Has a ring on this port wake the machine, if the owner wants that; tells whether it will, where that is news.
    #[must_use]
    pub fn arm(&self, port: &Path) -> Option<Event> {
        let wanted = self.shared.settings.borrow().wake_on_ring;
        if wanted == WakeOnRing::No {
            return None;
        }
        let line = port.display().to_string();
        let hops = arm::arm(&self.shared.sys, port);
        for hop in &hops {
            tracing::debug!(line, device = %hop.device.display(), state = ?hop.state, "wake on ring");
        }
        match arm::complaint(&hops) {
            None => Some(Event::Armed { line, hops: hops.len() }),
            Some(cause) if wanted == WakeOnRing::Wanted => Some(Event::NotArmed { line, cause }),
            Some(cause) => {
                tracing::debug!(line, cause, "not armed");
                None
            }
        }
    }

    /// Holds sleep off, begins and notices it, until told to stop.
    pub async fn watch(&self, say: impl Fn(&Event) + Send, shutdown: &CancellationToken) {
        Watchman::new(self.clone(), say).run(shutdown).await;
    }

    /// How long the last nap was, as far as the clocks tell.
    fn nap_length(&self) -> Duration {
        self.shared.resumes.lock().unwrap_or_else(PoisonError::into_inner).length()
    }

    fn is_held(&self) -> bool {
        *self.shared.holds.borrow() > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.holds.send_modify(|holds| *holds = holds.saturating_sub(1));
    }
}

fn seen(power: &Power) -> Seen {
    Seen { suspends: power.suspends(), slept: crate::clock::slept() }
}

#[cfg(test)]
mod tests;
