//! `kill -9` of everything that a wake consists of, at every step of it: each time it comes back without a person, nothing
//! that the directory acknowledged is lost, and nothing is left over.
//!
//! The rounds are drawn from a seed. `make soak` plays many, with a new seed each time, which it prints first;
//! `RINGUP_SOAK_SEED` and `RINGUP_SOAK_ROUNDS` play any run again.

mod plan;
mod point;
mod witness;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use ringup::demo::Timings;
use tokio::time::Instant;

use self::plan::{Dice, Plan, Victim};
use self::point::{Before, Point};
use self::witness::Witness;
use super::harness::{Lab, in_lab, wake_up_calls};
use super::remains::processes;
use super::support::load::number_from;

/// How many rounds there are in the tests.
const SAMPLE: usize = 6;
/// What they are drawn from.
const SAMPLE_SEED: u64 = 24;
/// How long home's records hold: the shortest there is.
const LEASE: Duration = Duration::from_secs(30);
/// What home may take to come to rest after anything: a whole wake, and what it waits for before it dials again.
const AT_REST_WITHIN: Duration = Duration::from_secs(120);
/// For so long it must have said nothing.
const QUIET: Duration = Duration::from_millis(1200);
/// For so long where a listener has been killed: it goes on with its wake after a whole cadence of silence, which is 3 s
/// here and a margin.
const QUIET_AFTER_KILL: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[test]
fn whoever_is_killed_at_any_step_of_a_wake_it_comes_back_by_itself_and_nothing_acknowledged_is_lost() {
    let seed = number_from("RINGUP_SOAK_SEED").unwrap_or(SAMPLE_SEED);
    let rounds = number_from("RINGUP_SOAK_ROUNDS").map_or(SAMPLE, |rounds| rounds.try_into().unwrap());
    in_lab(Timings { home_idle: 2, linger: 20 }, async |lab| {
        println!("soak: RINGUP_SOAK_SEED={seed} RINGUP_SOAK_ROUNDS={rounds}");
        lab.edit("home", "cooldown = \"5s\"", "cooldown = \"1s\"");
        lab.edit("home", "lease = \"2m\"", &format!("lease = \"{}s\"", LEASE.as_secs()));
        lab.edit("provider", "quarantine = \"20s\"", "quarantine = \"5s\"");
        // So that caller identification comes, between two rings, though dialling takes its time on a loaded machine.
        lab.edit("client", "ring-for = \"6s\"", "ring-for = \"8s\"");
        lab.start().await;
        let mut witness = Witness::new(lab, LEASE);
        prove(lab, &mut witness).await;
        let mut dice = Dice::new(seed);
        let mut tally = Tally::default();
        for round in 0..rounds {
            let plan = dice.plan(round);
            println!("soak: round {} of {rounds}: {plan}", round + 1);
            let back = play(lab, &mut witness, plan).await;
            tally.add(plan, back);
        }
        println!("{tally}");
    });
}

/// One round: a wake that somebody does not survive, and a wake after it. Gives what it took until home listened again,
/// from the kill.
async fn play(lab: &mut Lab, witness: &mut Witness, plan: Plan) -> Duration {
    let (moment, before) = (lab.moment(), Before::look(lab));
    let mut command = lab.world.command(Some("client"), lab.world.program());
    command.args(["--config", "client.toml", "wake", "home"]);
    let mut caller = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    before.until(plan.point, lab, moment).await;
    tokio::time::sleep(plan.delay).await;
    let killed = Instant::now();
    strike(lab, witness, plan.victim).await;
    let quiet = if plan.victim == Victim::Listener { QUIET_AFTER_KILL } else { QUIET };
    at_rest(lab, moment, quiet).await;
    let back = killed.elapsed();
    assert!(caller.wait().await.unwrap().success(), "the caller's own call failed");

    witness.link_is_gone();
    witness.check_record(lab).await;
    assert_eq!(lab.traces("home").await, Vec::<String>::new());
    if plan.patient {
        witness.wait_for_lease(lab).await;
    }
    let answered = |events: &Vec<String>| events.iter().any(|event| event == "answered" || event == "glare");
    let calls = wake_up_calls(&lab.heard(moment, "exchange"));
    assert!(!calls.iter().any(answered), "a call that only wakes was answered: {calls:?}");
    prove(lab, witness).await;
    back
}

