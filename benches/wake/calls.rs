//! What the exchange's log of calls tells of a wake: the call that wakes, the call that it brings about, and whether the
//! line ever went off hook while it may still have been ringing.

use ringup::demo::Heard;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

/// From the start of one ring to the start of the next, in the United States, in milliseconds.
pub(crate) const CADENCE: u64 = 6000;

/// A wake by the exchange's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    /// The woken line first rang.
    pub(crate) first_ring: u64,
    /// It last rang.
    pub(crate) last_ring: u64,
    /// The caller hung up.
    pub(crate) caller_gone: u64,
    /// The woken line dialled.
    pub(crate) dialled: u64,
    /// It was connected.
    pub(crate) connected: u64,
}

impl Calls {
    /// Finds both calls of a line in what was heard.
    pub(crate) fn of(heard: &[Heard], line: &str) -> Result<Self, Failure> {
        let exchange: Vec<&Heard> = heard.iter().filter(|one| one.who == "exchange").collect();
        let missing = |what: &str| Failure::new(Status::Internal, format!("no {what} in the log of calls of {line}"));
        let event = |call: &str, event: &'static str| {
            let mut events = exchange.iter().filter(|one| one.event == event && one.text("call") == call);
            events.next_back().ok_or_else(|| missing(event)).and_then(|one| logged_at(one))
        };
        let rang = exchange.iter().find(|one| one.event == "ringing" && one.text("line") == line);
        let rang = rang.ok_or_else(|| missing("ringing"))?;
        let to_line = rang.text("call");
        for answer in ["answered", "glare", "connected"] {
            if event(&to_line, answer).is_ok() {
                return Err(Failure::new(Status::Internal, format!("{line} answered the call that only wakes it")));
            }
        }
        let dialled = exchange.iter().find(|one| one.event == "dialled" && one.text("from") == line);
        let from_line = dialled.ok_or_else(|| missing("dialled"))?.text("call");
        Ok(Self {
            first_ring: logged_at(rang)?,
            last_ring: event(&to_line, "ringing")?,
            caller_gone: event(&to_line, "hung-up")?,
            dialled: event(&from_line, "dialled")?,
            connected: event(&from_line, "connected")?,
        })
    }

    /// Fails unless the caller was gone, and could have been known to be gone, before the line was dialled from.
    pub(crate) fn never_off_hook_while_it_may_ring(&self, line: &str) -> Result<(), Failure> {
        if self.dialled > self.caller_gone && self.dialled >= self.last_ring + CADENCE {
            return Ok(());
        }
        let told = format!("{line} went off hook while its telephone may still have been ringing: {self:?}");
        Err(Failure::new(Status::Internal, told))
    }
}

/// What was heard since a moment.
pub(crate) fn since(world: &World, moment: usize) -> &[Heard] {
    world.heard.get(moment..).unwrap_or_default()
}

pub(crate) fn is(heard: &Heard, who: &str, event: &str) -> bool {
    heard.who == who && heard.event == event
}

/// When something happened, as the exchange's log of calls has it: milliseconds since 1970.
pub(crate) fn logged_at(heard: &Heard) -> Result<u64, Failure> {
    let time = heard.text("time");
    let read = time.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    read.ok_or_else(|| Failure::new(Status::Internal, format!("the exchange's log has no time but {time:?}")))
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(ringup::clock::since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Rings a line up from the client, and hangs up.
pub(crate) async fn ring(world: &mut World, site: &str) -> Result<(), Failure> {
    let ran = world.run_role("client", "client", &["wake", site]).await?;
    if ran.status == 0 {
        return Ok(());
    }
    Err(Failure::new(Status::Internal, format!("ringup wake {site} ended with {}: {}", ran.status, ran.errors.trim())))
}
