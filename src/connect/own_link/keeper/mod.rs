//! The process that holds our own link: dials when a lessee wants it, shares it among all of them, frees the line for
//! a wake-up call, and ends when nobody has wanted it for the linger time, or whoever started it is gone before it came.

mod calls;
mod door;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use hayes::line::LineSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedWriteHalf, pipe};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::calls::{Raised, raise};
use self::door::{MOST_LESSEES, Told, accept, open_socket, say_ready};
use super::{Said, Want, line};
use crate::budget::{Purse, Unpaid};
use crate::exit::Failure;
use crate::link::{self, Isp};

/// How long a new keeper waits for its first lessee where it cannot know whether whoever started it is there still.
const FIRST_LESSEE: Duration = Duration::from_secs(10);

/// What a keeper works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its socket.
    pub socket: PathBuf,
    /// The modem's line.
    pub line: LineSettings,
    /// How to treat the modem.
    pub modem: hayes::modem::Settings,
    /// The provider to dial.
    pub isp: Isp,
    /// How long the link stays up after the last lessee.
    pub linger: Duration,
    /// What its calls are paid from.
    pub purse: Purse,
}

/// Standard input as a lifeline, for [`run`], if it is a pipe.
#[must_use]
pub fn standard_input() -> Option<pipe::Receiver> {
    std::io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd).ok()
}

/// Keeps the link until nobody wants it. A lifeline is a pipe that nobody writes to, and whose other end is closed when
/// whoever wanted the keeper is gone: one that has no lessee by then ends.
///
/// # Errors
/// When the socket cannot be had.
pub async fn run(
    settings: &Settings,
    lifeline: Option<pipe::Receiver>,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let Some(listener) = open_socket(&settings.socket).await? else {
        say_ready(); // another keeper is there already
        return Ok(());
    };
    link::mend(&settings.isp.runtime).await;
    let (tell, told) = mpsc::channel(MOST_LESSEES);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, tell));
    say_ready();
    let mut keeper = Keeper {
        settings,
        shutdown,
        lifeline,
        told,
        waiting: VecDeque::new(),
        lessees: BTreeMap::new(),
        content: BTreeSet::new(),
        owed: BTreeSet::new(),
        link: None,
        quit: false,
        alone_since: Instant::now(),
        ever: false,
    };
    loop {
        keeper.keep().await;
        keeper.lower().await;
        // Whoever came while we hung up is served; the line is free before the socket goes.
        if shutdown.is_cancelled() || !keeper.hear_late_comers() {
            break;
        }
    }
    match std::fs::remove_file(&settings.socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => tracing::warn!(%error, "the socket stays behind"),
        Ok(()) | Err(_) => {}
    }
    Ok(())
}

struct Keeper<'run> {
    settings: &'run Settings,
    shutdown: &'run CancellationToken,
    lifeline: Option<pipe::Receiver>,
    told: mpsc::Receiver<Told>,
    /// What was wanted while we hung up.
    waiting: VecDeque<(u64, Want)>,
    lessees: BTreeMap<u64, OwnedWriteHalf>,
    /// Those that need no link for now: they want the line, or whatever becomes of it.
    content: BTreeSet<u64>,
    /// Those that are to be told once the line is free.
    owed: BTreeSet<u64>,
    link: Option<Raised>,
    quit: bool,
    alone_since: Instant,
    ever: bool,
}

/// What woke the keeper.
enum Woken {
    Told(Told),
    LinkEnded,
    RunOut(Unpaid),
    Over,
}

