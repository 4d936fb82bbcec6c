//! `ringup setup`: asks a newcomer what a client has to know, tries each answer as it comes, and writes a configuration
//! that `ringup check` accepts. Writes nothing before all is answered, and never over a file that is there.

use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hayes::number::Number;
use hayes::ports::Machine;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::config::Config;
use crate::config::draft::Draft;
use crate::connect;
use crate::dns::Resolver;
use crate::durable;
use crate::exit::{Failure, Status};
use crate::record::{HostName, PublicKey};

/// How long the directory may take to say what it knows of the host.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Where name servers answer (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// Asks, tries, and writes the file.
pub(super) async fn run(config: &Path, stop: &CancellationToken) -> Result<(), Failure> {
    if config.exists() {
        return Err(Failure::new(Status::Configuration, format!("{} is there already", config.display()))
            .hint("change it by hand, or name another with --config FILE"));
    }
    let mut person = Person::new();
    let done = tokio::select! {
        done = ask(&mut person, config, stop) => done,
        () = stop.cancelled() => Err(connect::interrupted()),
    };
    if done.as_ref().is_err_and(|failure| failure.status == Status::Interrupted) {
        person.say(""); // an answer is begun
    }
    done
}

async fn ask(person: &mut Person, config: &Path, stop: &CancellationToken) -> Result<(), Failure> {
    person.say("A few questions; an empty answer takes what stands in brackets. Ctrl-C leaves nothing behind.\n");
    let directory = person.ask("Where does the directory answer? address, or address:port", None, server).await?;
    let port = modem(person, stop).await?;
    let (mut isp, mut password) = (None, None);
    if port.is_some() && !connect::has_route(&directory) {
        person.say("There is no way to the directory from here: the modem has to dial a provider first.");
        let number = person.ask("The provider's telephone number?", None, number).await?;
        let user = person.ask("Your name there?", None, word).await?;
        let unseen = Unseen::begin();
        password = Some(person.ask("Your password there? it is not shown", None, word).await?);
        drop(unseen);
        isp = Some((number, user, secret_file(config)));
    }
    let host: HostName = person
        .ask("The host's full name?", None, |text: &str| HostName::from_str(text).map_err(|error| error.to_string()))
        .await?;
    let short = host.labels().next().unwrap_or_default().to_owned();
    let site = person.ask("What do you want to call it?", Some(&short), word).await?;
    let mut called = None;
    if port.is_some() {
        let read = |text: &str| if text == "none" { Ok(None) } else { number(text).map(Some) };
        called = person.ask("Its telephone number? none if it never sleeps", Some("none"), read).await?;
    }
    let identity = key(person, directory, &host, isp.is_some()).await?;
    let draft = Draft { directory, port, isp, site, host, identity, number: called };
    write(config, &draft, password.as_deref())?;
    let roles = Config::load(config)?.check()?;
    print(&format!("{}: good for {}", config.display(), roles.join(", ")))?;
    print(&format!("try it: ringup --config {} connect {} -- ssh {{}}", config.display(), draft.site))
}

/// Which modem, tried out.
async fn modem(person: &mut Person, stop: &CancellationToken) -> Result<Option<PathBuf>, Failure> {
    let mut ports = Machine::here().ports();
    ports.retain(|port| port.takes_commands != Some(false));
    for port in &ports {
        person.say(&format!("  there is {}", port.best_name().display()));
    }
    let first = ports.first().map_or_else(|| "none".to_owned(), |port| port.best_name().display().to_string());
    loop {
        let port = person.ask("Which port is the modem at? none without a modem", Some(&first), word).await?;
        if port == "none" {
            return Ok(None);
        }
        person.say("  trying it …");
        match super::modem::try_out(Path::new(&port), stop).await {
            Ok(found) => {
                found.lines().for_each(|line| person.say(&format!("  {line}")));
                return Ok(Some(port.into()));
            }
            Err(failure) if failure.status == Status::Interrupted => return Err(failure),
            Err(failure) => person.say(&format!("  {failure}\n  hint: {}", failure.advice())),
        }
    }
}

