//! Calls between two stations, smooth and rough, each held against the exchange's own log.

use std::time::Duration;

use hayes::emulator::calllog::CallEventKind;
use hayes::modem::{Outcome, Request};

use super::cable::Condition;
use super::faults;
use super::station::{End, Station, Will};
use super::world::{CALLEE, CALLER, NUMBERS, World, settings};

/// What was simulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub connected: u64,
    pub faults: u64,
    /// Bytes that arrived at the other end.
    pub bytes: u64,
    /// How long it would have taken.
    pub time: Duration,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.connected += other.connected;
        self.faults += other.faults;
        self.bytes += other.bytes;
        self.time += other.time;
    }
}

#[derive(Clone, Copy, Debug)]
enum Case {
    /// The callee lets it ring, and the caller hangs up.
    RingsOut,
    /// The callee answers, both talk, one hangs up.
    Talk,
    /// As `Talk`, but one of them hangs up at any moment.
    Impatience,
    /// Somebody else rings the callee already.
    Busy,
    /// Nobody has the number.
    Unknown,
    /// The callee dials at about the moment it is rung.
    Glare,
    /// A cable spoils bytes.
    Noise,
    /// A cable is pulled and plugged in again.
    Unplugged,
    /// Something goes wrong on a line or in the network.
    Fault,
    /// A program is killed and started again, whatever its modem does.
    Killed { drops_dtr: bool },
}

const CASES: [Case; 17] = [
    Case::RingsOut,
    Case::RingsOut,
    Case::Talk,
    Case::Talk,
    Case::Talk,
    Case::Impatience,
    Case::Impatience,
    Case::Busy,
    Case::Unknown,
    Case::Glare,
    Case::Noise,
    Case::Unplugged,
    Case::Fault,
    Case::Fault,
    Case::Fault,
    Case::Killed { drops_dtr: true },
    Case::Killed { drops_dtr: false },
];

/// How many calls a world sees, apart from those that show that it has recovered.
const CALLS: usize = 6;
/// No call of these takes longer, with all that its ends wait for.
const CALL_LIMIT: Duration = Duration::from_secs(600);
/// After this much silence a line does not ring any more.
const QUIET: Duration = Duration::from_secs(10);

/// Plays the calls of this seed; panics where one goes wrong.
pub fn play(seed: u64, tell: bool) -> Tally {
    let mut world = World::new(seed, tell);
    world.set_up();
    let mut tally = Tally::default();
    for _ in 0..CALLS {
        let case = world.dice.pick(&CASES);
        world.told(|_| format!("-- {case:?}"));
        world.log.clear();
        tally.calls += 1;
        match case {
            Case::RingsOut => rings_out(&mut world),
            Case::Talk => tally.bytes += talk(&mut world),
            Case::Impatience => impatience(&mut world),
            Case::Busy => busy(&mut world),
            Case::Unknown => unknown(&mut world),
            Case::Glare | Case::Noise | Case::Unplugged | Case::Fault | Case::Killed { .. } => {
                rough(&mut world, case);
                world.told(|_| "-- recovered?".to_owned());
                world.log.clear();
                tally.faults += 1;
                tally.calls += 1;
                tally.bytes += talk(&mut world);
            }
        }
        tally.connected += u64::from(world.stations.iter().all(|station| station.course.connected.is_some()));
    }
    tally.time = world.now - world.start;
    tally
}

fn rings_out(world: &mut World) {
    let ring_for = Duration::from_millis(world.dice.between(100, 45_000));
    begin(world, Will { end: End::At(world.now + ring_for), ..Will::default() }, Will::default());
    finish(world);
    agree(world);
    let course = &world.stations[CALLER].course;
    assert_eq!(course.outcome, Some(Outcome::RangOut));
    assert_eq!(course.connected, None);
    assert_eq!(world.stations[CALLEE].course.rings, rings(world));
}

