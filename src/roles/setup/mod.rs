//! `ringup setup`: asks a newcomer what a client has to know, tries each answer as it comes, and writes a configuration
//! that `ringup check` accepts. Writes nothing before all is answered, never over a file that is there, and asks nothing
//! where it could not write.

mod person;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hayes::number::Number;
use hayes::ports::Machine;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::person::{Person, Unseen};
use super::print;
use crate::config::Config;
use crate::config::answer::WakeBy;
use crate::config::draft::{Draft, Folders};
use crate::config::folder::takes_files;
use crate::connect;
use crate::dns::Resolver;
use crate::durable;
use crate::exit::{Failure, Status};
use crate::record::{HostName, Identity, PublicKey};

/// How long the directory may take to say what it knows of the host.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What a host may be woken by.
const WAYS_TO_WAKE: &str = "  ring: a call that it does not answer, and that costs nothing
  two-calls: two of them, one soon after the other
  answer: a call that it answers, and in which this client proves who it is";
/// Where name servers answer (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// Asks, tries, and writes the file.
pub(super) async fn run(config: &Path, stop: &CancellationToken) -> Result<(), Failure> {
    let files = Files::beside(config)?;
    let mut person = Person::new();
    let done = tokio::select! {
        done = ask(&mut person, &files, stop) => done,
        () = stop.cancelled() => Err(connect::interrupted()),
    };
    if done.as_ref().is_err_and(|failure| failure.status == Status::Interrupted) {
        person.say(""); // an answer is begun
    }
    done
}

/// What is written: the configuration, and beside it what it names.
struct Files {
    config: PathBuf,
    /// The provider's password.
    secret: PathBuf,
    /// This client's identity, for a host that answers.
    identity: PathBuf,
    /// Where state and sockets go, where the usual places are not ours.
    folders: Option<Folders>,
}

impl Files {
    /// None of them may be there, and all can be written.
    fn beside(config: &Path) -> Result<Self, Failure> {
        let config = std::path::absolute(config)
            .map_err(|error| Failure::new(Status::Configuration, format!("{}: {error}", config.display())))?;
        let stem = config.file_stem().map_or_else(|| "client".into(), |stem| stem.to_string_lossy().into_owned());
        let named = |ending: &str| config.with_file_name(format!("{stem}.{ending}"));
        let (secret, identity) = (named("isp-secret"), named("identity"));
        for path in [&config, &secret, &identity] {
            if path.symlink_metadata().is_ok() {
                return Err(Failure::new(Status::Configuration, format!("{} is there already", path.display()))
                    .hint("change it by hand, remove it, or name another place with --config FILE"));
            }
        }
        let folder = config.parent().unwrap_or(&config);
        takes_files(folder).map_err(|error| unwritable(folder, &error))?;
        let file = crate::config::file::File::default_folders();
        let are_ours = file.iter().all(|folder| takes_files(folder).is_ok());
        let own = || Folders { state: format!("{stem}.state").into(), runtime: format!("{stem}.run").into() };
        let folders = (!are_ours).then(own);
        Ok(Self { config, secret, identity, folders })
    }

    /// Writes what the answers come to; all of it or, as far as it can be, nothing.
    fn write(&self, draft: &Draft, password: Option<&str>) -> Result<Option<PublicKey>, Failure> {
        if let Some(folder) = self.config.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }
        let mut written: Vec<&Path> = Vec::new();
        let mut write_all = || {
            if let Some(password) = password {
                let secret = durable::create(&self.secret, format!("{password}\n").as_bytes());
                secret.map_err(|error| unwritable(&self.secret, &error))?;
                written.push(&self.secret);
            }
            let mut key = None;
            if draft.key.is_some() {
                let identity = Identity::create(&self.identity);
                key = Some(identity.map_err(|error| Failure::caused(Status::Secret, &error))?.public_key());
                written.push(&self.identity);
            }
            let config = durable::create(&self.config, draft.to_toml().as_bytes());
            config.map_err(|error| unwritable(&self.config, &error))?;
            Ok(key)
        };
        let done = write_all();
        if done.is_err() {
            for path in written {
                if let Err(error) = std::fs::remove_file(path) {
                    tracing::warn!(%error, path = %path.display(), "a file stays behind");
                }
            }
        }
        done
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Status::Configuration, format!("cannot write {}: {error}", path.display()))
        .hint("with --config FILE, name a place that you may write to")
}

