//! What the router in front of this machine is known as outside: the owner's command tells, now and then, and whenever a
//! client asks this machine to prove that it is met there.
//!
//! A machine behind a router cannot see for itself when the address in front of it is lent to somebody else. So a proof
//! of it is made only on a word that is a few seconds old at the most.

use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::sync::{Mutex, watch};

use crate::record::Reachability;

/// How old the command's word may be for a proof; counted from when it was asked.
const FRESH: Duration = Duration::from_secs(10);
/// How long the command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(5);
/// The most addresses that are taken from it: each family has one, as a rule.
const MOST: usize = 4;

/// How the owner's command is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How often.
    pub every: Duration,
}

/// The router's addresses; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    settings: Settings,
    word: Arc<Mutex<Option<Word>>>,
    known: watch::Sender<Known>,
}

/// What the command said, and when it was asked.
#[derive(Debug)]
struct Word {
    asked: Instant,
    addresses: Result<Vec<IpAddr>, String>,
}

/// What is known of the router, and why no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) trouble: Option<String>,
}

impl Outside {
    /// Nothing is known yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, word: Arc::default(), known: watch::Sender::new(Known::default()) }
    }

    /// Follows what is known.
    pub(super) fn follow(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Asks now and then, for ever.
    pub(super) async fn keep_asking(self) {
        loop {
            self.addresses().await.ok();
            tokio::time::sleep(self.settings.every).await;
        }
    }

    /// The address of a family by which a client may know this machine, if the command's word for it is fresh.
    pub(super) async fn confirmed(&self, like: IpAddr) -> Option<IpAddr> {
        let addresses = self.addresses().await.ok()?;
        addresses.into_iter().find(|address| address.is_ipv4() == like.is_ipv4())
    }

    /// The command's word, asked anew unless it is fresh.
    async fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        // Whoever comes second waits, and has the same word.
        let mut word = self.word.lock().await;
        let asked = crate::clock::now();
        if let Some(word) = word.as_ref().filter(|word| asked.saturating_duration_since(word.asked) < FRESH) {
            return word.addresses.clone();
        }
        let addresses = ask(&self.settings.command).await;
        self.known.send_if_modified(|known| {
            let before = known.clone();
            match &addresses {
                Ok(addresses) => *known = Known { addresses: addresses.clone(), trouble: None },
                // What was known last counts on: the record is no proof.
                Err(why) => known.trouble = Some(why.clone()),
            }
            *known != before
        });
        *word = Some(Word { asked, addresses: addresses.clone() });
        addresses
    }
}

/// The addresses that are registered: this machine's own as far as anybody can reach them, and the router's.
pub(super) fn published(own: &[IpAddr], router: &[IpAddr]) -> Vec<IpAddr> {
    if router.is_empty() {
        return own.to_vec();
    }
    let public = own.iter().filter(|address| Reachability::of(**address) == Reachability::Public);
    router.iter().chain(public).copied().collect()
}

async fn ask(command: &[String]) -> Result<Vec<IpAddr>, String> {
    let Some((program, arguments)) = command.split_first() else { return Err("there is no command".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(COMMAND_WITHIN, command.output()).await {
        Ok(Ok(output)) if output.status.success() => output.stdout,
        Ok(Ok(output)) => return Err(format!("{program} ended with {}", output.status)),
        Ok(Err(error)) => return Err(format!("{program} cannot be run: {error}")),
        Err(_elapsed) => return Err(format!("{program} did not end within {} s", COMMAND_WITHIN.as_secs())),
    };
    let said = String::from_utf8_lossy(&output);
    let addresses: Result<Vec<IpAddr>, _> = said.split_whitespace().take(MOST).map(str::parse::<IpAddr>).collect();
    let mut addresses = addresses.map_err(|_other| format!("{program} printed something else than addresses"))?;
    addresses.iter_mut().for_each(|address| *address = address.to_canonical());
    addresses.retain(|address| !address.is_unspecified() && !address.is_multicast());
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn outside(script: &str) -> Outside {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Outside::new(Settings { command, every: Duration::from_secs(60) })
    }

    #[tokio::test]
    async fn the_commands_word_serves_for_a_moment_and_is_asked_for_anew_after_it() {
        let folder = Scratch::new("outside");
        let (asked, says) = (folder.path("asked"), folder.path("says"));
        folder.write("says", "203.0.113.9\n2001:db8::9\n");
        let outside = outside(&format!("echo >>{}; cat {}", asked.display(), says.display()));
        for _ in 0..3 {
            assert_eq!(outside.confirmed(address("192.168.1.5")).await, Some(address("203.0.113.9")));
        }
        assert_eq!(outside.confirmed(address("fd00::5")).await, Some(address("2001:db8::9")));
        assert_eq!(folder.read("asked").lines().count(), 1);
        let followed = outside.follow();
        outside.word.lock().await.as_mut().unwrap().asked -= FRESH;
        folder.write("says", "203.0.113.77\n");
        assert_eq!(outside.confirmed(address("192.168.1.5")).await, Some(address("203.0.113.77")));
        assert_eq!(folder.read("asked").lines().count(), 2);
        assert_eq!(followed.borrow().addresses, [address("203.0.113.77")]);
    }

    #[tokio::test]
    async fn a_command_that_fails_confirms_nothing_and_what_was_known_stays_known() {
        for (script, why) in [("exit 3", "exit status: 3"), ("echo none", "something else than addresses")] {
            let outside = outside(script);
            outside.known.send_modify(|known| known.addresses = vec![address("203.0.113.9")]);
            assert_eq!(outside.confirmed(address("192.168.1.5")).await, None, "{script}");
            let known = outside.follow().borrow().clone();
            assert_eq!(known.addresses, [address("203.0.113.9")]);
            assert!(known.trouble.is_some_and(|told| told.contains(why)), "{script}");
        }
    }

    #[test]
    fn the_routers_address_stands_for_a_private_one_and_beside_what_anybody_can_reach() {
        let own = ["192.168.1.5", "fd00::5", "2001:db8::5"].map(address);
        assert_eq!(published(&own, &[address("203.0.113.9")]), ["203.0.113.9", "2001:db8::5"].map(address));
        assert_eq!(published(&own, &[]), own);
    }
}
