//! The servers: each started with one zone of so many hosts, on one processor, and ended with the bench.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringup::dns::tsig::{Algorithm, TsigKey};
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord};
use ringup::secret::Secret;

use super::{SERVER, load};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ringup,
    Bind,
    Knot,
    Nsd,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Ringup, Self::Bind, Self::Knot, Self::Nsd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ringup => "ringup",
            Self::Bind => "BIND",
            Self::Knot => "Knot",
            Self::Nsd => "NSD",
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where ours speaks HTTP.
    pub(crate) http: SocketAddr,
    /// From its start until it gave the last host's address.
    pub(crate) started_in: Duration,
    pub(crate) hosts: u32,
    /// How often each host has been registered.
    pub(crate) seqs: Vec<u32>,
    pub(crate) identity: Identity,
    child: Child,
    folder: PathBuf,
}

/// The key that signs the updates.
pub(crate) fn key() -> TsigKey {
    TsigKey::new("bench", Algorithm::HmacSha256, &Secret::new(SECRET.as_bytes().to_vec())).unwrap()
}

/// A host's name.
pub(crate) fn host(number: u32) -> HostName {
    format!("h{number}.dyn.test").parse().unwrap()
}

impl Server {
    pub(crate) fn start(kind: Kind, hosts: u32) -> Self {
        let folder = std::env::temp_dir().join(format!("ringup-bench-{}-{}", std::process::id(), kind.name()));
        std::fs::create_dir_all(&folder).unwrap();
        let identity = Identity::generate().unwrap();
        let (address, http) = (free_address(), free_address());
        let mut command = match kind {
            Kind::Ringup => ours(&folder, address, http, hosts, &identity),
            Kind::Bind => bind(&folder, address, hosts),
            Kind::Knot => knot(&folder, address, hosts),
            Kind::Nsd => nsd(&folder, address, hosts),
        };
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let begin = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Self {
            address,
            http,
            started_in: Duration::ZERO,
            hosts,
            seqs: vec![1; hosts as usize],
            identity,
            child,
            folder,
        };
        while load::address_of(address, hosts - 1).is_none() {
            let log = || std::fs::read_to_string(server.folder.join("log")).unwrap_or_default();
            assert!(server.child.try_wait().unwrap().is_none(), "{} has ended: {}", kind.name(), log());
            assert!(begin.elapsed() < PATIENCE, "{} does not answer: {}", kind.name(), log());
        }
        server.started_in = begin.elapsed();
        server
    }

    /// Its resident memory and that of its children, in MiB.
    pub(crate) fn resident_mib(&self) -> String {
        (self.resident_kib() / 1024).to_string()
    }

