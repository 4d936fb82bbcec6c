//! A machine that really sleeps, and is woken by a ring.
//!
//! The machine is a User-mode Linux guest in which home, provider and directory live, each in a namespace of its own.
//! The telephone exchange and the caller stay outside its sleep, on the host: the modems' lines are the guest's serial
//! ports. `echo freeze > /sys/power/state` stops the guest until its process gets SIGUSR1; the exchange's event that
//! home's line rings stands for the RI wire, and sends it.
//!
//! Each test starts its guest, and is started in it once more: there it plays its part in [`inside`]. Needs no rights, but
//! the packages of the lab:
//!
//! ```text
//! cargo test --test sleep -- --test-threads=1
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and print what the harness shows when they do"
)]
#![allow(dead_code, reason = "the lab's harness has more than these tests use")]

#[path = "../lab/harness.rs"]
mod harness;
mod inside;
mod logind;
mod outside;
#[path = "../lab/remains.rs"]
mod remains;

use self::outside::sleeping_machine;

/// How many cycles of sleep, ring, link, idle, sleep there are, unless RINGUP_SLEEP_CYCLES says otherwise.
const CYCLES: u32 = 2;

/// How many cycles the long test has.
fn cycles() -> u32 {
    std::env::var("RINGUP_SLEEP_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES)
}

#[test]
fn a_ring_wakes_a_machine_that_sleeps_again_when_its_link_is_idle_and_nothing_is_left_behind() {
    let cycles = cycles();
    sleeping_machine(
        "a_ring_wakes_a_machine_that_sleeps_again_when_its_link_is_idle_and_nothing_is_left_behind",
        inside::sleeps_and_wakes,
        |outside| {
            outside.until("listening");
            for cycle in 1..=cycles {
                outside.until_asleep();
                outside.ring();
                outside.until("registered");
                println!("== cycle {cycle} of {cycles}: woken and registered");
            }
        },
    );
}

#[test]
fn a_call_or_a_link_that_sleep_cuts_off_is_made_again_under_a_new_number() {
    sleeping_machine(
        "a_call_or_a_link_that_sleep_cuts_off_is_made_again_under_a_new_number",
        inside::is_put_to_sleep_by_others,
        |outside| {
            outside.until("listening");
            outside.ring();
            for _sleep in ["in the midst of dialling", "with the link up"] {
                outside.until_asleep();
                outside.nudge();
                outside.until("registered");
            }
        },
    );
}

#[test]
fn logind_is_asked_to_sleep_holds_it_off_for_a_link_and_gives_time_to_say_goodbye() {
    sleeping_machine(
        "logind_is_asked_to_sleep_holds_it_off_for_a_link_and_gives_time_to_say_goodbye",
        inside::sleeps_through_logind,
        |outside| {
            outside.until("listening");
            outside.until_asleep();
            outside.ring();
            outside.until("registered");
            // Put to sleep by an administrator, with the link up: this line has no DTR, and is not on hook in time.
            outside.until_asleep();
            outside.nudge();
            outside.until("ended");
            outside.until("listening");
            outside.ring();
            outside.until("registered");
        },
    );
}
