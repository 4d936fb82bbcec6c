//! The demo's last words: the wake's phases, who called whom, which addresses were lent; all from what was measured.

use super::daemon::Heard;
use super::timeline::{Timeline, seconds_between};

/// Prints the summary of everything that was heard.
pub(super) fn print(timeline: &Timeline, heard: &[Heard], acts: &[(String, f64)], addresses: &[(String, String)]) {
    timeline.heading("The first wake, in seconds after the first RING at home");
    for (what, seconds) in phases(heard) {
        timeline.plain(&format!("  {seconds:7.2}  {what}"));
    }
    timeline.heading("Who called whom");
    for call in calls(heard) {
        timeline.plain(&format!("  {call}"));
    }
    timeline.heading("Addresses, none of them known beforehand");
    for (what, address) in addresses {
        timeline.plain(&format!("  {what:<37} {address}"));
    }
    timeline.heading("Seconds an act");
    for (act, seconds) in acts {
        timeline.plain(&format!("  {seconds:7.2}  {act}"));
    }
}

/// The phases of the first wake, in seconds after its first RING.
pub fn phases(heard: &[Heard]) -> Vec<(&'static str, f64)> {
    let Some(start) = heard.iter().position(|one| one.who == "home" && one.event == "ring") else { return Vec::new() };
    let after = heard.get(start..).unwrap_or_default();
    let Some(ring) = after.first().map(|first| first.at) else { return Vec::new() };
    let steps = [
        ("client", "call-over", "the caller has hung up"),
        ("home", "waking", "the line has been silent for a full cadence: home wakes"),
        ("home", "connected", "home is connected to the provider"),
        ("home", "up", "PPP is up, an address is lent"),
        ("home", "registered", "the directory has the address on disk"),
        ("client", "online", "the client has the new record, over a link of its own"),
        ("client", "done", "the page is fetched"),
    ];
    let at = |who: &str, event: &str| after.iter().find(|one| one.who == who && one.event == event).map(|one| one.at);
    let mut phases: Vec<_> =
        steps.iter().filter_map(|(who, event, what)| Some((*what, seconds_between(ring, at(who, event)?)))).collect();
    phases.sort_by(|one, other| one.1.total_cmp(&other.1));
    phases
}

/// One line a call, from the exchange's own log.
pub(super) fn calls(heard: &[Heard]) -> Vec<String> {
    let of_exchange = || heard.iter().filter(|one| one.who == "exchange");
    of_exchange()
        .filter(|one| one.event == "dialled")
        .map(|dialled| {
            let call = dialled.text("call");
            let same = || of_exchange().filter(|one| one.text("call") == call);
            let answered = same().find(|one| one.event == "answered").map(|one| one.text("line"));
            let rings = same().filter(|one| one.event == "ringing").count();
            let ended = same().find(|one| one.event == "hung-up");
            let lasted =
                ended.map_or_else(String::new, |one| format!(", {:.1} s", seconds_between(dialled.at, one.at)));
            let how = match answered {
                Some(line) => format!("answered by {line}"),
                None if rings == 1 => "rang once, not answered: free".to_owned(),
                None if rings > 1 => format!("rang {rings} times, not answered: free"),
                None => "did not ring".to_owned(),
            };
            format!("call {call:>2}  {:<8} -> {:<8}  {how}{lasted}", dialled.text("from"), dialled.text("to"))
        })
        .collect()
}
