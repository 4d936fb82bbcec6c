//! ringup's side of the table: whole wakes, told by the daemons' own events and by the exchange's log of calls.

use std::path::Path;

use ringup::demo::world::World;
use ringup::exit::{Failure, Status};

use super::calls::{Calls, is, now, ring, since};
use super::names::{HOME, HOME_BIND, HOME_FIRST};
use super::phases::Wake;

/// Which of the listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    /// Registers with `ringup directory`.
    Directory,
    /// Registers with BIND.
    Bind,
    /// Its provider speaks first at CONNECT.
    SpokenToFirst,
}

impl Ours {
    fn line(self) -> &'static str {
        let (name, _number) = match self {
            Self::Directory => HOME,
            Self::Bind => HOME_BIND,
            Self::SpokenToFirst => HOME_FIRST,
        };
        name
    }
}

/// The size of a ping of which the octets there and back are as many as those of an UPDATE and its answer: 390 and 135
/// with IP's and UDP's headers, by pppd's count; a ping has 28 octets of headers each way.
const PING: &str = "234";

/// Rings a listener once, and waits until it is back on its hook; gives the wake, and what an UPDATE's bytes by
/// themselves took on the line meanwhile, in seconds.
pub(crate) async fn wake(world: &mut World, ours: Ours) -> Result<(Wake, Vec<f64>), Failure> {
    let moment = world.heard.len();
    ring(world, ours.line()).await?;
    registered(world, ours.line(), moment).await?;
    let round_trips = if ours == Ours::Directory { round_trips(world).await? } else { Vec::new() };
    Ok((settled(world, ours.line(), moment).await?, round_trips))
}

/// Wakes home as whoever wants to reach it does; gives the seconds from the first RING until the client knew.
pub(crate) async fn connect(world: &mut World) -> Result<f64, Failure> {
    let moment = world.heard.len();
    let ran = world.run_role("client", "client", &["connect", "home", "--json", "--", "true"]).await?;
    let at = now();
    if ran.status != 0 {
        let said = format!("ringup connect ended with {}: {}", ran.status, ran.errors.trim());
        return Err(Failure::new(Status::Internal, said));
    }
    settled(world, HOME.0, moment).await?;
    let knew = since(world, moment).iter().find(|one| is(one, "client", "online")).map_or(at, |online| online.at);
    let first_ring = Calls::of(since(world, moment), HOME.0)?.first_ring;
    Ok(std::time::Duration::from_millis(knew.saturating_sub(first_ring)).as_secs_f64())
}

async fn registered(world: &mut World, line: &str, moment: usize) -> Result<(), Failure> {
    while !since(world, moment).iter().any(|one| is(one, line, "registered")) {
        world.until(line, "registered").await?;
    }
    Ok(())
}

/// Waits until the listener listens again, and reads the wake.
async fn settled(world: &mut World, line: &str, moment: usize) -> Result<Wake, Failure> {
    while !since(world, moment).iter().any(|one| is(one, line, "listening")) {
        world.until(line, "listening").await?;
    }
    let heard = since(world, moment);
    let at = |event: &str| {
        let found = heard.iter().find(|one| is(one, line, event)).map(|one| one.at);
        found.ok_or_else(|| Failure::new(Status::Internal, format!("a wake of {line} without {event}")))
    };
    let calls = Calls::of(heard, line)?;
    calls.never_off_hook_while_it_may_ring(line)?;
    Ok(Wake::new(&calls, at("up")?, at("registered")?))
}

/// What an UPDATE's and its answer's bytes take on a link that is up: three times, in seconds.
async fn round_trips(world: &mut World) -> Result<Vec<f64>, Failure> {
    let mut command = world.command(Some("home"), Path::new("ping"));
    command.args(["-c", "3", "-i", "0.4", "-s", PING, "192.0.2.6"]);
    let ran = world.run("ping", command).await?;
    let times = ran.output.lines().filter_map(|line| {
        let (_before, time) = line.split_once("time=")?;
        time.split(' ').next()?.parse::<f64>().ok()
    });
    let times: Vec<f64> = times.map(|milliseconds| milliseconds / 1000.0).collect();
    if times.is_empty() {
        return Err(Failure::new(Status::Internal, format!("no answer to a ping: {}{}", ran.output, ran.errors)));
    }
    Ok(times)
}
