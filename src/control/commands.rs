//! `ringup status`, `hangup`, `ring` and `journal`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::board::Standing;
use super::client::Client;
use super::protocol::{Answer, PretendedRing, Request};
use super::table::{Style, client_table, table};
use crate::budget::{self, Caps, Purse};
use crate::clock::unix_milliseconds as now;
use crate::exit::{Failure, Status};
use crate::journal::{self, Filter, JournalError, Numbers, Reader, Step, age};

/// How often a journal that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the screen is drawn anew.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Whose daemon it is, and what it leaves behind when it does not run.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The control socket.
    pub socket: PathBuf,
    /// The journal.
    pub journal: PathBuf,
    /// The budget's ledger.
    pub ledger: PathBuf,
    /// What the owner allows.
    pub caps: Caps,
    /// The machine's name in the directory.
    pub host: String,
    /// Whether it is to be listened on at all.
    pub listens: bool,
    /// What its client's calls are paid from, where it is a client.
    pub purse: Option<Purse>,
}

/// `ringup status`: once, or until Ctrl-C with `watch`. Gives the exit status: 0 while a daemon runs, or where none is to.
///
/// # Errors
/// When the daemon cannot be asked.
pub async fn status(whose: &Whose, json: bool, watch: bool, stop: &CancellationToken) -> Result<u8, Failure> {
    let request = if watch { Request::Watch } else { Request::Status };
    let Some(mut client) = Client::ask(&whose.socket, &request).await? else {
        let standing = whose.left_behind();
        show(whose, &standing, json, false)?;
        return Ok(if whose.listens { Status::NotRunning.code() } else { 0 });
    };
    let Some(mut standing) = next_standing(&mut client).await? else { return Err(gone()) };
    show(whose, &standing, json, watch)?;
    if !watch {
        return Ok(0);
    }
    loop {
        tokio::select! {
            next = next_standing(&mut client) => match next? {
                Some(next) => {
                    standing = next;
                    show(whose, &standing, json, true)?;
                }
                None => return Err(gone()),
            },
            () = tokio::time::sleep(DRAW_EVERY), if !json => show(whose, &standing, json, true)?,
            () = stop.cancelled() => return Ok(0),
        }
    }
}

/// `ringup hangup`.
///
/// # Errors
/// When no daemon runs, or there is nothing to hang up.
pub async fn hang_up(whose: &Whose, line: Option<String>) -> Result<(), Failure> {
    order(whose, &Request::HangUp { line }).await
}

/// `ringup ring`.
///
/// # Errors
/// When no daemon runs, or no line waits for calls.
pub async fn ring(whose: &Whose, ring: PretendedRing) -> Result<(), Failure> {
    order(whose, &Request::Ring(ring)).await
}

async fn order(whose: &Whose, request: &Request) -> Result<(), Failure> {
    let Some(mut client) = Client::ask(&whose.socket, request).await? else { return Err(not_running(whose)) };
    match client.next().await? {
        Some(Answer::Done(said)) => print(&said),
        Some(Answer::Standing(_) | Answer::Refused(_)) | None => Err(gone()),
    }
}

async fn next_standing(client: &mut Client) -> Result<Option<Standing>, Failure> {
    match client.next().await? {
        Some(Answer::Standing(standing)) => Ok(Some(*standing)),
        Some(Answer::Done(_) | Answer::Refused(_)) | None => Ok(None),
    }
}

fn gone() -> Failure {
    Failure::new(Status::NotRunning, "the daemon has gone").hint("its log tells why: journalctl -u ringup-listen")
}

fn not_running(whose: &Whose) -> Failure {
    let mut message = format!("ringup listen is not running: nobody answers at {}", whose.socket.display());
    if let Some(last) = whose.left_behind().wakes.first() {
        message.push_str(&format!("; the last wake was {}", age(last.begun, now())));
    }
    Failure::new(Status::NotRunning, message).hint("start it: systemctl start ringup-listen")
}

/// Shows how things stand with the daemon; and with the client, whose own ledger tells.
fn show(whose: &Whose, standing: &Standing, json: bool, live: bool) -> Result<(), Failure> {
    let standing = Standing { client: whose.purse.as_ref().and_then(Purse::view), ..standing.clone() };
    if json {
        return print(&serde_json::to_string(&standing).unwrap_or_default());
    }
    let terminal = std::io::stdout().is_terminal();
    let style = if terminal && std::env::var_os("NO_COLOR").is_none() { Style::Terminal } else { Style::Plain };
    let screen = if whose.listens || standing.pid != 0 {
        table(&standing, now(), &TimeZone::system(), style)
    } else {
        client_table(&standing, style)
    };
    if live && terminal {
        // To the top, and what is below away: no flicker.
        return print(&format!("\u{1b}[H\u{1b}[J{}", screen.trim_end()));
    }
    print(screen.trim_end())
}

