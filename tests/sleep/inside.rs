//! What happens inside the machine that sleeps: the part of each test that runs in the guest.

use ringup::demo::Timings;

use super::harness::{Lab, in_lab, number};
use super::remains::{pppd_of, processes};

/// Quick enough for many cycles, and longer than a British cadence and what comes with it.
pub(crate) const IDLE: Timings = Timings { home_idle: 6, linger: 5 };

/// Lays the machine's serial ports where the world expects the exchange's lines, and starts everything but the caller.
pub(crate) async fn start(lab: &mut Lab, mode: &str, more: &str) {
    let lines = lab.world.folder().join("lines");
    std::fs::create_dir_all(&lines).unwrap();
    for (index, line) in ["home", "provider-1", "provider-2"].into_iter().enumerate() {
        std::os::unix::fs::symlink(format!("/dev/ttyS{index}"), lines.join(line)).unwrap();
    }
    // Whoever rings as often as in a long run would be a flood.
    let limits = "[listen.limits]\nper-caller = 1000\nin-all = 1000\n\n";
    lab.edit("home", "[listen]", &format!("[sleep]\nmode = \"{mode}\"\nafter = \"6s\"\n{more}\n\n{limits}[listen]"));
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

/// What home's listener has open that it had not before.
fn more_than(before: &[String]) -> Vec<String> {
    let mut before = before.to_vec();
    let mut more = descriptors();
    more.retain(|one| before.iter().position(|other| other == one).map(|place| before.swap_remove(place)).is_none());
    more
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

pub(crate) fn sleeps_and_wakes() {
    in_lab(IDLE, async |lab| {
        let cycles = super::cycles();
        start(lab, "suspend", "state = \"freeze\"").await;
        let (slept, mut last_seq) = (sleeps(), 0);
        // By then all that watches over its sleep is at work.
        lab.since(0, "home", "suspending").await;
        let mut open = descriptors();
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
            let more = super::remains::gone(|| more_than(&open)).await;
            assert_eq!(more, Vec::<String>::new(), "more is open after cycle {cycle}");
            open = descriptors();
        }
        let ran =
            lab.world.run_role("home", "home", &["journal", "--kind", "slept", "--kind", "resumed"]).await.unwrap();
        let kinds: Vec<&str> = ran.output.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        let naps = usize::try_from(cycles).unwrap();
        // It may be on its way to sleep again.
        assert_eq!(kinds.get(..2 * naps).unwrap_or_default(), ["slept", "resumed"].repeat(naps), "{}", ran.output);
    });
}

/// Has the kernel sleep, as a person does who knows nothing of us. Returns when the machine is awake again.
async fn freeze() {
    tokio::task::spawn_blocking(|| std::fs::write("/sys/power/state", "freeze")).await.unwrap().unwrap();
}

pub(crate) fn is_put_to_sleep_by_others() {
    in_lab(Timings { home_idle: 60, linger: 5 }, async |lab| {
        start(lab, "never", "").await;
        lab.until("home", "dialling").await;
        let began = lab.moment();
        freeze().await;
        lab.since(began, "home", "cut-off").await;
        let first = number(&lab.since(began, "home", "registered").await, "seq");
        let steps = lab.names(began, "home");
        let count = |steps: &[String], name: &str| steps.iter().filter(|step| *step == name).count();
        assert_eq!((count(&steps, "dialling"), count(&steps, "registered")), (1, 1), "once more: {steps:?}");
        assert!(steps.iter().position(|step| step == "cut-off") < steps.iter().position(|step| step == "up"));

        // Again, with the link up.
        let again = lab.moment();
        freeze().await;
        lab.since(again, "home", "cut-off").await;
        let second = number(&lab.since(again, "home", "registered").await, "seq");
        assert!(second > first, "{second} after {first}");
        let steps = lab.names(again, "home");
        assert_eq!(count(&steps, "withdrawn"), 0, "nothing is sent over a link that is dead: {steps:?}");
        assert_eq!(count(&steps, "up"), 1, "{steps:?}");
        let record = lab.record().await;
        assert_eq!((record["state"].as_str(), record["seq"].as_u64()), (Some("online"), Some(second)));
        assert_eq!(lab.ppp_interfaces("home").await.lines().count(), 1, "the dead link is gone");
    });
}

pub(crate) fn sleeps_through_logind() {
    in_lab(Timings { home_idle: 60, linger: 5 }, async |lab| {
        super::logind::start(lab).await;
        start(lab, "suspend", "").await;
        let slept = sleeps();
        let suspending = lab.until("home", "suspending").await;
        assert_eq!(suspending.text("by"), "logind");
        lab.since(0, "home", "resumed").await;
        assert_eq!((sleeps(), lab.names(0, "home").contains(&"not-suspended".to_owned())), (slept + 1, false));
        let first = number(&lab.since(0, "home", "registered").await, "seq");

        // While the link is up, sleep is held off; whoever insists makes us say goodbye first.
        let locks = super::logind::call(lab, "ListInhibitors", &[]).await.unwrap();
        assert!(locks.contains("\"sleep:idle\" \"ringup\"") && locks.contains("\"block\""), "{locks}");
        let forced = lab.moment();
        assert!(super::logind::call(lab, "Suspend", &["b", "false"]).await.is_some(), "root may");
        lab.since(forced, "home", "sleep-announced").await;
        let withdrawn = number(&lab.since(forced, "home", "withdrawn").await, "seq");
        assert!(withdrawn > first);
        lab.since(forced, "home", "resumed").await;
        assert_eq!(sleeps(), slept + 2);
        let second = number(&lab.since(forced, "home", "registered").await, "seq");
        assert!(second > withdrawn);
        let steps = lab.names(forced, "home");
        assert!(!steps.contains(&"cut-off".to_owned()), "it was no surprise: {steps:?}");
        let at = |name: &str| steps.iter().position(|step| step == name);
        assert!(at("withdrawn") < at("resumed"), "{steps:?}");
    });
}