impl Keeper<'_> {
    async fn keep(&mut self) {
        loop {
            while let Some((lessee, want)) = self.waiting.pop_front() {
                self.handle(Told::Wants(lessee, want)).await;
            }
            let deadline = self.end();
            let woken = tokio::select! {
                told = self.told.recv() => told.map_or(Woken::Over, Woken::Told),
                ended = link_end(&mut self.link) => ended,
                () = crate::clock::sleep_until(deadline.map(Instant::into_std)) => Woken::Over,
                () = parted(&mut self.lifeline), if !self.ever => Woken::Over,
                () = self.shutdown.cancelled() => Woken::Over,
            };
            match woken {
                Woken::Over => return,
                Woken::LinkEnded => {
                    self.lower().await;
                    self.say_all(&Said::Down).await;
                }
                Woken::RunOut(unpaid) => {
                    tracing::warn!("our own link ends: {unpaid}");
                    self.lower().await;
                    self.say_all(&Said::Down).await;
                }
                Woken::Told(told) => self.handle(told).await,
            }
            self.free_line().await;
        }
    }

    async fn handle(&mut self, told: Told) {
        match told {
            Told::Wants(lessee, Want::Up) => {
                self.content.remove(&lessee);
                self.raise_for(lessee).await;
            }
            Told::Wants(lessee, Want::Status) => {
                self.content.remove(&lessee);
                let said = self.link.as_ref().map_or(Said::Down, |raised| Said::Up(raised.up.clone()));
                self.say(lessee, &said).await;
            }
            Told::Wants(lessee, Want::Down) => {
                self.content.insert(lessee);
                self.owed.insert(lessee);
                if self.is_used() {
                    self.say(lessee, &Said::Used).await;
                }
            }
            Told::Wants(lessee, Want::Quit) => {
                self.content.insert(lessee);
                if !self.is_used() {
                    self.lower().await;
                }
                drop(self.quits(lessee));
            }
            other @ (Told::Joined(..) | Told::Left(_)) => self.note(other),
        }
    }

    /// Takes in who has come by now; tells whether anybody has.
    fn hear_late_comers(&mut self) -> bool {
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::Wants(lessee, want) => self.waiting.push_back((lessee, want)),
                other @ (Told::Joined(..) | Told::Left(_)) => self.note(other),
            }
        }
        !self.lessees.is_empty()
    }

    /// When to end, if nobody comes any more.
    fn end(&self) -> Option<Instant> {
        if !self.lessees.is_empty() {
            return None;
        }
        let patience = match (self.ever, self.quit || self.link.is_none()) {
            (false, _) if self.lifeline.is_some() => return None,
            (false, _) => FIRST_LESSEE,
            (true, true) => Duration::ZERO,
            (true, false) => self.settings.linger,
        };
        Some(self.alone_since + patience)
    }

    fn note(&mut self, told: Told) {
        match told {
            Told::Joined(lessee, writer) => {
                self.ever = true;
                self.quit = false;
                self.lessees.insert(lessee, writer);
            }
            Told::Left(lessee) => {
                self.forget(lessee);
                self.alone_since = Instant::now();
            }
            Told::Wants(lessee, want) => tracing::debug!(lessee, ?want, "not now"),
        }
    }

    /// Lets a lessee go who wants no linger time, which is nobody's affair but its own if there are others. Its connection
    /// closes with the writer, and that is its answer.
    fn quits(&mut self, lessee: u64) -> Option<OwnedWriteHalf> {
        let writer = self.forget(lessee);
        self.quit = self.lessees.is_empty();
        self.alone_since = Instant::now();
        writer
    }

    fn forget(&mut self, lessee: u64) -> Option<OwnedWriteHalf> {
        self.content.remove(&lessee);
        self.owed.remove(&lessee);
        self.lessees.remove(&lessee)
    }

    async fn raise_for(&mut self, lessee: u64) {
        if let Some(raised) = &self.link {
            let said = Said::Up(raised.up.clone());
            return self.say(lessee, &said).await;
        }
        let mut stage = Said::Dialling;
        self.say(lessee, &stage).await;
        let mut waiting = vec![lessee];
        // The last one's connection closes only when the call is over: then the line is free.
        let mut last = None;
        let (tell, mut steps) = mpsc::channel(1);
        let raised = {
            let mut raising = Box::pin(raise(self.settings, &tell)); // a modem is much to carry about
            loop {
                tokio::select! {
                    raised = &mut raising => break Some(raised),
                    Some(step) = steps.recv() => {
                        stage = step;
                        for lessee in &waiting {
                            self.say(*lessee, &stage).await;
                        }
                    }
                    told = self.told.recv() => match told {
                        Some(Told::Wants(another, want @ (Want::Up | Want::Status))) => {
                            self.content.remove(&another);
                            if want == Want::Up && !waiting.contains(&another) {
                                waiting.push(another);
                            }
                            self.say(another, &stage).await;
                        }
                        Some(Told::Wants(another, Want::Down)) => {
                            self.waiting.push_back((another, Want::Down));
                            self.say(another, &Said::Used).await;
                        }
                        Some(Told::Wants(another, Want::Quit)) => {
                            let writer = self.quits(another);
                            if !self.is_wanted_by(&waiting) {
                                last = writer;
                            }
                        }
                        Some(other @ (Told::Joined(..) | Told::Left(_))) => self.note(other),
                        None => break None,
                    },
                    () = self.shutdown.cancelled() => break None,
                }
                // Nobody wants it any more: dropping the call closes the line, and the modem hangs up.
                if !self.is_wanted_by(&waiting) {
                    break None;
                }
            }
        };
        let said = match raised {
            Some(Ok(raised)) => {
                tracing::info!(interface = %raised.up.interface, "our own link is up");
                let up = raised.up.clone();
                self.link = Some(raised);
                Said::Up(up)
            }
            Some(Err(failure)) => {
                tracing::warn!(cause = %failure, "our own link did not come up");
                Said::Failed(failure)
            }
            None => Said::Down,
        };
        for lessee in waiting {
            self.say(lessee, &said).await;
        }
        drop(last);
    }

    /// Whether any of those that waited for the link is there still.
    fn is_wanted_by(&self, waiting: &[u64]) -> bool {
        waiting.iter().any(|lessee| self.lessees.contains_key(lessee))
    }

    /// Whether the link is up, and somebody needs it.
    fn is_used(&self) -> bool {
        self.link.is_some() && self.lessees.keys().any(|lessee| !self.content.contains(lessee))
    }

    /// Takes the link down for those that want the line, once nobody needs it any more.
    async fn free_line(&mut self) {
        if self.owed.is_empty() || self.is_used() {
            return;
        }
        self.lower().await;
        for lessee in std::mem::take(&mut self.owed) {
            self.say(lessee, &Said::Down).await;
        }
    }

    async fn lower(&mut self) {
        let Some(Raised { link, toll, .. }) = self.link.take() else { return };
        let (end, driver) = link.close().await;
        tracing::info!(cause = %end, "our own link is down");
        if let Some(mut driver) = driver
            && let Err(error) = driver.hang_up().await
        {
            tracing::warn!(%error, "the line did not hang up; closing it");
        }
        toll.hung_up().await;
    }

    async fn say(&mut self, lessee: u64, said: &Said) {
        if let Some(writer) = self.lessees.get_mut(&lessee)
            && writer.write_all(line(said).as_bytes()).await.is_err()
        {
            tracing::debug!(lessee, "gone");
        }
    }

    async fn say_all(&mut self, said: &Said) {
        let all: Vec<u64> = self.lessees.keys().copied().collect();
        for lessee in all {
            self.say(lessee, said).await;
        }
    }
}

