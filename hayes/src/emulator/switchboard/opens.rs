//! When terminals are opened and closed, as inotify tells it.
//!
//! Owns the watches and whose they are; how many holders a terminal has is counted at its desk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::desk::{Desk, Input};
use crate::readiness::{Opens, register_opens};

/// The watches on all terminals, not yet known to a runtime.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: Inotify,
    desks: BTreeMap<WatchDescriptor, usize>,
}

/// The same, ready to be waited for.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    opens: AsyncFd<Opens>,
    desks: BTreeMap<WatchDescriptor, usize>,
}

impl Watches {
    pub(super) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self { inotify, desks: BTreeMap::new() })
    }

    /// Watches the slave of the terminal at the desk of this index.
    pub(super) fn add(&mut self, slave: &Path, desk: usize) -> io::Result<()> {
        let watch = self.inotify.add_watch(slave, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE)?;
        self.desks.insert(watch, desk);
        Ok(())
    }

    /// Needs a runtime.
    pub(super) fn register(self) -> io::Result<Doorkeeper> {
        Ok(Doorkeeper { opens: register_opens(Opens(self.inotify))?, desks: self.desks })
    }
}

impl Doorkeeper {
    /// Takes in which terminals were opened and closed. The kernel is asked each time, for the runtime passes its word
    /// on only when this task waits, while a terminal once found readable is read without waiting.
    pub(super) fn poll(&self, desks: &mut [Desk], cx: &mut Context<'_>, inputs: &mut Vec<(usize, Input)>) {
        // Of whom news has come: only their count can have gone wrong.
        let mut stirred = BTreeSet::new();
        let mut looked = false;
        loop {
            let events = match self.opens.get_ref().0.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) if !looked && look(desks, &stirred) => {
                    looked = true;
                    continue;
                }
                Err(Errno::EAGAIN) => {
                    for index in std::mem::take(&mut stirred) {
                        if let Some(desk) = desks.get_mut(index) {
                            desk.correct_holders();
                        }
                    }
                    let Poll::Ready(Ok(mut guard)) = self.opens.poll_read_ready(cx) else { return };
                    guard.clear_ready();
                    continue;
                }
                Err(error) => return tracing::warn!(%error, "opening of terminals may have been missed"),
            };
            looked = false;
            for (index, masks) in self.by_desk(&events, desks.len()) {
                let Some(desk) = desks.get_mut(index) else { continue };
                if !desk.is_served() {
                    inputs.push((index, Input::Opened));
                }
                if desk.count_holders(&masks) {
                    inputs.push((index, Input::Closed));
                }
                stirred.insert(index);
            }
        }
    }

    /// What happened at each desk; at all of them, if some of it was lost.
    fn by_desk(&self, events: &[InotifyEvent], desks: usize) -> BTreeMap<usize, Vec<AddWatchFlags>> {
        let overflow = events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
        let all = if overflow { 0..desks } else { 0..0 };
        let mut by_desk: BTreeMap<usize, Vec<AddWatchFlags>> = all.map(|index| (index, Vec::new())).collect();
        for event in events {
            if let Some(index) = self.desks.get(&event.wd) {
                by_desk.entry(*index).or_default().push(event.mask);
            }
        }
        by_desk
    }
}

/// Whether any of these terminals is open although all its holders seem to have left.
fn look(desks: &mut [Desk], stirred: &BTreeSet<usize>) -> bool {
    let mut any = false;
    for index in stirred {
        any |= desks.get_mut(*index).is_some_and(Desk::look);
    }
    any
}
