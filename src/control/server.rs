//! The daemon's end of the socket: bounded in number, in length and in time; whoever reads too slowly is cut off.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ask::{Ask, Desk};
use super::board::{Board, Phase, Standing};
use super::protocol::{self, Answer, LONGEST_REQUEST, Request};
use crate::budget::Budget;
use crate::exit::{Failure, Status};
use crate::journal::Journal;
use crate::link;

/// What the socket answers from.
#[derive(Clone, Debug)]
pub struct Front {
    /// How things stand.
    pub board: Board,
    /// The lines' own tasks.
    pub desk: Desk,
    /// What was spent.
    pub budget: Budget,
    /// What happened.
    pub journal: Journal,
}

/// The bound socket; its file goes when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Binds the socket, for its owner and group only.
    ///
    /// # Errors
    /// When another daemon answers there, or the system refuses.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
    }
}

/// Answers until the shutdown.
pub async fn serve(socket: Socket, front: Front, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = socket.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                // Whoever finds no place reads an end of file at once.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let front = front.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, &front).await {
                        tracing::debug!(%error, "a connection to the control socket ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting failed");
                sleep(ERROR_PAUSE).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, front: &Front) -> io::Result<()> {
    let line = timeout(READ_WITHIN, read_line(&mut stream)).await??;
    let request = match protocol::request(&line) {
        Ok(request) => request,
        Err(refusal) => return send(&mut stream, &Answer::Refused(refusal)).await,
    };
    tracing::debug!(?request, "asked");
    if request == Request::Watch {
        return watch(stream, front).await;
    }
    let answer = answer(request, front).await;
    send(&mut stream, &answer).await
}

async fn answer(request: Request, front: &Front) -> Answer {
    let done = match request {
        Request::Status | Request::Watch => return Answer::Standing(Box::new(front.standing())),
        Request::HangUp { line } => match line.or_else(|| front.busy_line()) {
            Some(line) => front.desk.ask(&line, Ask::HangUp).await,
            None => Err(Failure::new(Status::NoLink, "there is no link to end, and none on its way")),
        },
        Request::Ring(ring) => match ring.line.clone().or_else(|| front.idle_line()) {
            Some(line) => front.desk.ask(&line, Ask::Ring(ring)).await,
            None => Err(Failure::new(Status::PortBusy, "no line waits for calls now").hint("see `ringup status`")),
        },
    };
    match done {
        Ok(said) => Answer::Done(said),
        Err(refusal) => Answer::Refused(refusal),
    }
}

async fn watch(mut stream: UnixStream, front: &Front) -> io::Result<()> {
    let mut changes = front.board.follow();
    let mut nothing = [0; 1];
    loop {
        changes.mark_unchanged();
        send(&mut stream, &Answer::Standing(Box::new(front.standing()))).await?;
        // Bursts of changes are told as one.
        sleep(CALM).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = sleep(REFRESH) => {}
            // Nothing more is expected from there but its end.
            _ended = stream.read(&mut nothing) => return Ok(()),
        }
    }
}

async fn send(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    timeout(WRITE_WITHIN, stream.write_all(&protocol::line(answer))).await?
}

/// Reads up to the newline, or the end.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        if line.len() >= LONGEST_REQUEST {
            return Err(io::Error::other("the request is too long"));
        }
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    Ok(line)
}

impl Front {
    /// How things stand, with what others keep.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut standing = self.board.standing();
        if let Some(link) = &mut standing.link
            && let Some((received, sent)) = link::octets(&link.interface)
        {
            (link.received, link.sent) = (received, sent);
        }
        standing.budget = self.budget.view();
        standing.budget_trouble = self.budget.trouble();
        standing.journal = self.journal.health();
        standing.wakes = self.journal.wakes();
        standing
    }

    /// The line that has the link, or is on its way to one.
    fn busy_line(&self) -> Option<String> {
        let standing = self.board.standing();
        let link = standing.link.map(|link| link.line);
        link.or_else(|| {
            standing.lines.into_iter().find(|(_name, line)| is_waking(&line.phase)).map(|(name, _line)| name)
        })
    }

    /// A line that waits for calls.
    fn idle_line(&self) -> Option<String> {
        let lines = self.board.standing().lines.into_iter();
        lines.into_iter().find(|(_name, line)| line.phase == Phase::Listening).map(|(name, _line)| name)
    }
}

fn is_waking(phase: &Phase) -> bool {
    match phase {
        Phase::Accepted
        | Phase::Waking
        | Phase::Dialling
        | Phase::Connected
        | Phase::Up
        | Phase::Registered
        | Phase::Withdrawn => true,
        Phase::Opening
        | Phase::Listening
        | Phase::Ringing { .. }
        | Phase::Lent { .. }
        | Phase::Resetting
        | Phase::Lost { .. }
        | Phase::Other => false,
    }
}

