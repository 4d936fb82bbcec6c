//! `ringup demo`: the whole road on one machine. Real pppd, real kernel links, a real DHCP server, the real directory;
//! only the telephone network is emulated.

mod broadband;
mod daemon;
mod plan;
pub mod summary;
mod timeline;
pub mod world;

use std::net::IpAddr;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use self::timeline::{Timeline, seconds_between};
use self::world::{Ran, World};
use crate::exit::{Failure, Status};

pub use self::daemon::Heard;
pub use self::plan::Timings;

/// How many lines of each log are shown when something fails.
const LOG_TAIL: usize = 12;
/// What the demo's machines do with their time: home's link may be idle for long enough to be reached once more.
const TIMINGS: Timings = Timings { home_idle: 8, linger: 5 };

const PICTURE: &str = "
  client --+                                      +-- directory
           +-- exchange -- provider -- internet --+
  home ----+                                      +-- cable company -- cabin

  Client and home have a telephone line and nothing else; the provider has two lines, and six addresses to lend. The
  cabin is on broadband. Each is a network namespace of its own.";

/// Shows the whole road.
///
/// # Errors
/// With the act that failed, after the logs' tails; or when interrupted. Nothing is left behind either way.
pub async fn run(stop: &CancellationToken) -> Result<u8, Failure> {
    let timeline = Timeline::new();
    timeline.plain("ringup demo: a machine that is off the Internet is telephoned, comes online, and is found.");
    timeline.plain(PICTURE);
    if let Ok(kernel) = std::env::var("RINGUP_LAB_KERNEL") {
        timeline.plain(&format!("\n  All of it runs on {kernel}."));
    }
    let program = std::env::current_exe().map_err(|error| Failure::caused(Status::Internal, &error))?;
    let teller = timeline.clone();
    let mut world = World::build(program, TIMINGS, move |heard| teller.heard(heard), stop).await?;
    let mut show = Show { timeline: timeline.clone(), acts: Vec::new(), act_began: 0, addresses: Vec::new() };
    let played = tokio::select! {
        played = show.play(&mut world) => played,
        () = stop.cancelled() => Err(interrupted()),
    };
    // Ctrl-C reaches the programs of the act, too: that they end is no failure then.
    let played = if played.is_err() && stop.is_cancelled() { Err(interrupted()) } else { played };
    match &played {
        Ok(()) => summary::print(&timeline, &world.heard, &show.acts, &show.addresses),
        Err(failure) if failure.status == Status::Interrupted => {
            timeline.plain("\ninterrupted; taking everything down");
        }
        Err(failure) => {
            let act = show.acts.last().map_or("before the first act", |(act, _)| act.as_str());
            timeline.heading(&format!("FAILED in: {act}"));
            timeline.plain(&format!("  {failure}"));
            for (name, lines) in world.log_tails(LOG_TAIL) {
                timeline.heading(&format!("the end of the log of {name}"));
                lines.iter().for_each(|line| timeline.plain(&format!("  {line}")));
            }
        }
    }
    world.end().await;
    played?;
    timeline.plain("\nThe demo is over: every step was real but the telephone network. Nothing is left running.");
    Ok(0)
}

fn interrupted() -> Failure {
    Failure::new(Status::Interrupted, "interrupted")
}

/// The acts, and what they have shown.
struct Show {
    timeline: Timeline,
    /// Each act with its length in seconds, and the current one's start.
    acts: Vec<(String, f64)>,
    act_began: u64,
    addresses: Vec<(String, String)>,
}

impl Show {
    async fn play(&mut self, world: &mut World) -> Result<(), Failure> {
        self.act("1  A telephone exchange, a directory, a provider, and a home server that sleeps");
        self.raise_the_curtain(world).await?;
        self.act("2  The client wakes home by telephone and fetches its page");
        let first = self.fetch_from_home(world).await?;
        self.addresses.push(("home, after the first wake".to_owned(), first.to_string()));
        self.act("3  Home is online: a second connect makes no call");
        let dialled = calls_dialled(world);
        let again = self.fetch_from_home(world).await?;
        expect(again == first, || format!("home moved from {first} to {again} while it was online"))?;
        expect(calls_dialled(world) == dialled, || "the second connect made a call".to_owned())?;
        self.timeline.say("exchange", "no call was made");
        self.act("4  Home's link is idle: it withdraws its record, hangs up, and listens again");
        self.fall_asleep(world).await?;
        self.act("5  A new wake: another address, and still found");
        let second = self.fetch_from_home(world).await?;
        expect(second != first, || format!("the pool lent {first} twice in a row"))?;
        self.addresses.push(("home, after the next wake".to_owned(), second.to_string()));
        self.act("6  The other way to have a dynamic address: a host on broadband");
        self.follow_broadband(world).await?;
        self.close_act();
        Ok(())
    }

    async fn raise_the_curtain(&mut self, world: &mut World) -> Result<(), Failure> {
        world.start_role("exchange", None, "exchange")?;
        for _line in 0..4 {
            world.until("exchange", "line").await?;
        }
        self.timeline.say("exchange", "555-0199 is the provider's: a hunt group of both its lines");
        world.start_role("directory", Some("directory"), "directory")?;
        world.until("directory", "ready").await?;
        world.start_role("provider", Some("provider"), "provide")?;
        world.until("provider", "ready").await?;
        world.start_role("home", Some("home"), "listen")?;
        world.until("home", "listening").await?;
        start_page(world, "home")?;
        for machine in ["client", "home"] {
            let mut command = world.command(Some(machine), Path::new("ip"));
            command.args(["route", "show", "table", "all", "type", "unicast"]);
            let routes = world.run("routes", command).await?;
            let ways: Vec<&str> = routes.output.lines().filter(|line| !line.contains("dev lo")).collect();
            expect(ways.is_empty(), || format!("{machine} has a way out already: {}", ways.join("; ")))?;
            self.timeline.say(machine, "has no route to anywhere");
        }
        Ok(())
    }

