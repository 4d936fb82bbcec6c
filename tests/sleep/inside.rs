//! What happens inside the machine that sleeps. Started by [`super::outside`] in a guest, not by hand.

use std::path::Path;

use ringup::demo::Timings;

use super::harness::{Lab, in_lab, number};
use super::remains::{pppd_of, processes};

/// Quick enough for many cycles, and longer than a British cadence and what comes with it.
pub(crate) const IDLE: Timings = Timings { home_idle: 6, linger: 5 };

/// Lays the machine's serial ports where the world expects the exchange's lines, and starts everything but the caller.
pub(crate) async fn start(lab: &mut Lab, sleep: &str) {
    let lines = lab.world.folder().join("lines");
    std::fs::create_dir_all(&lines).unwrap();
    for (index, line) in ["home", "provider-1", "provider-2"].into_iter().enumerate() {
        std::os::unix::fs::symlink(format!("/dev/ttyS{index}"), lines.join(line)).unwrap();
    }
    lab.edit("home", "[listen]", &format!("[sleep]\nmode = \"suspend\"\nafter = \"6s\"\n{sleep}\n\n[listen]"));
    lab.world.start_role("directory", Some("directory"), "directory").unwrap();
    lab.world.start_role("provider", Some("provider"), "provide").unwrap();
    lab.until("provider", "ready").await;
    lab.start_home().await;
}

/// How often the machine has slept.
pub(crate) fn sleeps() -> u64 {
    std::fs::read_to_string("/sys/power/suspend_stats/success").unwrap().trim().parse().unwrap()
}

/// What home's listener has open, by what each descriptor is: of each kind, how many.
pub(crate) fn descriptors() -> Vec<String> {
    let (pid, _) = processes("ringup").into_iter().find(|(_, command)| command.contains("home.toml")).unwrap();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut open: Vec<String> = open
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        // Sockets and pipes have numbers of their own each time.
        .map(|target| target.display().to_string().split(":[").next().unwrap_or_default().to_owned())
        .collect();
    open.sort();
    open
}

/// What may be left of a wake at home: none of it.
pub(crate) async fn left_behind(lab: &mut Lab) -> Vec<String> {
    let mut left = super::remains::gone(|| pppd_of("home")).await;
    left.extend(lab.ppp_interfaces("home").await.lines().map(str::to_owned));
    left.extend(Some(lab.lock("home")).filter(|lock| lock.exists()).map(|lock| lock.display().to_string()));
    let run = super::remains::files_in(&lab.world.folder().join("home-run"));
    left.extend(run.into_iter().filter(|file| file.contains("/link-")));
    left
}

#[test]
#[ignore = "runs in a guest that is woken from outside: started by the test in main.rs"]
fn sleeps_and_wakes() {
    in_lab(IDLE, async |lab| {
        let cycles = super::cycles();
        start(lab, "state = \"freeze\"").await;
        let (slept, mut last_seq) = (sleeps(), 0);
        let open = descriptors();
        let mut moment = 0;
        for cycle in 1..=u64::from(cycles) {
            lab.since(moment, "home", "suspending").await;
            lab.since(moment, "home", "resumed").await;
            assert_eq!(sleeps(), slept + cycle, "it really slept, once a cycle");
            let registered = lab.since(moment, "home", "registered").await;
            let withdrawn = lab.since(moment, "home", "withdrawn").await;
            let (up, down) = (number(&registered, "seq"), number(&withdrawn, "seq"));
            assert!(last_seq < up && up < down, "seq {last_seq}, {up}, {down}");
            last_seq = down;
            lab.since(moment, "home", "ended").await;
            let heard = lab.names(moment, "home");
            let count = |name: &str| heard.iter().filter(|heard| *heard == name).count();
            assert_eq!((count("waking"), count("registered"), count("withdrawn")), (1, 1, 1), "{heard:?}");
            assert!(count("ring") >= 2, "the ring that was lost counts: {heard:?}");
            moment = lab.moment();
            lab.until("home", "listening").await;
            assert_eq!(lab.record().await["state"], "asleep");
            assert_eq!(left_behind(lab).await, Vec::<String>::new(), "after cycle {cycle}");
            assert_eq!(descriptors(), open, "after cycle {cycle}");
        }
        assert!(Path::new("/sys/power/suspend_stats/success").exists());
    });
}
