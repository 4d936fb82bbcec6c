//! Where it is measured: this namespace, in which the directory answers, and another one at the far end of a wire.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringup::dns::tsig::{Algorithm, TsigKey};
use ringup::dns::{Directory, Registrar, Resolver};
use ringup::record::{Identity, SeqStore};
use ringup::secret::Secret;
use tokio::time::Instant;

use super::wire::Wire;

/// Where the directory answers.
pub(crate) const DIRECTORY: &str = "10.9.0.1";
/// The host.
pub(crate) const HOST: &str = "home.dyn.test";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    folder: PathBuf,
    /// Holds the namespace at the far end.
    far: Child,
    directory: Child,
    pub(crate) wire: Wire,
    pub(crate) registrar: Registrar,
}

impl Place {
    pub(crate) async fn build() -> Self {
        let folder = std::env::temp_dir().join(format!("ringup-bench-client-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        let mut far = Command::new("unshare");
        let far = far.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn().unwrap();
        let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        until(|| namespace(far.id()).is_some_and(|far| Some(far) != namespace(std::process::id()))).await;
        let wire = Wire::lay(&folder, far.id(), DIRECTORY, "10.9.0.2");
        let addresses = || String::from_utf8(Command::new("ip").args(["-brief", "address"]).output().unwrap().stdout);
        until(|| addresses().unwrap().contains(DIRECTORY)).await;

        let identity = Identity::create(&folder.join("home.identity")).unwrap();
        let secret = "c2VjcmV0IG9mIGEgYmVuY2ggdGhhdCBpcyAzMiBieXRlcw==";
        write_secret(&folder.join("home.tsig"), secret);
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=ns.dyn.test", "-addext", "subjectAltName=IP:10.9.0.1", "-keyout"]);
        run(openssl.arg(folder.join("key.pem")).arg("-out").arg(folder.join("certificate.pem")).stderr(Stdio::null()));
        run(Command::new("chmod").arg("600").arg(folder.join("key.pem")));
        let key = identity.public_key();
        let directory = format!(
            "[directory]\nlisten = [\"{DIRECTORY}:53\"]\ndatabase = \"directory.sqlite\"\nzone = \"dyn.test\"\n\
             nameserver = \"ns.dyn.test\"\n\n[directory.http]\nlisten = [\"{DIRECTORY}:8053\"]\n\
             certificate = \"certificate.pem\"\nkey = \"key.pem\"\n\n\
             [[directory.key]]\nname = \"home\"\nsecret = \"home.tsig\"\nhosts = [\"{HOST}\"]\nidentity = \"{key}\"\n"
        );
        std::fs::write(folder.join("directory.toml"), directory).unwrap();
        let client = format!(
            "directory-servers = [\"{DIRECTORY}:53\"]\nstate-directory = \"state\"\nruntime-directory = \"run\"\n\n\
             [modem]\nport = \"{}\"\n\n[sites.home]\nhost = \"{HOST}\"\nidentity = \"{key}\"\nnumber = \"555-0102\"\n",
            folder.join("lines/client").display()
        );
        std::fs::write(folder.join("client.toml"), client).unwrap();
        let log = std::fs::File::create(folder.join("directory.log")).unwrap();
        let mut directory = ringup(&folder, "directory.toml");
        let directory = directory.arg("directory").stdin(Stdio::null()).stderr(log).spawn().unwrap();
        until(|| std::net::TcpStream::connect((DIRECTORY, 8053)).is_ok()).await;

        let account = Directory {
            resolver: Resolver::new(vec![format!("{DIRECTORY}:53").parse().unwrap()]),
            host: HOST.parse().unwrap(),
            zone: "dyn.test".parse().unwrap(),
            key: TsigKey::new("home", Algorithm::HmacSha256, &Secret::read(&folder.join("home.tsig")).unwrap())
                .unwrap(),
        };
        let seqs = SeqStore::open(&folder.join("seq")).unwrap();
        let registrar = Registrar::new(identity, vec![account], seqs, 3600);
        Self { folder, far, directory, wire, registrar }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command at the far end of the wire.
    pub(crate) fn far(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.far.id())).current_dir(&self.folder);
        command
    }

    /// Registers the host as online, there.
    pub(crate) async fn register(&mut self, address: IpAddr) {
        self.registrar.register(vec![address], Instant::now() + PATIENCE).await.unwrap();
    }

    /// Registers the host as asleep.
    pub(crate) async fn withdraw(&mut self) {
        assert_eq!(self.registrar.withdraw(Instant::now() + PATIENCE).await.done.len(), 1);
    }

    pub(crate) fn end(mut self) {
        for child in [&mut self.directory, &mut self.far] {
            drop(child.kill());
            drop(child.wait());
        }
        drop(self.wire);
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// The program, with a configuration in the folder.
pub(crate) fn ringup(folder: &Path, config: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringup"));
    command.current_dir(folder).args(["--config", config]);
    command
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn write_secret(path: &Path, secret: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    writeln!(file, "{secret}").unwrap();
}