/// Kills somebody, and starts him again at once, as an init would.
async fn strike(lab: &mut Lab, witness: &mut Witness, victim: Victim) {
    match victim {
        Victim::Pppd => {
            for (pid, command) in processes("pppd") {
                if command.contains("home-run/") {
                    // It may have ended by itself meanwhile.
                    kill(pid, Signal::SIGKILL).ok();
                }
            }
        }
        Victim::Listener => {
            killed(lab, "home").await;
            witness.listen(lab);
            lab.world.start_role("home", Some("home"), "listen").unwrap();
        }
        Victim::Directory => {
            killed(lab, "directory").await;
            lab.world.start_role("directory", Some("directory"), "directory").unwrap();
        }
        Victim::Provider => {
            killed(lab, "provider").await;
            lab.world.start_role("provider", Some("provider"), "provide").unwrap();
        }
    }
}

async fn killed(lab: &mut Lab, name: &str) {
    lab.world.signal(name, Signal::SIGKILL);
    assert_eq!(lab.world.ended(name).await.unwrap(), 128 + 9);
}

/// Waits until home listens, and neither it nor the provider has a link or is about to.
async fn at_rest(lab: &mut Lab, moment: usize, quiet: Duration) {
    let deadline = Instant::now() + AT_REST_WITHIN;
    let mut quiet_since = Instant::now();
    let mut heard = lab.moment();
    loop {
        hear(lab).await;
        let said = lab.heard(moment, "home").last().map(|last| last.event.clone());
        // What came too late to be a whole call, after a kill in the midst of it, is refused where one listens.
        let listens = matches!(said.as_deref(), Some("listening" | "refused"));
        if !listens || lab.moment() != heard || !processes("pppd").is_empty() {
            heard = lab.moment();
            quiet_since = Instant::now();
        }
        if quiet_since.elapsed() >= quiet {
            return;
        }
        assert!(Instant::now() < deadline, "home does not come to rest: {:?}", lab.names(moment, "home"));
    }
}

/// Takes in what is said meanwhile.
async fn hear(lab: &mut Lab) {
    if let Ok(Err(failure)) = tokio::time::timeout(LOOK_EVERY, lab.world.until("nobody", "anything")).await {
        panic!("{failure}");
    }
}

/// A wake in which nobody is killed: it registers, goes to sleep, and leaves nothing.
async fn prove(lab: &mut Lab, witness: &mut Witness) {
    let moment = lab.moment();
    lab.bring_home_online().await;
    witness.check_record(lab).await;
    at_rest(lab, moment, QUIET).await;
    witness.link_is_gone();
    witness.check_record(lab).await;
    assert_eq!(lab.record().await["state"], "asleep");
    assert_eq!(lab.traces("home").await, Vec::<String>::new());
    witness.check_files(lab);
}

/// What was killed, and what it took.
#[derive(Default)]
struct Tally {
    kills: BTreeMap<(Victim, Point), Vec<Duration>>,
}

impl Tally {
    fn add(&mut self, plan: Plan, back: Duration) {
        self.kills.entry((plan.victim, plan.point)).or_default().push(back);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "soak: killed, after what, how often; until home was at rest and listening, least, median, most")?;
        for ((victim, point), backs) in &self.kills {
            let mut sorted: Vec<f64> = backs.iter().map(Duration::as_secs_f64).collect();
            sorted.sort_by(f64::total_cmp);
            let (least, median, most) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
            let victim = format!("{victim:?}");
            writeln!(f, "  {victim:10} {point:17} {:4}  {least:6.1} {median:6.1} {most:6.1} s", backs.len())?;
        }
        let rounds: usize = self.kills.values().map(Vec::len).sum();
        write!(f, "soak: {rounds} rounds; it came back each time, nothing acknowledged was lost, nothing is left over")
    }
}