/// A whole call; returns how many bytes were carried.
fn talk(world: &mut World) -> u64 {
    let most = world.dice.pick(&[0, 100, 3000]);
    let words = [CALLER, CALLEE].map(|_| {
        let count = world.dice.up_to(most);
        world.dice.bytes(count)
    });
    let first = world.dice.pick(&[CALLER, CALLEE]);
    let end = |station: usize| if station == first { End::Received(words[1 - station].len()) } else { End::Second };
    let reaction = |world: &mut World| Duration::from_millis(world.dice.up_to(1500));
    let caller = Will { send: words[0].clone(), end: end(CALLER), reaction: reaction(world), ..Will::default() };
    let answer_at = u32::try_from(world.dice.between(1, 3)).ok();
    let callee = Will { send: words[1].clone(), end: end(CALLEE), reaction: reaction(world), answer_at };
    begin(world, caller, callee);
    finish(world);
    agree(world);
    for (index, station) in world.stations.iter().enumerate() {
        let expected = &words[1 - index];
        assert!(station.course.connected.is_some(), "station {index} never connected: {:?}", station.course);
        let received = &station.course.received;
        assert!(received.starts_with(expected), "station {index}: {} of {} bytes", received.len(), expected.len());
        let rest = received.get(expected.len()..).unwrap_or_default();
        let last = if index == first { &b""[..] } else { b"\r\nNO CARRIER\r\n" };
        assert_eq!(rest, last, "after the data of station {index}");
    }
    (words[0].len() + words[1].len()) as u64
}

fn impatience(world: &mut World) {
    let at = End::At(world.now + Duration::from_millis(world.dice.between(1, 60_000)));
    let late = End::At(world.now + Duration::from_secs(120));
    let ends = if world.dice.one_in(2) { [at, late] } else { [late, at] };
    let [caller, callee] = ends;
    let answer_at = u32::try_from(world.dice.between(1, 2)).ok();
    let words = world.dice.bytes(500);
    begin(
        world,
        Will { send: words.clone(), end: caller, ..Will::default() },
        Will { send: words, end: callee, answer_at, ..Will::default() },
    );
    finish(world);
    agree(world);
}

fn busy(world: &mut World) {
    world.type_on_third(&format!("ATDT{}\r", NUMBERS[CALLEE]));
    let limit = world.now + CALL_LIMIT;
    world.stations[CALLEE].resolve(Will::default());
    assert!(world.run(limit, |world| rings(world) > 0), "the third line's call does not ring");
    let callee = Will::default();
    begin(world, Will { end: End::At(world.now + Duration::from_secs(100)), ..Will::default() }, callee);
    finish(world);
    world.type_on_third("\r");
    world.wait(QUIET);
    assert_eq!(world.stations[CALLER].course.outcome, Some(Outcome::Busy));
    assert!(world.log.iter().any(|event| event.kind == CallEventKind::Busy));
}

fn unknown(world: &mut World) {
    dial(world, "5550199", Will { end: End::At(world.now + Duration::from_secs(200)), ..Will::default() });
    world.stations[CALLEE].resolve(Will::default());
    finish(world);
    let outcome = world.stations[CALLER].course.outcome.clone();
    assert!(matches!(outcome, Some(Outcome::NoCarrier | Outcome::NoAnswer)), "{outcome:?}");
    assert_eq!(world.stations[CALLEE].course.rings, 0);
}