/// Waits for the end of a lifeline; for ever if there is none.
async fn parted(lifeline: &mut Option<pipe::Receiver>) {
    match lifeline {
        // Nobody writes to it; an error is an end as well.
        Some(lifeline) => while lifeline.read_u8().await.is_ok() {},
        None => std::future::pending().await,
    }
}

/// Waits until the link has ended, or is to end because nothing is left to pay it with; for ever if there is none.
async fn link_end(raised: &mut Option<Raised>) -> Woken {
    let Some(Raised { link, toll, .. }) = raised else { return std::future::pending().await };
    tokio::select! {
        _end = link.ended() => Woken::LinkEnded,
        unpaid = toll.run_out() => Woken::RunOut(unpaid),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::UnixStream;

    use super::*;
    use crate::config::Config;
    use crate::scratch::Scratch;

    fn settings(folder: &Scratch) -> Settings {
        folder.write("isp.secret", "an invented secret\n");
        std::fs::set_permissions(folder.path("isp.secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
        folder.write(
            "client.toml",
            "runtime-directory = \"run\"\n[modem]\nport = \"none\"\nkind = \"default\"\n\
             [isp]\nnumber = \"555-0199\"\nuser = \"client\"\nsecret = \"isp.secret\"\n",
        );
        Config::load(&folder.path("client.toml")).unwrap().keeper().unwrap()
    }

    #[tokio::test]
    async fn one_whose_starter_is_gone_before_it_came_ends_and_one_that_has_lessees_does_not() {
        let folder = Scratch::new("keeper");
        let (settings, never) = (settings(&folder), CancellationToken::new());
        let (held, lifeline) = pipe::pipe().unwrap();
        drop(held);
        // It would wait for ever for a starter that is there.
        run(&settings, Some(lifeline), &never).await.unwrap();
        assert!(!settings.socket.exists());

        let (held, lifeline) = pipe::pipe().unwrap();
        let keeper = run(&settings, Some(lifeline), &never);
        let lessee = async {
            let stream = loop {
                match UnixStream::connect(&settings.socket).await {
                    Ok(stream) => break stream,
                    Err(_not_yet) => tokio::task::yield_now().await,
                }
            };
            let mut stream = BufReader::new(stream);
            let mut said = String::new();
            stream.get_mut().write_all(line(&Want::Status).as_bytes()).await.unwrap();
            stream.read_line(&mut said).await.unwrap();
            drop(held);
            stream.get_mut().write_all(line(&Want::Status).as_bytes()).await.unwrap();
            stream.read_line(&mut said).await.unwrap();
            assert_eq!(said, line(&Said::Down).repeat(2));
        };
        let (ended, ()) = tokio::join!(keeper, lessee);
        assert_eq!(ended, Ok(()));
    }
}
