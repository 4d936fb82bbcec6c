//! ringup's side of the table: whole wakes, told by the daemons' own events.

use ringup::demo::Heard;
use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

/// One wake, in seconds after its first RING at home.
pub(crate) struct Wake {
    /// The exchange saw the caller hang up.
    pub(crate) caller_gone: f64,
    /// The line was silent for long enough.
    pub(crate) waking: f64,
    /// The exchange connected home with its provider.
    pub(crate) connect: f64,
    /// The ip-up hook told home's daemon.
    pub(crate) address: f64,
    /// The directory acknowledged.
    pub(crate) registered: f64,
    /// The client had the record.
    pub(crate) client: Option<f64>,
}

/// Starts everything a wake needs.
pub(crate) async fn start(world: &mut World) -> Result<(), Failure> {
    for (name, machine, role, ready) in [
        ("exchange", None, "exchange", "line"),
        ("directory", Some("directory"), "directory", "ready"),
        ("provider", Some("provider"), "provide", "ready"),
        ("home", Some("home"), "listen", "listening"),
    ] {
        world.start_role(name, machine, role)?;
        world.until(name, ready).await?;
    }
    Ok(())
}

/// Rings home once, and waits until it is back on its hook.
pub(crate) async fn wake(world: &mut World) -> Result<Wake, Failure> {
    run(world, &["wake", "home"]).await
}

/// Wakes home as whoever wants to reach it does.
pub(crate) async fn connect(world: &mut World) -> Result<Wake, Failure> {
    run(world, &["connect", "home", "--json", "--", "true"]).await
}

async fn run(world: &mut World, arguments: &[&str]) -> Result<Wake, Failure> {
    let mark = world.heard.len();
    let ran = world.run_role("client", "client", arguments).await?;
    if ran.status != 0 {
        let said = format!("ringup {} ended with {}: {}", arguments.join(" "), ran.status, ran.errors.trim());
        return Err(Failure::new(Status::Internal, said));
    }
    let over = |world: &World| heard_since(world, mark).iter().any(|one| is(one, "home", "listening"));
    while !over(world) {
        world.until("home", "listening").await?;
    }
    read(heard_since(world, mark))
}

fn heard_since(world: &World, mark: usize) -> &[Heard] {
    world.heard.get(mark..).unwrap_or_default()
}

/// Finds a wake's phases in what was heard.
fn read(heard: &[Heard]) -> Result<Wake, Failure> {
    let first = |who: &'static str, event: &'static str| move |one: &&Heard| is(one, who, event);
    let missing = |what: &str| Failure::new(Status::Internal, format!("a wake without an event: {what}"));
    let find = |who, event| heard.iter().find(first(who, event)).ok_or_else(|| missing(event));
    let ring = find("home", "ring")?.at;
    let after = |at: u64| std::time::Duration::from_millis(at.saturating_sub(ring)).as_secs_f64();
    let call_to_home = heard.iter().find(|one| is(one, "exchange", "ringing") && one.text("line") == "home");
    let call_to_home = call_to_home.ok_or_else(|| missing("ringing"))?.text("call");
    let gone = heard.iter().find(|one| is(one, "exchange", "hung-up") && one.text("call") == call_to_home);
    let call_of_home = heard.iter().find(|one| is(one, "exchange", "dialled") && one.text("from") == "home");
    let call_of_home = call_of_home.ok_or_else(|| missing("dialled"))?.text("call");
    let connected = heard.iter().find(|one| is(one, "exchange", "connected") && one.text("call") == call_of_home);
    Ok(Wake {
        caller_gone: after(logged_at(gone.ok_or_else(|| missing("hung-up"))?)?),
        waking: after(find("home", "waking")?.at),
        connect: after(logged_at(connected.ok_or_else(|| missing("connected"))?)?),
        address: after(find("home", "up")?.at),
        registered: after(find("home", "registered")?.at),
        client: find("client", "online").ok().map(|online| after(online.at)),
    })
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
