//! A telephone network with two stations, and a clock that runs as fast as they act.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hayes::emulator::calllog::CallEvent;
use hayes::emulator::exchange::{Exchange, LineId, Output};
use hayes::emulator::plan::{Country, Dialling, LinePlan, Plan};
use hayes::modem::{Kind, Request, Settings};
use hayes::profile::{Catalogue, Profile};

use super::dice::Dice;
use super::station::Station;

/// Both ends of the calls, and what is between them.
pub struct World {
    pub dice: Dice,
    pub exchange: Exchange,
    pub stations: [Station; 2],
    pub kinds: [Arc<Profile>; 2],
    pub catalogue: Arc<Catalogue>,
    /// A line that somebody types on.
    pub third: LineId,
    pub start: Instant,
    pub now: Instant,
    /// The exchange's own account.
    pub log: Vec<CallEvent>,
    /// Whether to tell all that happens.
    pub tell: bool,
}

/// Who dials.
pub const CALLER: usize = 0;
/// Whom.
pub const CALLEE: usize = 1;
/// The number of each station, and of the third line.
pub const NUMBERS: [&str; 3] = ["5550101", "5550102", "5550103"];

const NAMES: [&str; 2] = ["caller", "callee"];
/// More steps than anything here takes in a moment: machines that go on for ever without time passing.
const MOST_STEPS_AT_ONCE: u32 = 100_000;
/// A modem is found and set up within this, whatever state it is in.
const SET_UP_WITHIN: Duration = Duration::from_secs(120);

impl World {
    /// A network of this seed's own kind.
    pub fn new(seed: u64, tell: bool) -> Self {
        let mut dice = Dice::new(seed);
        let millis = Duration::from_millis;
        let catalogue = Arc::new(Catalogue::built_in());
        let all: Vec<Arc<Profile>> = catalogue.iter().cloned().collect();
        let kinds = [dice.pick(&all), dice.pick(&all)];
        let rate = dice.pick(&[2400, 9600, 14_400, 33_600, 56_000]);
        let country: Country = dice.pick(&["us", "uk", "de", "fr", "jp", "nl"]).parse().expect("a country");
        let line = |name: &str, number: &str, modem: &Arc<Profile>| LinePlan {
            name: name.to_owned(),
            number: number.to_owned(),
            modem: Arc::clone(modem),
            rate,
            ..LinePlan::default()
        };
        let plan = Plan {
            lines: vec![
                line("caller", NUMBERS[CALLER], &kinds[CALLER]),
                line("callee", NUMBERS[CALLEE], &kinds[CALLEE]),
                line("third", NUMBERS[2], &Profile::default_profile()),
            ],
            cadence: country.cadence(),
            caller_id_time: country.caller_id_time(),
            dialling: Dialling {
                digit: None,
                post_dial: millis(dice.between(100, 3000)),
                interdigit: millis(dice.between(1000, 4000)),
            },
            training: millis(dice.between(200, 12_000)),
            delay: millis(dice.up_to(300)),
            jitter: millis(dice.pick(&[0, 0, 30, 200])),
            // Modems correct these errors, so that not a byte may be missing.
            noise: dice.pick(&[0, 0, 5, 50]),
            disconnect_notice: millis(dice.up_to(1000)),
            seed: dice.below(u64::MAX),
            ..Plan::default()
        };
        let start = tokio::time::Instant::now().into_std();
        let mut exchange = Exchange::new(plan).expect("the plan is sound");
        exchange.handle_wall_clock(Duration::from_secs(1_774_101_900), start);
        let id = |name: &str| exchange.line(name).expect("it is in the plan");
        let stations = [
            Station::new(id("caller"), settings(&catalogue), tell),
            Station::new(id("callee"), settings(&catalogue), tell),
        ];
        let third = id("third");
        let mut world =
            Self { dice, exchange, stations, kinds, catalogue, third, start, now: start, log: Vec::new(), tell };
        world.exchange.handle_dtr(third, true, start);
        world.told(|world| format!("kinds {} and {}", world.kinds[CALLER].id, world.kinds[CALLEE].id));
        world
    }

