//! The room as a whole, on a copy of /sys and without a bus.

use super::*;
use crate::scratch::Scratch;

fn settings(scratch: &Scratch) -> Settings {
    Settings {
        suspend_after: None,
        state: "freeze".to_owned(),
        inhibit: true,
        wake_on_ring: WakeOnRing::Wanted,
        stay_awake: scratch.root().join("stay-awake"),
        sys: scratch.root().to_owned(),
    }
}

#[test]
fn a_nap_is_told_to_everybody_who_follows_and_told_once() {
    let scratch = Scratch::new("nap");
    scratch.write("power/suspend_stats/success", "4\n");
    let sleep = Sleep::new(settings(&scratch));
    let mut follower = sleep.follow();
    assert_eq!(sleep.look().naps, 0);
    assert!(!follower.has_changed().unwrap());
    scratch.write("power/suspend_stats/success", "5\n");
    assert_eq!(sleep.look().naps, 1);
    assert!(follower.has_changed().unwrap());
    follower.mark_unchanged();
    assert_eq!(sleep.look().naps, 1);
    assert!(!follower.has_changed().unwrap());
}

#[test]
fn the_machine_is_held_awake_while_any_hold_lives() {
    let scratch = Scratch::new("hold");
    let sleep = Sleep::new(settings(&scratch));
    let (one, other) = (sleep.hold(), sleep.hold());
    drop(one);
    assert!(sleep.is_held());
    drop(other);
    assert!(!sleep.is_held());
}

#[test]
fn a_pty_is_no_port_to_be_woken_through() {
    let scratch = Scratch::new("pty");
    let sleep = Sleep::new(settings(&scratch));
    let Some(Event::NotArmed { line, cause }) = sleep.arm(Path::new("/dev/null")) else { panic!("armed") };
    assert!(line == "/dev/null" && cause.contains("RI wire"), "{cause}");
    for quiet in [WakeOnRing::No, WakeOnRing::WherePossible] {
        let unasked = Settings { wake_on_ring: quiet, ..settings(&scratch) };
        assert!(sleep.set_settings(unasked), "nobody asked for sleep: {quiet:?}");
        assert_eq!(sleep.arm(Path::new("/dev/null")), None);
    }
    assert!(sleep.set_settings(settings(&scratch)));
    assert!(!sleep.set_settings(settings(&scratch)), "nothing has changed");
    assert!(sleep.arm(Path::new("/dev/null")).is_some());
}
