//! The program as its owner meets it: what goes wrong is told in one line, with an exit status of its own and nothing
//! left behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy exempts only the tests themselves")]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
use ringup::dns::Resolver;
use ringup::dns::tsig::{Algorithm, TsigKey};
use ringup::exit::Status;
use ringup::identity::Prover;
use ringup::record::{Identity, Record, Seq, Services, SignedRecord};
use ringup::secret::Secret;

use self::support::{BOUND, Said, Scratch, directory, ringup, run};

/// A TSIG secret, made up.
const TSIG: &str = "aG9tZSBob21lIGhvbWUgaG9tZQ==";

/// Runs the program, which is to fail: with this status, one line and at most one hint, and no file that was not there.
async fn fails(folder: &Scratch, arguments: &[&str], status: Status) -> String {
    let before = folder.files();
    let Said { code, stdout, stderr } = run(folder.root(), arguments).await;
    assert_eq!(code, Some(i32::from(status.code())), "{arguments:?}: {stderr}");
    assert_eq!(stdout, "", "{arguments:?}");
    let mut lines = stderr.lines();
    let told = lines.next().unwrap().to_owned();
    assert!(told.starts_with("ringup: "), "{stderr}");
    let rest: Vec<&str> = lines.collect();
    assert!(rest.len() <= 1 && rest.iter().all(|line| line.starts_with("hint: ")), "{stderr}");
    assert_eq!(folder.files(), before, "{arguments:?} left something behind");
    stderr
}

/// The configuration of a home server whose secrets are in place.
fn home(folder: &Scratch, port: &Path) -> String {
    folder.secret("home.isp", "an invented secret\n");
    folder.secret("home.tsig", TSIG);
    let _created = Identity::create(&folder.path("home.identity")).unwrap();
    format!(
        "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"state\"\nruntime-directory = \"run\"\n\
         [modem]\nport = \"{}\"\n\
         [isp]\nnumber = \"555-0199\"\nuser = \"home\"\nsecret = \"home.isp\"\n\
         [host]\nname = \"home.dyn.example\"\nzone = \"dyn.example\"\nidentity = \"home.identity\"\n\
         tsig = {{ name = \"home\", secret = \"home.tsig\" }}\n\
         [listen]\ncallers = [\"any\"]\n",
        port.display()
    )
}

/// The configuration of a client of one directory, with one site.
fn client(servers: SocketAddr, port: &Path, identity: &Identity) -> String {
    format!(
        "directory-servers = [\"{servers}\"]\nstate-directory = \"/proc/none\"\n[modem]\nport = \"{}\"\n\
         [sites.home]\nhost = \"home.dyn.example\"\nidentity = \"{}\"\nnumber = \"555-0102\"\n",
        port.display(),
        identity.public_key()
    )
}

/// A loopback address that nobody answers on for as long as the socket lives: it hears only itself.
fn nobody() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket.connect(address).unwrap();
    (socket, address)
}

/// A tty with nobody at its other end, who still holds it open.
struct Terminal {
    _master: OwnedFd,
    _slave: OwnedFd,
    path: PathBuf,
}

impl Terminal {
    fn open() -> Self {
        let pair = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&pair.slave).unwrap();
        Self { _master: pair.master, _slave: pair.slave, path }
    }

    /// Where its lock is, for every program that honours one.
    fn lock(&self) -> PathBuf {
        let locks = ["/run/lock", "/var/lock"].map(Path::new);
        let folder = locks.into_iter().find(|folder| folder.is_dir()).unwrap();
        let tty = self.path.strip_prefix("/dev").unwrap().to_string_lossy().replace('/', "_");
        folder.join(format!("LCK..{tty}"))
    }
}

/// A lock of this process on a tty.
struct Locked(PathBuf);

