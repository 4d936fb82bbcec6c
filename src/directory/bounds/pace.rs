//! How often a host may change. Pure: time is an argument.
//!
//! Counts only what is about to be written, so neither replays nor requests that are refused use up what a host has. Whose
//! link comes and goes is not to notice: a host has a minute's worth at once.

use std::collections::HashMap;

use crate::record::HostName;

/// The hosts that have changed lately.
#[derive(Debug)]
pub(in crate::directory) struct Pace {
    /// Zero for any number.
    a_minute: u32,
    hosts: HashMap<HostName, Bucket>,
    /// How many hosts there may be before those that are long ago are forgotten.
    room: usize,
}

/// A change pours [`MINUTE`] into it, and `a_minute` drain in a second.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    at: u64,
    level: u32,
    /// When it was last said that it is full.
    said: Option<u64>,
}

/// A host has changed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::directory) struct TooOften {
    /// After how many seconds it may change again.
    pub(in crate::directory) again_in: u32,
    /// Whether it is to be said in the log: once a minute.
    pub(in crate::directory) is_news: bool,
}

impl Pace {
    pub(in crate::directory) fn new(a_minute: u32) -> Self {
        Self { a_minute, hosts: HashMap::new(), room: LEAST_ROOM }
    }

    /// Counts a change of each of these hosts at a time in Unix seconds, or of none where one has changed too often.
    pub(in crate::directory) fn take<'h>(
        &mut self,
        hosts: impl Iterator<Item = &'h HostName> + Clone,
        now: u64,
    ) -> Result<(), TooOften> {
        if self.a_minute == 0 {
            return Ok(());
        }
        let size = self.a_minute.saturating_mul(MINUTE);
        for host in hosts.clone() {
            let Some(bucket) = self.hosts.get_mut(host) else { continue };
            bucket.drain(self.a_minute, now);
            let over = (bucket.level + MINUTE).saturating_sub(size);
            if over > 0 {
                let is_news = bucket.said.is_none_or(|said| now.saturating_sub(said) >= MINUTE.into());
                if is_news {
                    bucket.said = Some(now);
                }
                return Err(TooOften { again_in: over.div_ceil(self.a_minute), is_news });
            }
        }
        for host in hosts {
            match self.hosts.get_mut(host) {
                Some(bucket) => bucket.level = bucket.level.saturating_add(MINUTE),
                None => {
                    self.hosts.insert(host.clone(), Bucket { at: now, level: MINUTE, said: None });
                }
            }
        }
        if self.hosts.len() >= self.room {
            self.forget(now);
        }
        Ok(())
    }

    /// Forgets the hosts that have all of their changes again.
    fn forget(&mut self, now: u64) {
        for bucket in self.hosts.values_mut() {
            bucket.drain(self.a_minute, now);
        }
        self.hosts.retain(|_, bucket| bucket.level > 0);
        self.room = LEAST_ROOM.max(self.hosts.len().saturating_mul(2));
    }
}

impl Bucket {
    fn drain(&mut self, a_second: u32, now: u64) {
        let passed = u32::try_from(now.saturating_sub(self.at)).unwrap_or(u32::MAX);
        self.level = self.level.saturating_sub(passed.saturating_mul(a_second));
        self.at = now;
    }
}

/// Its seconds, and so what a change counts.
const MINUTE: u32 = 60;
const LEAST_ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::fixture::host;

    fn taken(pace: &mut Pace, name: &str, times: u32, now: u64) -> u32 {
        (0..times).map(|_| u32::from(pace.take([&host(name)].into_iter(), now).is_ok())).sum()
    }

    #[test]
    fn a_host_has_a_minutes_worth_at_once_and_then_its_rate() {
        let mut pace = Pace::new(60);
        assert_eq!(taken(&mut pace, "home.dyn.test", 487, 1000), 60);
        assert_eq!(taken(&mut pace, "away.dyn.test", 487, 1000), 60, "another host has its own");
        assert_eq!(taken(&mut pace, "home.dyn.test", 10, 1003), 3);
        assert_eq!(taken(&mut pace, "home.dyn.test", 487, 1063), 60);
        let mut slow = Pace::new(2);
        assert_eq!(taken(&mut slow, "home.dyn.test", 9, 1000), 2);
        let refused = |slow: &mut Pace, now| slow.take([&host("home.dyn.test")].into_iter(), now).unwrap_err();
        assert_eq!(refused(&mut slow, 1010), TooOften { again_in: 20, is_news: false });
        assert_eq!(refused(&mut slow, 1011), TooOften { again_in: 19, is_news: false });
        assert_eq!(taken(&mut slow, "home.dyn.test", 9, 1030), 1);
        assert!(refused(&mut slow, 1059).again_in == 1);
    }

    #[test]
    fn a_link_that_comes_and_goes_every_two_seconds_all_day_does_not_notice() {
        let mut pace = Pace::new(60);
        assert!((0..86_400).step_by(2).all(|now| taken(&mut pace, "home.dyn.test", 2, now) == 2));
    }

    #[test]
    fn a_flood_is_said_once_a_minute() {
        let mut pace = Pace::new(1);
        let news = (0..600_u64).filter(|tick| {
            let taken = pace.take([&host("home.dyn.test")].into_iter(), 1000 + tick / 2);
            taken.is_err_and(|refused| refused.is_news)
        });
        assert_eq!(news.count(), 5);
    }

    #[test]
    fn of_several_hosts_all_are_counted_or_none() {
        let mut pace = Pace::new(1);
        let (home, away) = (host("home.dyn.test"), host("away.dyn.test"));
        assert!(pace.take([&home].into_iter(), 1000).is_ok());
        assert!(pace.take([&away, &home].into_iter(), 1000).is_err());
        assert!(pace.take([&away].into_iter(), 1000).is_ok());
    }

    #[test]
    fn zero_is_no_limit_and_what_is_kept_is_bounded() {
        assert_eq!(taken(&mut Pace::new(0), "home.dyn.test", 10_000, 5), 10_000);
        let mut pace = Pace::new(60);
        for number in 0..10_000_u64 {
            taken(&mut pace, &format!("h{number}.dyn.test"), 1, number);
        }
        assert!(pace.hosts.len() <= LEAST_ROOM, "{}", pace.hosts.len());
    }
}