impl Whose {
    /// How things stood when the daemon ended, by what it has left on the disk.
    fn left_behind(&self) -> Standing {
        let mut standing = Standing { host: self.host.clone(), at: now(), ..Standing::default() };
        match Reader::open(&self.journal).and_then(|reader| reader.wakes(10)) {
            Ok(wakes) => standing.wakes = wakes,
            Err(JournalError::None { .. }) => {}
            Err(error @ JournalError::Unusable { .. }) => standing.warnings.push(error.to_string()),
        }
        if let Some(view) = budget::peek(&self.ledger, self.caps, crate::clock::local().date()) {
            standing.budget = view;
        }
        if standing.wakes.first().is_some_and(|wake| wake.step == Step::Registered) {
            standing
                .warnings
                .push("the last wake was cut off: its record says online until the lease runs out".to_owned());
        }
        standing
    }
}

/// Which entries of the journal, and how they are shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct JournalArgs {
    /// None before: a date, a date and time, or how long ago: 2026-11-26, "2026-11-26 14:00", 2h, "3 days".
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Of this kind only, such as call, wake, dialled, up, down, registered, failed; may be given several times.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Of this wake only.
    #[arg(long, value_name = "NUMBER")]
    pub wake: Option<u32>,
    /// The last so many.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub last: Option<u32>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
    /// Show telephone numbers whole.
    #[arg(long)]
    pub numbers: bool,
    /// Print JSON: one object a line.
    #[arg(long)]
    pub json: bool,
}

/// `ringup journal`.
///
/// # Errors
/// When there is no journal, or it cannot be read.
pub async fn journal(whose: &Whose, args: &JournalArgs, stop: &CancellationToken) -> Result<(), Failure> {
    let since = args.since.as_deref().map(moment).transpose()?;
    let numbers = if args.numbers { Numbers::Shown } else { Numbers::Redacted };
    let wake = args.wake.map(Into::into);
    let mut filter = Filter { since, kinds: args.kinds.clone(), wake, after: None, last: args.last };
    let failed = |error: JournalError| match error {
        JournalError::None { .. } => Failure::caused(Status::NotRunning, &error),
        JournalError::Unusable { .. } => Failure::caused(Status::Internal, &error).hint("read it as root"),
    };
    let reader = Reader::open(&whose.journal).map_err(failed)?;
    let zone = TimeZone::system();
    loop {
        for found in reader.read(&filter).map_err(failed)? {
            filter.after = Some(found.id);
            if args.json {
                print(&journal::entry_json(&found, numbers).to_string())?;
            } else {
                print(&journal::entry_line(&found, numbers, &zone))?;
            }
        }
        if !args.follow {
            return Ok(());
        }
        filter.last = None;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// A moment as people write it, in milliseconds since 1970.
fn moment(text: &str) -> Result<u64, Failure> {
    let zone = TimeZone::system();
    let ago = || {
        let span: jiff::Span = text.parse().ok()?;
        let now = crate::clock::local();
        now.checked_sub(span.abs()).ok()
    };
    let at = || {
        let moment: jiff::civil::DateTime = text.parse().ok()?;
        moment.to_zoned(zone.clone()).ok()
    };
    let exactly = || Some(text.parse::<jiff::Timestamp>().ok()?.to_zoned(zone.clone()));
    let found = exactly().or_else(at).or_else(ago).ok_or_else(|| {
        Failure::new(Status::Configuration, format!("`{text}` is no moment"))
            .hint("expected such as 2026-11-26, \"2026-11-26 14:00\", 2h or \"3 days\"")
    })?;
    Ok(u64::try_from(found.timestamp().as_millisecond()).unwrap_or(0))
}

fn print(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // Whoever read the first lines and went has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Status::Interrupted, "nobody reads"))
        }
        written => written.map_err(|error| Failure::new(Status::Internal, format!("cannot write: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_taken_as_people_write_them() {
        let day = moment("2026-11-26").unwrap();
        assert_eq!(moment("2026-11-26 14:00").unwrap() - day, 14 * 3_600_000);
        assert!(now().abs_diff(moment("2h").unwrap() + 2 * 3_600_000) < 60_000);
        assert!(moment("3 days").unwrap() < moment("2h").unwrap());
        assert!(moment("soon").unwrap_err().hint.is_some());
    }
}