/// The host's key: the directory's, once a person has compared it, or the one that a person gives.
async fn key(
    person: &mut Person,
    directory: SocketAddr,
    host: &HostName,
    offline: bool,
) -> Result<Option<PublicKey>, Failure> {
    if !offline {
        match Resolver::new(vec![directory]).query(host, Instant::now() + ANSWER_WITHIN).await {
            Ok(answer) => match answer.record.filter(|signed| signed.verify(signed.key()).is_ok()) {
                Some(signed) => {
                    person.say(&format!("  the directory has a record of it, by {}", signed.key()));
                    let same = "Is that what `ringup identity` prints there? yes or no";
                    if person.ask(same, Some("no"), yes_or_no).await? {
                        return Ok(Some(*signed.key()));
                    }
                }
                None => person.say("  the directory has no record of it yet"),
            },
            Err(error) => person.say(&format!("  {error}")),
        }
    }
    let question = "Its key, as `ringup identity` prints it there? later, to take the first one that it proves to hold";
    let key = |text: &str| match text {
        "later" => Ok(None),
        key => PublicKey::from_str(key).map(Some).map_err(|error| error.to_string()),
    };
    person.ask(question, Some("later"), key).await
}

fn write(config: &Path, draft: &Draft, password: Option<&str>) -> Result<(), Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::new(Status::Configuration, format!("cannot write {}: {error}", path.display()))
            .hint("name a place that you may write to with --config FILE")
    };
    if let Some(folder) = config.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    let secret = secret_file(config);
    let beside = config.parent().map_or_else(|| secret.clone(), |folder| folder.join(&secret));
    if let Some(password) = password {
        durable::create(&beside, format!("{password}\n").as_bytes()).map_err(|error| failed(&beside, &error))?;
    }
    durable::replace(config, draft.to_toml().as_bytes(), 0o644).map_err(|error| failed(config, &error))
}

/// The file of the provider's password, beside the configuration.
fn secret_file(config: &Path) -> PathBuf {
    let stem = config.file_stem().map_or_else(|| "client".into(), |stem| stem.to_string_lossy().into_owned());
    format!("{stem}.isp-secret").into()
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    address
        .or_else(|_with_port| text.parse())
        .map_err(|error| format!("{error}; such as 198.51.100.53 or [2001:db8::53]:53"))
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<Number>().map(|_number| text.to_owned()).map_err(|error| format!("{error}; such as 555-0102"))
}

fn word(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("expected an answer".to_owned()) } else { Ok(text.to_owned()) }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "y" => Ok(true),
        "no" | "n" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// What is typed at the terminal is not shown, for as long as this lives.
struct Unseen(Option<Termios>);

impl Unseen {
    /// Does nothing where the answers do not come from a terminal.
    fn begin() -> Self {
        let usual = termios::tcgetattr(std::io::stdin()).ok();
        if let Some(mut unseen) = usual.clone() {
            unseen.local_flags.remove(LocalFlags::ECHO);
            unseen.local_flags.insert(LocalFlags::ECHONL);
            set(&unseen);
        }
        Self(usual)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.iter().for_each(set);
    }
}

fn set(terminal: &Termios) {
    if let Err(errno) = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, terminal) {
        tracing::debug!(%errno, "the terminal cannot be set");
    }
}

/// Whoever answers.
struct Person {
    answers: mpsc::Receiver<String>,
}

impl Person {
    fn new() -> Self {
        let (tell, answers) = mpsc::channel(1);
        // A thread of its own, not waited for: Ctrl-C must not wait for the end of a line.
        let _detached = std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { answers }
    }

    /// Asks until there is an answer that can be read.
    async fn ask<T>(
        &mut self,
        question: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            let usually = usual.map(|usual| format!(" [{usual}]")).unwrap_or_default();
            self.put(&format!("{question}{usually}\n> "));
            let answer = self.answers.recv().await.ok_or_else(|| {
                Failure::new(Status::Interrupted, "there are no more answers, and more questions; nothing was written")
            })?;
            let answer = answer.trim();
            let answer = if answer.is_empty() { usual.unwrap_or_default() } else { answer };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.say(&format!("  {error}")),
            }
        }
    }

    fn say(&self, line: &str) {
        self.put(&format!("{line}\n"));
    }

    fn put(&self, text: &str) {
        let mut stderr = std::io::stderr();
        if let Err(error) = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()) {
            tracing::debug!(%error, "nobody reads");
        }
    }
}