impl Locked {
    fn new(terminal: &Terminal) -> Self {
        std::fs::write(terminal.lock(), format!("{:>10}\n", std::process::id())).unwrap();
        Self(terminal.lock())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
async fn without_a_configuration_it_says_how_to_name_one() {
    let folder = Scratch::new();
    for role in [&["check"][..], &["listen"], &["connect", "home"], &["directory"], &["exchange", "--json"]] {
        let told = fails(&folder, &[role, &["--config", "absent.toml"]].concat(), Status::Configuration).await;
        assert!(told.contains("absent.toml: cannot be read: No such file") && told.contains("--config FILE"), "{told}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_named_with_file_line_and_key() {
    let folder = Scratch::new();
    for (text, expected) in [
        (
            "[modem]\nport = \"/dev/ttyS0\"\nspeed = 9600\n",
            "bad.toml:3: modem.speed: unknown field `speed`, expected one of",
        ),
        (
            "[modem]\nport = \"/dev/ttyS0\"\nrate = \"fast\"\n",
            "bad.toml:3: modem.rate: invalid type: string \"fast\", expected u32",
        ),
        (
            "[listen]\ncallers = [\"any\"]\nidle = \"soon\"\n",
            "bad.toml:3: listen.idle: `soon` is no length of time; expected",
        ),
        ("[sites.home]\nhost = 7\n", "bad.toml:2: sites.home.host: invalid type: integer `7`, expected a string"),
        ("\n[[exchange.line]]\nname = \"a\"\n", "bad.toml:2: exchange.line[0]: missing field `number`"),
        ("[watch\n", "bad.toml:1: "),
        ("", "bad.toml: describes no role; expected [listen], [watch], [sites]"),
    ] {
        folder.write("bad.toml", text);
        let told = fails(&folder, &["check", "-c", "bad.toml"], Status::Configuration).await;
        assert!(told.contains(expected), "{told}");
    }
    folder.write("bad.toml", "[watch]\ninterface = \"ppp0\"\n");
    let told = fails(&folder, &["watch", "-c", "bad.toml"], Status::Configuration).await;
    assert!(told.contains("bad.toml: host: this section is needed and missing"), "{told}");
}

#[tokio::test]
async fn a_value_that_means_nothing_is_told_with_what_it_should_be() {
    let folder = Scratch::new();
    let whole = home(&folder, Path::new("/dev/ttyS0"));
    folder.write("home.toml", &whole);
    assert_eq!(run(folder.root(), &["check", "-c", "home.toml"]).await.stdout, "home.toml: good for listen\n");
    for (good, bad, expected) in [
        ("callers = [\"any\"]", "callers = [\"the boss\"]", "listen.callers: `the boss` is not a telephone number: "),
        ("callers = [\"any\"]", "callers = []", "listen.callers: nobody may wake this machine; expected"),
        (
            "zone = \"dyn.example\"",
            "zone = \"example.net\"",
            "host.zone: home.dyn.example is not in the zone example.net",
        ),
        ("555-0199", "operator, please", "isp.number: "),
        ("tsig = { name = \"home\"", "tsig = { algorithm = \"md5\", name = \"home\"", "host.tsig.algorithm: "),
    ] {
        let text = whole.replace(good, bad);
        assert_ne!(text, whole);
        folder.write("home.toml", &text);
        let told = fails(&folder, &["check", "-c", "home.toml"], Status::Configuration).await;
        let line = 1 + text.lines().position(|line| line.contains(bad)).unwrap();
        assert!(told.contains(&format!("home.toml:{line}: ")) && told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_empty_or_open_to_others_is_refused_by_name() {
    let folder = Scratch::new();
    folder.write("home.toml", &home(&folder, Path::new("/dev/ttyS0")));
    for (file, key) in
        [("home.isp", "isp.secret"), ("home.tsig", "host.tsig.secret"), ("home.identity", "host.identity")]
    {
        let path = folder.path(file);
        let content = std::fs::read_to_string(&path).unwrap();
        let refused = async |expected: &str| {
            for role in ["check", "listen"] {
                let told = fails(&folder, &[role, "-c", "home.toml"], Status::Secret).await;
                let at = format!(": {key}: ");
                let named = told.contains("home.toml:") && told.contains(&at) && told.contains(file);
                assert!(named && told.contains(expected), "{told}");
                assert!(!told.contains(content.trim()), "a secret was printed: {told}");
            }
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        refused("mode 0644").await;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, " \n").unwrap();
        refused("is empty").await;
        std::fs::remove_file(&path).unwrap();
        refused("No such file").await;
        std::fs::create_dir(&path).unwrap();
        refused("is a directory").await;
        std::fs::remove_dir(&path).unwrap();
        folder.secret(file, &content);
    }
}

#[tokio::test]
async fn an_unknown_site_is_answered_with_those_there_are() {
    let folder = Scratch::new();
    let (_held, address) = nobody();
    folder.write("client.toml", &client(address, Path::new("/dev/ttyS0"), &Identity::generate().unwrap()));
    for arguments in [["connect", "hmoe"], ["wake", "hmoe"]] {
        let told = fails(&folder, &[&arguments[..], &["-c", "client.toml"]].concat(), Status::UnknownSite).await;
        assert!(told.contains("no site hmoe in client.toml") && told.contains("sites there: home"), "{told}");
    }
    let told = fails(&folder, &["query", "no such host", "-c", "client.toml"], Status::UnknownSite).await;
    assert!(told.contains("no such host"), "{told}");
}

#[tokio::test]
async fn a_modem_that_is_not_there_is_named() {
    let folder = Scratch::new();
    let port = folder.path("no-modem");
    folder.write("home.toml", &home(&folder, &port));
    let (_held, address) = nobody();
    folder.write("client.toml", &client(address, &port, &Identity::generate().unwrap()));
    let told = fails(&folder, &["wake", "home", "-c", "client.toml"], Status::NoPort).await;
    assert!(told.contains("there is no ") && told.contains("no-modem") && told.contains("plugged in"), "{told}");
    std::fs::create_dir(folder.path("state")).unwrap();
    let said = run(folder.root(), &["listen", "-c", "home.toml"]).await;
    assert_eq!(said.code, Some(Status::NoPort.code().into()), "{}", said.stderr);
    assert!(said.stderr.contains("no-modem"), "{}", said.stderr);
    let noted = run(folder.root(), &["journal", "-c", "home.toml"]).await;
    assert!(noted.stdout.contains("failed") && noted.stdout.contains("no-modem"), "{}", noted.stdout);
    folder.write("no-modem", "");
    let told = fails(&folder, &["wake", "home", "-c", "client.toml"], Status::NoPort).await;
    assert!(told.contains("is not a serial line"), "{told}");
}

#[tokio::test]
async fn a_listener_that_does_not_run_is_named_by_whoever_would_ask_it() {
    let folder = Scratch::new();
    folder.write("home.toml", &home(&folder, &folder.path("no-modem")));
    let said = run(folder.root(), &["status", "-c", "home.toml"]).await;
    assert_eq!(said.code, Some(Status::NotRunning.code().into()), "{}", said.stderr);
    assert!(
        said.stdout.contains("ringup listen is not running") && said.stdout.contains("none yet"),
        "{}",
        said.stdout
    );
    for arguments in [&["ring", "-c", "home.toml"][..], &["hangup", "-c", "home.toml"], &["journal", "-c", "home.toml"]]
    {
        let told = fails(&folder, arguments, Status::NotRunning).await;
        assert!(told.contains("ringup listen"), "{told}");
    }
}

#[tokio::test]
async fn a_line_that_another_program_has_locked_is_left_to_it() {
    let folder = Scratch::new();
    let terminal = Terminal::open();
    let (_held, address) = nobody();
    folder.write("client.toml", &client(address, &terminal.path, &Identity::generate().unwrap()));
    let locked = Locked::new(&terminal);
    let told = fails(&folder, &["wake", "home", "-c", "client.toml"], Status::PortBusy).await;
    assert!(told.contains(&format!("in use by process {}", std::process::id())), "{told}");
    assert!(locked.0.exists(), "the lock of the living was taken away");
}

#[tokio::test]
async fn a_modem_that_never_answers_is_given_up() {
    let folder = Scratch::new();
    let terminal = Terminal::open();
    let (_held, address) = nobody();
    folder.write("client.toml", &client(address, &terminal.path, &Identity::generate().unwrap()));
    let told = fails(&folder, &["wake", "home", "-c", "client.toml"], Status::ModemSilent).await;
    assert!(told.contains("does not answer") && told.contains(&*terminal.path.to_string_lossy()), "{told}");
    assert!(!terminal.lock().exists(), "its lock is left behind");
}

#[tokio::test]
async fn a_directory_that_cannot_be_reached_is_named() {
    let folder = Scratch::new();
    let (_held, address) = nobody();
    folder.write("client.toml", &client(address, Path::new("/dev/ttyS0"), &Identity::generate().unwrap()));
    for host in ["home", "cabin.dyn.example"] {
        let told = fails(&folder, &["query", host, "-c", "client.toml"], Status::DirectoryUnreachable).await;
        assert!(told.contains(&address.to_string()) && told.contains("directory-servers"), "{told}");
    }
}

#[tokio::test]
async fn the_directory_tells_strangers_sleepers_and_impostors_apart() {
    let folder = Scratch::new();
    folder.secret("home.tsig", TSIG);
    let config = folder.write(
        "directory.toml",
        "[directory]\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"directory.sqlite\"\nzone = \"dyn.example\"\n\
         nameserver = \"ns.dyn.example\"\n\
         [[directory.key]]\nname = \"home\"\nsecret = \"home.tsig\"\nhosts = [\"home.dyn.example\"]\n",
    );
    let (daemon, address) = directory(folder.root(), &config).await;
    let (pinned, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    // A folder of the client's own: the directory writes files beside its database as it likes.
    let here = Scratch::new();
    here.write("client.toml", &client(address, Path::new("/dev/ttyS0"), &pinned));
    here.write("fooled.toml", &client(address, Path::new("/dev/ttyS0"), &other));

    let told = fails(&here, &["query", "nobody.dyn.example", "-c", "client.toml"], Status::UnknownHost).await;
    assert!(told.contains("the directory does not know nobody.dyn.example"), "{told}");
    let told = fails(&here, &["query", "home", "-c", "client.toml"], Status::NotRegistered).await;
    assert!(told.contains("home.dyn.example has never registered"), "{told}");

    let key = TsigKey::new("home", Algorithm::HmacSha256, &Secret::new(TSIG.as_bytes().to_vec())).unwrap();
    let loopback = "127.0.0.1".parse().unwrap();
    let pinned = Arc::new(pinned);
    let mut prover = Prover::new(Arc::clone(&pinned), 0);
    let port = prover.stand_at(&[loopback])[0].port();
    let services = Services { proof_port: port.try_into().unwrap(), ..Services::default() };
    let host = "home.dyn.example".parse().unwrap();
    let record = Record::online(host, vec![loopback], Seq::FIRST, ringup::clock::unix_seconds(), 600);
    let signed = SignedRecord::sign(record.unwrap().with_services(services), &pinned);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    Resolver::new(vec![address]).update(&"dyn.example".parse().unwrap(), &signed, &key, deadline).await.unwrap();

    let found = run(here.root(), &["query", "home", "-c", "client.toml"]).await;
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""));
    assert!(
        found
            .stdout
            .starts_with("home.dyn.example is online at 127.0.0.1, where its own network alone can reach it (rec"),
        "{}",
        found.stdout
    );
    let told = fails(&here, &["query", "home", "-c", "fooled.toml"], Status::WrongIdentity).await;
    assert!(
        told.contains("home.dyn.example is not its own") && told.contains("`identity` in its [sites] section"),
        "{told}"
    );
    // The record is checked before any command sees its address.
    let command = ["connect", "home", "--quiet", "-c", "fooled.toml", "--", "touch", "reached"];
    let told = fails(&here, &command, Status::WrongIdentity).await;
    assert!(told.contains("another identity"), "{told}");
    let command = ["connect", "home", "--quiet", "-c", "client.toml", "--", "/nonexistent/command", "{}"];
    fails(&here, &command, Status::NoCommand).await;
    let reached = run(here.root(), &["connect", "home", "--quiet", "-c", "client.toml"]).await;
    assert_eq!((reached.code, reached.stdout.as_str()), (Some(0), "127.0.0.1\n"), "{}", reached.stderr);

    // The port of somebody else's proof: the host is not there, and has no number here.
    drop(prover);
    let mut impostor = Prover::new(Arc::new(other), port);
    impostor.stand_at(&[loopback]);
    here.write("unrung.toml", &client(address, Path::new("/dev/ttyS0"), &pinned).replace("number = ", "# number = "));
    let command = ["connect", "home", "--quiet", "-c", "unrung.toml", "--", "touch", "reached"];
    let told = fails(&here, &command, Status::Impostor).await;
    assert!(told.contains("127.0.0.1 is not home.dyn.example, as seen") && told.contains("nothing was sent"), "{told}");

    let (status, _log) = daemon.terminate().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_key_is_trusted_for_a_host_that_there_is_and_it_is_told_whose_place_it_takes() {
    let folder = Scratch::new();
    let config = "directory-servers = [\"127.0.0.1:9\"]\nstate-directory = \"state\"\n[sites.home]\nhost = \"home.dyn.example\"\n";
    folder.write("client.toml", config);
    let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public_key().to_string());
    for (host, key, instead) in [
        ("home", &first, String::new()),
        ("home", &first, String::new()),
        ("HOME.dyn.example.", &second, format!(", no more by {first}")),
    ] {
        let said = run(folder.root(), &["trust", host, key, "-c", "client.toml"]).await;
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        assert_eq!(said.stdout, format!("home.dyn.example is known from now on by {key}{instead}\n"));
    }
    let told = fails(&folder, &["trust", "hame", &first, "-c", "client.toml"], Status::UnknownSite).await;
    assert!(told.contains("no site hame in client.toml") && told.contains("sites there: home"), "{told}");
}

#[tokio::test]
async fn an_identity_is_made_once_and_never_overwritten() {
    let folder = Scratch::new();
    let first = run(folder.root(), &["identity", "home.identity"]).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert!(first.stdout.starts_with("ed25519:") && first.stdout.lines().count() == 1, "{}", first.stdout);
    let path = folder.path("home.identity");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let content = std::fs::read(&path).unwrap();
    let again = run(folder.root(), &["identity", "home.identity"]).await;
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(std::fs::read(&path).unwrap(), content);

    folder.secret("notes", "not a key\n");
    let told = fails(&folder, &["identity", "notes"], Status::Secret).await;
    assert!(told.contains("notes holds no identity"), "{told}");
    assert_eq!(std::fs::read_to_string(folder.path("notes")).unwrap(), "not a key\n");
    let told = fails(&folder, &["identity", "absent/home.identity"], Status::Secret).await;
    assert!(told.contains("absent/home.identity") && told.contains("No such file"), "{told}");
    let told = fails(&folder, &["identity", "."], Status::Secret).await;
    assert!(told.contains("is a directory") && !told.contains("chmod"), "{told}");
}

#[tokio::test]
async fn whoever_has_read_enough_of_what_it_prints_is_no_failure() {
    let folder = Scratch::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = ringup(folder.root(), &["man"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let said = tokio::time::timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()), (Some(0), ""));
}

#[tokio::test]
async fn the_help_names_every_subcommand_that_people_call() {
    let folder = Scratch::new();
    let said = tokio::time::timeout(BOUND, run(folder.root(), &["--help"])).await.unwrap();
    assert_eq!(said.code, Some(0));
    let shown: Vec<&str> = said
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|word| !word.is_empty()))
        .collect();
    for name in
        ["connect", "wake", "query", "listen", "watch", "directory", "provide", "exchange", "check", "identity", "demo"]
    {
        assert!(shown.contains(&name), "{name} is not in {shown:?}");
    }
    let cli = ringup::cli::Cli::command();
    for command in cli.get_subcommands() {
        assert_eq!(shown.contains(&command.get_name()), !command.is_hide_set(), "{}", command.get_name());
        assert!(command.get_about().is_some(), "{} says nothing of itself", command.get_name());
    }
}

#[tokio::test]
async fn codes_are_printed_in_order_from_a_secret_that_is_made_once() {
    let folder = Scratch::new();
    let whole = home(&folder, Path::new("/dev/ttyS0"));
    folder.write("home.toml", &whole);
    let told = fails(&folder, &["code", "-c", "home.toml"], Status::Configuration).await;
    assert!(told.contains("home.toml:15: listen.codes: names no file"), "{told}");

    folder.write("home.toml", &whole.replace("[listen]\n", "[listen]\ncodes = \"home.codes\"\n"));
    let told = fails(&folder, &["check", "-c", "home.toml"], Status::Secret).await;
    assert!(told.contains("listen.codes") && told.contains("make one with `ringup code`"), "{told}");
    let first = run(folder.root(), &["code", "-c", "home.toml", "3"]).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let mode = std::fs::metadata(folder.path("home.codes")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines: Vec<&str> = first.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, number) in lines.iter().zip(1..) {
        let (counter, code) = line.trim().split_once("  ").unwrap();
        assert_eq!(counter.parse(), Ok(number));
        let code: String = code.split(' ').collect();
        assert!(code.len() == 8 && code.bytes().all(|digit| digit.is_ascii_digit()), "{line}");
    }
    assert_eq!(run(folder.root(), &["code", "-c", "home.toml", "3"]).await.stdout, first.stdout);
    std::fs::write(folder.path("state/codes"), "3\n").unwrap();
    let later = run(folder.root(), &["code", "-c", "home.toml", "1"]).await;
    assert_eq!(later.stdout.lines().next(), first.stdout.lines().nth(2), "the first two are used");

    // Which are used must never be forgotten: each of them would be good again.
    std::fs::remove_file(folder.path("state/codes")).unwrap();
    let answers = "\n[[listen.caller]]\nnumber = \"any\"\ndo = \"answer\"\n";
    folder.write("home.toml", &(whole.replace("callers = [\"any\"]", "codes = \"home.codes\"") + answers));
    let told = fails(&folder, &["code", "-c", "home.toml"], Status::Secret).await;
    assert!(told.contains("which says which codes are used"), "{told}");
    let listening = run(folder.root(), &["listen", "-c", "home.toml"]).await;
    assert_eq!(listening.code, Some(i32::from(Status::Secret.code())), "{}", listening.stderr);
    assert!(listening.stderr.contains("which says which codes are used"), "{}", listening.stderr);
}