async fn ask(person: &mut Person, files: &Files, stop: &CancellationToken) -> Result<(), Failure> {
    person.say("A few questions; an empty answer takes what stands in brackets. Ctrl-C leaves nothing behind.\n");
    let directory = directory(person).await?;
    let port = modem(person, stop).await?;
    let (mut isp, mut password) = (None, None);
    if port.is_some() && !directory.iter().any(connect::has_route) {
        person.say("There is no way to the directory from here: the modem has to dial a provider first.");
        let number = person.ask("The provider's telephone number?", None, number).await?;
        let user = person.ask("Your name there?", None, word).await?;
        let unseen = Unseen::begin();
        password = Some(person.ask("Your password there? it is not shown", None, word).await?);
        drop(unseen);
        isp = Some((number, user, name_of(&files.secret)));
    }
    let host: HostName = person
        .ask("The host's full name?", None, |text: &str| HostName::from_str(text).map_err(|error| error.to_string()))
        .await?;
    let short = host.labels().next().unwrap_or_default().to_owned();
    let site = person.ask("What do you want to call it?", Some(&short), word).await?;
    let (mut called, mut wake) = (None, WakeBy::Ring);
    if port.is_some() {
        let read = |text: &str| if text == "none" { Ok(None) } else { number(text).map(Some) };
        called = person.ask("Its telephone number? none if it never sleeps", Some("none"), read).await?;
    }
    if called.is_some() {
        person.say(WAYS_TO_WAKE);
        wake = person.ask("What wakes it? ring, two-calls or answer", Some("ring"), way_to_wake).await?;
    }
    let identity = key(person, &directory, &host, isp.is_some()).await?;
    let key = (wake == WakeBy::Answer).then(|| name_of(&files.identity));
    let folders = files.folders.clone();
    let draft = Draft { directory, folders, port, isp, site, host, identity, number: called, wake, key };
    let own_key = files.write(&draft, password.as_deref())?;
    let config = Config::load(&files.config)?;
    let roles = config.check()?;
    config.try_folders()?;
    let path = files.config.display();
    print(&format!("{path}: good for {}", roles.join(", ")))?;
    if let Some(key) = own_key {
        print(&at_the_host(&key))?;
    }
    print(&format!("try it: ringup --config {path} connect {} -- ssh {{}}", draft.site))
}

/// What the host has to know of a client that it is to answer.
fn at_the_host(key: &PublicKey) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().split('.').next().filter(|name| !name.is_empty()).unwrap_or("client").to_owned();
    format!(
        "\nIn the host's configuration, so that it lets this client wake it:\n\n[[listen.key]]\nname = \"{name}\"\n\
         key = \"{key}\"\n\nand, with the number that you call from, or \"any\" where the network shows none:\n\n\
         [[listen.caller]]\nnumber = \"any\"\ndo = \"answer\"\n"
    )
}

/// Where the directory answers: as addresses, since a client may have to ask it before anything resolves names.
async fn directory(person: &mut Person) -> Result<Vec<SocketAddr>, Failure> {
    let question = "Where does the directory answer? name or address, with :port if it is not 53";
    loop {
        let answer = person.ask(question, None, word).await?;
        if let Some(address) = server(&answer) {
            return Ok(vec![address]);
        }
        if !answer.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.:".contains(letter)) {
            person.say("  expected a name or an address; such as ns.example, 198.51.100.53 or [2001:db8::53]:53");
            continue;
        }
        let has_port = answer.rsplit_once(':').is_some_and(|(_name, port)| port.parse::<u16>().is_ok());
        let place = if has_port { answer.clone() } else { format!("{answer}:{DNS_PORT}") };
        match tokio::net::lookup_host(place).await {
            Ok(found) => {
                let found: Vec<SocketAddr> = found.collect();
                let told: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
                person.say(&format!("  {answer} is at {}", told.join(", ")));
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Err(error) => person.say(&format!("  {answer}: {error}; an address, such as 198.51.100.53, does as well")),
        }
    }
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
        // The configuration may be in another folder than whoever answers is in.
        let is_path = !port.starts_with("tcp://");
        let path = std::path::absolute(&port).ok().filter(|_absolute| is_path).unwrap_or_else(|| port.into());
        person.say("  trying it …");
        match super::modem::try_out(&path, stop).await {
            Ok(found) => {
                found.lines().for_each(|line| person.say(&format!("  {line}")));
                return Ok(Some(path));
            }
            Err(failure) if failure.status == Status::Interrupted => return Err(failure),
            Err(failure) => person.say(&format!("  {failure}\n  hint: {}", failure.advice())),
        }
    }
}

/// The host's key: the directory's, once a person has compared it, or the one that a person gives.
async fn key(
    person: &mut Person,
    directory: &[SocketAddr],
    host: &HostName,
    offline: bool,
) -> Result<Option<PublicKey>, Failure> {
    if !offline {
        match Resolver::new(directory.to_vec()).query(host, Instant::now() + ANSWER_WITHIN).await {
            Ok(answer) => match answer.record.filter(|signed| signed.verify(signed.key()).is_ok()) {
                Some(signed) => {
                    person.say(&format!("  the directory has a record of it, by {}", signed.key()));
                    let same = "Is that what `ringup identity FILE` prints there, where FILE is `identity` in [host]? yes or no";
                    if person.ask(same, Some("no"), yes_or_no).await? {
                        return Ok(Some(*signed.key()));
                    }
                }
                None => person.say("  the directory has no record of it yet"),
            },
            Err(error) => person.say(&format!("  {error}")),
        }
    }
    let question = "Its key, as `ringup identity FILE` prints it there, where FILE is `identity` in [host]? later, to take \
                    the first one that it proves to hold";
    let key = |text: &str| match text {
        "later" => Ok(None),
        key => PublicKey::from_str(key).map(Some).map_err(|error| error.to_string()),
    };
    person.ask(question, Some("later"), key).await
}

/// The name that the configuration has for a file beside it.
fn name_of(path: &Path) -> PathBuf {
    path.file_name().map_or_else(|| path.to_owned(), PathBuf::from)
}

fn server(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    address.ok().or_else(|| text.parse().ok())
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<Number>()
        .map(|_number| text.to_owned())
        .map_err(|error| format!("{error}; expected a number such as 555-0102"))
}

fn way_to_wake(text: &str) -> Result<WakeBy, String> {
    match text {
        "ring" => Ok(WakeBy::Ring),
        "two-calls" => Ok(WakeBy::TwoCalls),
        "answer" => Ok(WakeBy::Answer),
        _ => Err("expected ring, two-calls or answer".to_owned()),
    }
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