    /// Finds both modems and sets them up.
    pub fn set_up(&mut self) {
        for station in 0..self.stations.len() {
            self.stations[station].ask(Request::Initialise, self.now);
        }
        self.found(&[CALLER, CALLEE]);
    }

    /// Waits until these stations have found their modems, which they must.
    pub fn found(&mut self, stations: &[usize]) {
        let limit = self.now + SET_UP_WITHIN;
        let all = |world: &Self, done: fn(&Station) -> bool| stations.iter().all(|index| done(&world.stations[*index]));
        self.run(limit, |world| all(world, |station| station.ready || station.silent));
        assert!(all(self, |station| station.ready), "a modem of {stations:?} was not found");
        for index in stations {
            let station = &self.stations[*index];
            assert_eq!(station.modem.profile().id, self.kinds[*index].id, "taken for another kind of modem");
            assert!(!station.caller_id_off, "a {} does not tell callers", self.kinds[*index].id);
        }
    }

    /// Lets things happen until `done`, at most to `limit`; answers whether it was done.
    pub fn run(&mut self, limit: Instant, done: impl Fn(&Self) -> bool) -> bool {
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < MOST_STEPS_AT_ONCE, "much happens and no time passes");
            if self.act() {
                continue;
            }
            if done(self) {
                return true;
            }
            let stations = self.stations.iter().filter_map(Station::deadline);
            let next = stations.chain(self.exchange.deadline().map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= limit) else {
                self.now = limit;
                return done(self);
            };
            assert!(at > self.now || steps < 1000, "a deadline that does not pass");
            if at > self.now {
                steps = 0;
                self.now = at;
            }
            self.exchange.handle_timeout(self.now);
        }
    }

    /// Lets this much time pass.
    pub fn wait(&mut self, time: Duration) {
        self.run(self.now + time, |_| false);
    }

    /// Types on the third line.
    pub fn type_on_third(&mut self, text: &str) {
        self.told(|_| format!("third    > {text:?}"));
        self.exchange.handle_bytes(self.third, text.as_bytes(), self.now);
    }

    /// Writes a line of the transcript.
    pub fn told(&self, what: impl FnOnce(&Self) -> String) {
        if self.tell {
            println!("{:10.3}  {}", (self.now - self.start).as_secs_f64(), what(self));
        }
    }

    fn act(&mut self) -> bool {
        let Self { dice, exchange, stations, .. } = self;
        let mut acted = false;
        for station in stations {
            acted |= station.act(exchange, dice, self.now);
        }
        while let Some(output) = self.exchange.poll_output() {
            acted = true;
            match output {
                Output::Send { line, bytes } => self.deliver(line, &bytes),
                // There is no trunk.
                Output::Outside { .. } => {}
                Output::Report(event) => {
                    self.told(|_| format!("exchange   {event}"));
                    self.log.push(event);
                }
            }
        }
        for (index, name) in NAMES.iter().enumerate() {
            for told in self.stations[index].told.as_mut().map(std::mem::take).unwrap_or_default() {
                self.told(|_| format!("{name:8} {told}"));
            }
        }
        acted
    }

    fn deliver(&mut self, line: LineId, bytes: &[u8]) {
        if let Some(index) = self.stations.iter().position(|station| station.line == line) {
            let from = NAMES[index];
            self.told(|_| format!("{from:8} < {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)])));
            self.stations[index].from_modem.send(bytes, &mut self.dice, self.now);
        }
    }
}

/// What the program at a modem is set to: to find out which kind it is.
pub fn settings(catalogue: &Arc<Catalogue>) -> Settings {
    Settings::for_kind(Kind::FindOut { catalogue: Arc::clone(catalogue), usb: None })
}