    pub(crate) fn resident_kib(&self) -> u64 {
        let pages = |pid: &String| -> Option<u64> {
            // A forked server shares most of it: what is its own, and its share of the rest.
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())
        };
        self.processes().iter().filter_map(pages).sum()
    }

    /// What its threads and its children have had of the processor, the kernel's work for them included.
    pub(crate) fn processor_time(&self) -> Duration {
        let tasks = |pid| std::fs::read_dir(format!("/proc/{pid}/task")).ok();
        let tasks = self.processes().into_iter().filter_map(tasks).flatten().flatten();
        let nanoseconds = tasks.filter_map(|task| -> Option<u64> {
            let statistics = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            statistics.split_whitespace().next()?.parse().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// It and its children.
    fn processes(&self) -> Vec<String> {
        let pids = Command::new("ps").args(["-e", "-o", "pid=,ppid="]).output().unwrap();
        let pids = String::from_utf8(pids.stdout).unwrap();
        let mut ours = vec![self.child.id().to_string()];
        for line in pids.lines() {
            let mut fields = line.split_whitespace();
            if let (Some(pid), Some(parent)) = (fields.next(), fields.next())
                && ours.iter().any(|known| known == parent)
            {
                ours.push(pid.to_owned());
            }
        }
        ours
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(20) {
                self.child.kill().unwrap();
            }
            std::thread::yield_now();
        }
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Has a process, and what it starts from here on, run on one processor.
pub(crate) fn pin(pid: u32, processor: usize) {
    let pinned = Command::new("taskset").args(["-cp", &processor.to_string(), &pid.to_string()]).output().unwrap();
    assert!(pinned.status.success(), "taskset: {}", String::from_utf8_lossy(&pinned.stderr));
}

fn on_its_processor(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &SERVER.to_string(), program]);
    command
}

fn ours(folder: &Path, address: SocketAddr, http: SocketAddr, hosts: u32, identity: &Identity) -> Command {
    let program = env!("CARGO_BIN_EXE_ringup");
    write(folder, "bench.tsig", SECRET);
    let config = format!(
        "[directory]\nlisten = [\"{address}\"]\ndatabase = \"directory.db\"\nzone = \"dyn.test\"\n\
         nameserver = \"ns.dyn.test\"\nanswers-per-second = 0\nupdates-per-minute = 0\n\
         [[directory.key]]\nname = \"bench\"\nsecret = \"bench.tsig\"\nhosts = [\"*.dyn.test\"]\n\
         uncertified-lease = \"960h\"\n\
         [directory.http]\nlisten = [\"{http}\"]\nconnections = 200000\nconnections-per-address = 200000\n"
    );
    write(folder, "ringup.toml", &config);
    seed(folder, program, hosts, identity);
    let mut command = on_its_processor(program);
    command.args(["directory", "--config"]).arg(folder.join("ringup.toml")).env("RUST_LOG", "warn");
    command
}

/// Has the program make its database, and puts the hosts into it: the first half signed for statements, the others not.
fn seed(folder: &Path, program: &str, hosts: u32, identity: &Identity) {
    let mut making = Command::new(program);
    making.args(["directory", "--json", "--config"]).arg(folder.join("ringup.toml")).env("RUST_LOG", "error");
    let mut child = making.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(!ready.is_empty(), "the directory ended before it was ready");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut database = rusqlite::Connection::open(folder.join("directory.db")).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let transaction = database.transaction().unwrap();
    {
        let mut insert = transaction
            .prepare("INSERT INTO host (host, statement, received, key, time_signed, mac) VALUES (?1, ?2, ?3, 'bench', ?3, ?4)")
            .unwrap();
        for number in 0..hosts {
            let addresses = vec![load::first_address(number).into()];
            let record = Record::online(host(number), addresses, Seq::FIRST, now, LEASE).unwrap();
            let is_signed = hosts > super::HOSTS || number < hosts / 2;
            let statement = if is_signed {
                SignedRecord::sign(record, identity).to_string()
            } else {
                format!("uncertified s=online q=1 a={} t={now} l={LEASE}", load::first_address(number))
            };
            insert.execute(rusqlite::params![host(number).as_str(), statement, now.cast_signed(), [7u8; 32]]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn bind(folder: &Path, address: SocketAddr, hosts: u32) -> Command {
    zone_file(folder, hosts);
    let (place, port) = (folder.display(), address.port());
    let config = format!(
        "options {{ directory \"{place}\"; pid-file \"{place}/named.pid\"; session-keyfile \"{place}/session.key\"; \
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; update-quota 1000; \
         dnssec-validation no; notify no; }};\ncontrols {{ }};\n\
         logging {{ category update {{ null; }}; category update-security {{ null; }}; }};\n\
         key bench {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         zone \"dyn.test\" {{ type primary; file \"{place}/zone\"; allow-update {{ key bench; }}; }};\n"
    );
    write(folder, "named.conf", &config);
    let mut command = on_its_processor("/usr/sbin/named");
    command.args(["-g", "-n", "1", "-c"]).arg(folder.join("named.conf"));
    command
}

fn knot(folder: &Path, address: SocketAddr, hosts: u32) -> Command {
    zone_file(folder, hosts);
    let (place, port) = (folder.display(), address.port());
    let config = format!(
        "server:\n  rundir: {place}\n  user: root:root\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n\
         \x20 background-workers: 1\nlog:\n  - target: stderr\n    any: error\n\
         database:\n  storage: {place}\n  journal-db-mode: robust\n\
         key:\n  - id: bench\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
         acl:\n  - id: update\n    key: bench\n    action: update\n\
         zone:\n  - domain: dyn.test\n    storage: {place}\n    file: zone\n    acl: update\n    zonefile-sync: -1\n\
         \x20   zonefile-load: whole\n    journal-content: changes\n"
    );
    write(folder, "knot.conf", &config);
    let mut command = on_its_processor("/usr/sbin/knotd");
    command.arg("-c").arg(folder.join("knot.conf"));
    command
}

fn nsd(folder: &Path, address: SocketAddr, hosts: u32) -> Command {
    zone_file(folder, hosts);
    let (place, port) = (folder.display(), address.port());
    let config = format!(
        "server:\n  server-count: 1\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n\
         \x20 zonesdir: {place}\n  database: \"\"\n  pidfile: {place}/nsd.pid\n  xfrdfile: {place}/xfrd.state\n\
         \x20 zonelistfile: {place}/zone.list\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n\
         zone:\n  name: dyn.test\n  zonefile: zone\n"
    );
    write(folder, "nsd.conf", &config);
    let mut command = on_its_processor("/usr/sbin/nsd");
    command.args(["-d", "-c"]).arg(folder.join("nsd.conf"));
    command
}

fn zone_file(folder: &Path, hosts: u32) {
    let mut text = String::from(
        "$ORIGIN dyn.test.\n$TTL 60\n@ 3600 SOA ns hostmaster 1 300 60 604800 5\n@ 3600 NS ns\nns 3600 A 127.0.0.1\n",
    );
    for number in 0..hosts {
        writeln!(text, "h{number} A {}", load::first_address(number)).unwrap();
    }
    write(folder, "zone", &text);
}

fn write(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const SECRET: &str = "YmVuY2ggYmVuY2ggYmVuY2ggYmVuY2g=";
const LEASE: u32 = 3_000_000;
const PATIENCE: Duration = Duration::from_secs(120);