    /// The command that the whole road is for, as anybody would type it.
    async fn fetch_from_home(&mut self, world: &mut World) -> Result<IpAddr, Failure> {
        self.fetch(world, "home").await
    }

    async fn fetch(&mut self, world: &mut World, site: &'static str) -> Result<IpAddr, Failure> {
        self.timeline.plain(&format!("\n    $ ringup connect {site} -- curl -s http://{{}}/\n"));
        let heard_before = world.heard.len();
        let arguments = ["connect", site, "--json", "--", "curl", "-s", "--max-time", "30", "http://{}/"];
        let Ran { status, output, errors } = world.run_role("client", "client", &arguments).await?;
        let done = serde_json::json!({ "event": "done" }).to_string();
        if let Some(done) = Heard::parse("client", &done) {
            world.heard.push(done);
        }
        expect(status == 0, || format!("ringup connect {site} ended with {status}: {}", errors.trim()))?;
        let page = page_of(site);
        expect(output == page, || format!("{site}'s page reads {output:?}, not {page:?}"))?;
        self.timeline.say("client", &format!("fetched: {}", output.trim()));
        let of_this = world.heard.get(heard_before..).unwrap_or_default();
        let online = of_this.iter().rev().find(|heard| heard.who == "client" && heard.event == "online");
        let address = online.and_then(|heard| heard.fields.get("address")?.as_str()?.parse().ok());
        address.ok_or_else(|| Failure::new(Status::Internal, "connect did not say where the host is"))
    }

    async fn fall_asleep(&mut self, world: &mut World) -> Result<(), Failure> {
        for event in ["idle", "withdrawn", "ended", "listening"] {
            world.until("home", event).await?;
        }
        // Asked on the directory's own machine, which has no modem to wake anybody with.
        let mut command = world.command(Some("directory"), world.program());
        command.args(["--config", "client.toml", "query", "home"]);
        let Ran { status, output, errors } = world.run("query", command).await?;
        expect(status == 0 && output.contains("is asleep"), || format!("the directory says: {output}{errors}"))?;
        self.timeline.say("directory", output.trim());
        Ok(())
    }

    async fn follow_broadband(&mut self, world: &mut World) -> Result<(), Failure> {
        broadband::start_dhcp_server(world, 0)?;
        start_page(world, "cabin")?;
        world.start_role("cabin", Some("cabin"), "watch")?;
        world.until("cabin", "watching").await?;
        broadband::start_dhcp_client(world)?;
        let registered = world.until("cabin", "registered").await?;
        let first = self.fetch_without_ringing(world).await?;
        expect(registered.text("addresses") == first.to_string(), || "another address was registered".to_owned())?;
        self.addresses.push(("cabin, its first DHCP lease".to_owned(), first.to_string()));
        self.timeline.say("cable", "the cable company renumbers");
        broadband::renumber(world).await?;
        world.until("cabin", "registered").await?;
        let second = self.fetch_without_ringing(world).await?;
        expect(second != first, || format!("the cabin still is at {first}"))?;
        self.addresses.push(("cabin, after its provider renumbered".to_owned(), second.to_string()));
        Ok(())
    }

    /// Fetches the cabin's page; the only number that may be dialled for it is the client's own provider's.
    async fn fetch_without_ringing(&mut self, world: &mut World) -> Result<IpAddr, Failure> {
        let heard_before = world.heard.len();
        let address = self.fetch(world, "cabin").await?;
        let of_this = world.heard.get(heard_before..).unwrap_or_default();
        let rang = of_this.iter().find(|heard| heard.event == "ringing" && heard.who == "client");
        expect(rang.is_none(), || "the client rang somebody".to_owned())?;
        Ok(address)
    }

    fn act(&mut self, title: &str) {
        self.close_act();
        self.timeline.heading(title);
        self.act_began = daemon::now();
        self.acts.push((title.to_owned(), 0.0));
    }

    fn close_act(&mut self) {
        if let Some((_, seconds)) = self.acts.last_mut() {
            *seconds = seconds_between(self.act_began, daemon::now());
        }
    }
}

/// How often anybody has dialled anything.
fn calls_dialled(world: &World) -> usize {
    world.heard.iter().filter(|heard| heard.who == "exchange" && heard.event == "dialled").count()
}

/// A page that only this machine serves.
#[must_use]
pub fn page_of(machine: &str) -> String {
    format!("Hello from {machine}, process {} of the demo.\n", std::process::id())
}

/// Serves a machine's page on port 80 of its namespace.
///
/// # Errors
/// When the page cannot be written or its server not be started.
pub fn start_page(world: &mut World, machine: &'static str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Status::Internal, format!("cannot write a page: {error}"));
    let page = page_of(machine);
    let text = format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let file = world.folder().join(format!("{machine}.http"));
    std::fs::write(&file, text).map_err(failed)?;
    // The request is read to its empty line first: an answer before it would be cut off by a reset.
    let serve = format!("while read -r line && [ ${{#line}} -gt 1 ]; do :; done\ncat {}\n", file.display());
    let script = world.folder().join(format!("{machine}-page.sh"));
    std::fs::write(&script, serve).map_err(failed)?;
    let mut command = world.command(Some(machine), Path::new("socat"));
    // A client that has said all is answered all the same, however slow this machine is.
    command.args(["-t", "30", "TCP-LISTEN:80,reuseaddr,fork"]).arg(format!("EXEC:sh {}", script.display()));
    world.start(if machine == "home" { "home page" } else { "cabin page" }, command)
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(Status::Internal, otherwise())) }
}