/// A call with which something goes wrong; afterwards both modems are set up anew.
fn rough(world: &mut World, case: Case) {
    if let Case::Fault = case
        && world.dice.one_in(3)
    {
        faults::treat(world);
    }
    let answer_at = u32::try_from(world.dice.between(1, 3)).ok().filter(|_| !world.dice.one_in(4));
    let words = world.dice.bytes(2000);
    let late = End::At(world.now + Duration::from_secs(150));
    let caller = Will { send: words.clone(), end: late.clone(), ..Will::default() };
    begin(world, caller, Will { send: words, end: late, answer_at, ..Will::default() });
    let before = Duration::from_millis(world.dice.between(1, 40_000));
    world.wait(before);
    let victim = world.dice.pick(&[CALLER, CALLEE]);
    let condition = match case {
        Case::Noise => Condition::Noisy(world.dice.between(2, 100)),
        Case::Unplugged => Condition::Unplugged,
        _ => Condition::Sound,
    };
    world.stations[victim].to_modem.condition = condition;
    world.stations[victim].from_modem.condition = condition;
    match case {
        Case::Glare if world.stations[CALLEE].modem.is_idle() => {
            world.stations[CALLEE].ask(Request::Dial(NUMBERS[2].parse().expect("a number")), world.now);
        }
        Case::Fault => faults::befall(world, victim),
        Case::Killed { drops_dtr } => {
            let settings = settings(&world.catalogue);
            world.stations[victim].restart(settings);
            if drops_dtr {
                let line = world.stations[victim].line;
                world.exchange.handle_dtr(line, false, world.now);
                world.exchange.handle_dtr(line, true, world.now);
            }
            world.stations[victim].ask(Request::Initialise, world.now);
            world.found(&[victim]);
        }
        _ => {}
    }
    let lasts = Duration::from_millis(world.dice.between(1, 60_000));
    world.wait(lasts);
    faults::mend(world);
    for station in &mut world.stations {
        station.to_modem.condition = Condition::Sound;
        station.from_modem.condition = Condition::Sound;
    }
    let limit = world.now + CALL_LIMIT;
    assert!(world.run(limit, |world| world.stations.iter().all(|s| s.is_at_rest())), "a station never comes to rest");
    world.set_up();
    world.wait(QUIET);
}

fn begin(world: &mut World, caller: Will, callee: Will) {
    world.stations[CALLEE].resolve(callee);
    dial(world, NUMBERS[CALLEE], caller);
}

fn dial(world: &mut World, number: &str, caller: Will) {
    world.stations[CALLER].resolve(caller);
    world.stations[CALLER].ask(Request::Dial(number.parse().expect("a number")), world.now);
}

/// Lets the call take its course until both ends are at rest, and the bell too.
fn finish(world: &mut World) {
    let limit = world.now + CALL_LIMIT;
    let rest = world.run(limit, |world| world.stations.iter().all(|station| station.is_at_rest()));
    assert!(rest, "the call never ends; at rest: {:?}", world.stations.each_ref().map(Station::is_at_rest));
    world.wait(QUIET);
}

fn rings(world: &World) -> u32 {
    let ring = |kind: &CallEventKind| matches!(kind, CallEventKind::Ringing { .. });
    world.log.iter().filter(|event| ring(&event.kind)).count().try_into().expect("few rings")
}

/// What the ends saw of a call is what the exchange saw of it.
fn agree(world: &World) {
    let [caller, callee] = world.stations.each_ref().map(|station| &station.course);
    let logged = |name: &str| world.log.iter().find(|event| event.kind.name() == name);
    let connected = logged("connected").is_some();
    for course in [caller, callee] {
        assert!(connected || course.connected.is_none(), "connected, but not by the exchange: {course:?}");
        assert!(course.rings == 0 || course.outcome != Some(Outcome::RangOut), "rung and rang out: {course:?}");
    }
    assert!(callee.rings.abs_diff(rings(world)) <= u32::from(logged("answered").is_some()), "{} rings", callee.rings);
    assert_eq!(caller.rings, 0);
    assert!(caller.outcome.is_some() || caller.connected.is_some(), "the caller was told nothing: {caller:?}");
    let last_ring = world.log.iter().rfind(|event| matches!(event.kind, CallEventKind::Ringing { .. }));
    if let (Some(sent), Some(ring)) = (logged("caller-id-sent"), last_ring)
        && sent.at < ring.at
    {
        assert!(callee.callers.iter().any(|number| number.contains(NUMBERS[CALLER])), "callers: {:?}", callee.callers);
    }
}