const MOST_CONNECTIONS: usize = 16;
const READ_WITHIN: Duration = Duration::from_secs(10);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// How long changes are gathered before they are told.
const CALM: Duration = Duration::from_millis(200);
/// How often octets and minutes are told when nothing else changes.
const REFRESH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::ask::asks;
    use super::super::client::Client;
    use super::super::protocol::PretendedRing;
    use super::*;
    use crate::budget::Caps;
    use crate::scratch::Scratch;

    /// A daemon that has nothing but its socket.
    struct Daemon {
        scratch: Scratch,
        front: Front,
        stop: CancellationToken,
        tasks: JoinSet<()>,
    }

    impl Daemon {
        fn start(name: &str) -> Self {
            let scratch = Scratch::new(name);
            let today = || jiff::civil::date(2026, 11, 26);
            let (budget, _) = Budget::open(&scratch.path("budget"), Caps::default(), today, || None).unwrap();
            let keep = Duration::from_secs(86_400);
            let journal = Journal::open(&scratch.path("journal.sqlite"), keep, || 5).unwrap();
            let front = Front { board: Board::new("home.dyn.test", || 5), desk: Desk::default(), budget, journal };
            let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
            let socket = Socket::bind(&scratch.path("control.sock")).unwrap();
            tasks.spawn(serve(socket, front.clone(), stop.clone()));
            Self { scratch, front, stop, tasks }
        }

        fn path(&self) -> PathBuf {
            self.scratch.path("control.sock")
        }

        async fn ask(&self, request: &Request) -> Result<Option<Answer>, Failure> {
            Client::ask(&self.path(), request).await?.unwrap().next().await
        }

        async fn end(mut self) {
            self.stop.cancel();
            while self.tasks.join_next().await.is_some() {}
        }
    }

    #[tokio::test]
    async fn how_things_stand_is_told_and_told_again_when_it_changes() {
        let daemon = Daemon::start("watch");
        daemon.front.board.line("a", Phase::Listening, None);
        let Some(Answer::Standing(standing)) = daemon.ask(&Request::Status).await.unwrap() else {
            panic!("no standing")
        };
        assert_eq!((standing.lines["a"].phase.clone(), standing.pid), (Phase::Listening, std::process::id()));
        let mut watching = Client::ask(&daemon.path(), &Request::Watch).await.unwrap().unwrap();
        watching.next().await.unwrap();
        daemon.front.board.line("a", Phase::Dialling, None);
        let Some(Answer::Standing(standing)) = watching.next().await.unwrap() else { panic!("no standing") };
        assert_eq!(standing.lines["a"].phase, Phase::Dialling);
        daemon.end().await;
    }

    #[tokio::test]
    async fn a_ring_goes_to_the_line_that_listens_and_a_hang_up_to_the_one_that_is_busy() {
        let daemon = Daemon::start("orders");
        let nothing = daemon.ask(&Request::HangUp { line: None }).await.unwrap_err();
        assert_eq!(nothing.status, Status::NoLink);
        let (mut a, mut b) = (asks(&daemon.front.desk, "a"), asks(&daemon.front.desk, "b"));
        daemon.front.board.line("a", Phase::Dialling, None);
        daemon.front.board.line("b", Phase::Listening, None);
        let ring = Request::Ring(PretendedRing { rings: 1, ..PretendedRing::default() });
        for (request, questions) in [(Request::HangUp { line: None }, &mut a), (ring, &mut b)] {
            let (answer, ()) = tokio::join!(daemon.ask(&request), async {
                questions.recv().await.unwrap().answer(Ok("done".to_owned()));
            });
            assert_eq!(answer.unwrap(), Some(Answer::Done("done".to_owned())));
        }
        daemon.end().await;
    }

    #[tokio::test]
    async fn whoever_sends_garbage_is_told_and_whoever_sends_without_end_is_cut_off() {
        let daemon = Daemon::start("garbage");
        for (sent, refused) in [(b"what?\n".to_vec(), true), (vec![b'x'; LONGEST_REQUEST * 3], false)] {
            let mut stream = UnixStream::connect(daemon.path()).await.unwrap();
            // The other end may be closed before all of it is through.
            let _cut = stream.write_all(&sent).await;
            let mut answer = Vec::new();
            let _cut = stream.read_to_end(&mut answer).await;
            assert_eq!(String::from_utf8_lossy(&answer).contains("refused"), refused, "{answer:?}");
        }
        daemon.end().await;
    }

    #[tokio::test]
    async fn the_socket_is_its_groups_at_most_and_a_second_daemon_is_kept_away() {
        let daemon = Daemon::start("mode");
        let mode = std::fs::metadata(daemon.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert_eq!(Socket::bind(&daemon.path()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let path = daemon.path();
        let Daemon { scratch: _scratch, stop, mut tasks, .. } = daemon;
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        assert!(!path.exists(), "the socket is left behind");
        assert!(Client::ask(&path, &Request::Status).await.unwrap().is_none());
        // As kill -9 leaves it: a file that nobody answers at.
        drop(UnixListener::bind(&path).unwrap());
        assert!(Client::ask(&path, &Request::Status).await.unwrap().is_none());
        drop(Socket::bind(&path).unwrap());
    }
}
