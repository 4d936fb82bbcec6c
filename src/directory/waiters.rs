//! Who waits for a host's next registration: woken right after the commit, and costing nothing while nobody waits.
//!
//! A waiter listens first and looks at the index afterwards, so no registration slips between the two.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::record::HostName;

/// The hosts that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    hosts: Mutex<HashMap<HostName, watch::Sender<()>>>,
    /// How many listen; the writer looks here first, and takes no lock for nobody.
    listening: AtomicUsize,
}

impl Waiters {
    /// Begins to listen for a host: every registration committed from here on is heard.
    pub(super) fn listen(self: &Arc<Self>, host: &HostName) -> Listening {
        self.listening.fetch_add(1, Ordering::SeqCst);
        let mut hosts = self.locked();
        let heard = match hosts.get(host) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, heard) = watch::channel(());
                hosts.insert(host.clone(), sender);
                heard
            }
        };
        drop(hosts);
        Listening { waiters: Arc::clone(self), host: host.clone(), heard: Some(heard) }
    }

    /// Wakes whoever waits for these hosts; the writer calls it once the index shows what it has committed.
    pub(super) fn committed<'h>(&self, hosts: impl Iterator<Item = &'h HostName>) {
        if self.listening() == 0 {
            return;
        }
        let waited_for = self.locked();
        for host in hosts {
            if let Some(sender) = waited_for.get(host) {
                sender.send_replace(());
            }
        }
    }

    /// How many listen at the moment.
    pub(super) fn listening(&self) -> usize {
        self.listening.load(Ordering::SeqCst)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<HostName, watch::Sender<()>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for a host; gone when dropped.
#[derive(Debug)]
pub(super) struct Listening {
    waiters: Arc<Waiters>,
    host: HostName,
    heard: Option<watch::Receiver<()>>,
}

impl Listening {
    /// Waits for the next registration of the host after the last one heard.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: what was committed meanwhile is heard by the next call.
    pub(super) async fn changed(&mut self) {
        let heard = match &mut self.heard {
            Some(heard) => heard.changed().await.is_ok(),
            None => false,
        };
        // The sender lives as long as its receivers.
        if !heard {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut hosts = self.waiters.locked();
        self.heard = None;
        if hosts.get(&self.host).is_some_and(watch::Sender::is_closed) {
            hosts.remove(&self.host);
        }
        drop(hosts);
        self.waiters.listening.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::directory::fixture::host;

    #[test]
    fn a_waiter_hears_its_own_host_only_and_also_what_came_before_it_waited() {
        let (waiters, home, away) = (Arc::new(Waiters::default()), host("home.dyn.test"), host("away.dyn.test"));
        let (mut first, mut second) = (waiters.listen(&home), waiters.listen(&home));
        assert!(first.changed().now_or_never().is_none());
        waiters.committed([&away].into_iter());
        assert!(first.changed().now_or_never().is_none());
        waiters.committed([&home].into_iter());
        assert!(first.changed().now_or_never().is_some());
        assert!(first.changed().now_or_never().is_none(), "one commit is heard once");
        assert!(second.changed().now_or_never().is_some());
    }

    #[test]
    fn nothing_is_left_of_those_who_went() {
        let (waiters, home) = (Arc::new(Waiters::default()), host("home.dyn.test"));
        let (first, second) = (waiters.listen(&home), waiters.listen(&home));
        assert_eq!(waiters.listening(), 2);
        drop(first);
        assert_eq!((waiters.listening(), waiters.locked().len()), (1, 1));
        drop(second);
        assert_eq!((waiters.listening(), waiters.locked().len()), (0, 0));
        waiters.committed([&home].into_iter());
    }
}
