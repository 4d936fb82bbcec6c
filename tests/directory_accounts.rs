//! The administrator's commands against a directory that runs: what they keep, what they refuse, what they can take out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy exempts only the tests themselves")]

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;

use ringup::dns::{Resolver, TsigKey, WallClock, tsig::Algorithm};
use ringup::record::{Identity, Record, Seq, SignedRecord};
use ringup::secret::Secret;
use serde_json::Value;
use tokio::time::Instant;

use self::support::{BOUND, Daemon, Said, Scratch, run};

const SECRET: &str = "aG9tZSBob21lIGhvbWUgaG9tZQ==";

/// A directory with a key for all hosts below `site`, and the administrator beside it.
struct Directory {
    folder: Scratch,
    config: PathBuf,
    daemon: Daemon,
    dns: SocketAddr,
}

impl Directory {
    async fn start() -> Self {
        let folder = Scratch::new();
        folder.secret("site.tsig", SECRET);
        let config = configure(&folder, "*.site.dyn.test");
        let (daemon, dns) = support::directory(folder.root(), &config).await;
        Self { folder, config, daemon, dns }
    }

    async fn restart(self, hosts: &str) -> Self {
        let (status, log) = self.daemon.terminate().await;
        assert!(status.success(), "{log}");
        let config = configure(&self.folder, hosts);
        let (daemon, dns) = support::directory(self.folder.root(), &config).await;
        Self { config, daemon, dns, ..self }
    }

    async fn command(&self, arguments: &[&str]) -> Said {
        run(self.folder.root(), &[arguments, &["--config", self.config.to_str().unwrap()]].concat()).await
    }

    /// Runs a command that is to succeed.
    async fn said(&self, arguments: &[&str]) -> String {
        let said = self.command(arguments).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
        said.stdout
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.said(&[arguments, &["--json"]].concat()).await).unwrap()
    }

    async fn register(&self, name: &str) {
        let record = Record::online(
            name.parse().unwrap(),
            vec!["203.0.113.9".parse().unwrap()],
            Seq::FIRST,
            WallClock::system().now(),
            600,
        );
        let signed = SignedRecord::sign(record.unwrap(), &Identity::generate().unwrap());
        let key = TsigKey::new("site", Algorithm::HmacSha256, &Secret::new(SECRET.into())).unwrap();
        self.resolver().update(&"dyn.test".parse().unwrap(), &signed, &key, soon()).await.unwrap();
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(vec![self.dns])
    }

    async fn is_answered(&self, name: &str) -> bool {
        self.resolver().query(&name.parse().unwrap(), soon()).await.unwrap().record.is_some()
    }
}

/// Writes a configuration in which one key may change these hosts.
fn configure(folder: &Scratch, hosts: &str) -> PathBuf {
    let text = format!(
        "[directory]\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"directory.db\"\nzone = \"dyn.test\"\n\
         nameserver = \"ns.dyn.test\"\n[[directory.key]]\nname = \"site\"\nsecret = \"site.tsig\"\nhosts = [\"{hosts}\"]\n"
    );
    folder.write("directory.toml", &text)
}

fn soon() -> Instant {
    Instant::now() + BOUND
}

#[tokio::test]
async fn enrolling_a_host_again_leaves_its_identity_and_lease_as_they_are() {
    let directory = Directory::start().await;
    let identity = Identity::generate().unwrap().public_key().to_string();
    directory.said(&["host", "add", "home.dyn.test", "--identity", &identity, "--lease", "90s"]).await;
    for _times in 0..2 {
        directory.said(&["host", "enrol", "home.dyn.test", "--server", "198.51.100.53:53"]).await;
        directory.said(&["host", "add", "home.dyn.test"]).await;
    }
    let accounts = rusqlite::Connection::open(directory.folder.path("directory.db.accounts")).unwrap();
    let kept = accounts.query_row("SELECT identity, lease FROM host", [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(kept.unwrap(), (identity, 90));
}

#[tokio::test]
async fn enrolling_a_host_leaves_a_login_of_its_name_alone() {
    let directory = Directory::start().await;
    directory.said(&["host", "add", "cam.dyn.test", "--login", "cam.dyn.test"]).await;
    let before = directory.json(&["credential", "list"]).await;
    let code = directory.said(&["host", "enrol", "cam.dyn.test", "--server", "198.51.100.53:53"]).await;
    assert!(code.contains("ringup enrol ringup-enrol-1:"), "{code}");
    let after = directory.json(&["credential", "list"]).await;
    let login = |list: &Value| list.as_array().unwrap().iter().find(|one| one["kind"] == "token").cloned();
    assert_eq!(login(&before), login(&after));
    let made = |list: &Value| list.as_array().unwrap().iter().any(|one| one["name"] == "key.cam.dyn.test");
    assert_eq!((made(&before), made(&after)), (false, true));
}

#[tokio::test]
async fn hosts_of_a_key_for_many_are_listed_and_can_be_taken_out_even_when_the_key_is_gone() {
    let directory = Directory::start().await;
    let (one, other) = ("one.site.dyn.test", "other.site.dyn.test");
    directory.register(one).await;
    directory.register(other).await;
    let listed = directory.json(&["host", "list"]).await;
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(names, [one, other]);
    let credentials = directory.json(&["credential", "list"]).await;
    assert_eq!(credentials[0]["hosts"], serde_json::json!(["*.site.dyn.test"]));
    directory.said(&["host", "remove", one]).await;
    assert!(!directory.is_answered(one).await);
    let directory = directory.restart("elsewhere.dyn.test").await;
    assert!(directory.is_answered(other).await);
    directory.said(&["host", "remove", other]).await;
    assert!(!directory.is_answered(other).await);
    let again = directory.command(&["host", "remove", other]).await;
    assert!(again.code != Some(0) && again.stderr.contains("there is no host"), "{}", again.stderr);
}

#[tokio::test]
async fn what_could_not_be_taken_out_is_taken_out_when_it_is_tried_again() {
    let directory = Directory::start().await;
    directory.said(&["host", "add", "one.site.dyn.test"]).await;
    directory.register("one.site.dyn.test").await;
    // Somebody else's transaction keeps the directory from committing.
    let other = rusqlite::Connection::open(directory.folder.path("directory.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = directory.command(&["host", "remove", "one.site.dyn.test"]).await;
    assert_ne!(refused.code, Some(0));
    assert!(directory.is_answered("one.site.dyn.test").await);
    other.execute_batch("ROLLBACK").unwrap();
    directory.said(&["host", "remove", "one.site.dyn.test"]).await;
    assert!(!directory.is_answered("one.site.dyn.test").await);
}

#[tokio::test]
async fn a_copy_of_a_directory_that_runs_has_its_hosts_and_its_credentials() {
    let directory = Directory::start().await;
    directory.said(&["host", "add", "cam.dyn.test", "--login", "cam"]).await;
    directory.register("one.site.dyn.test").await;
    let listed = [directory.json(&["host", "list"]).await, directory.json(&["credential", "list"]).await];
    directory.said(&["directory", "--backup", "copy.db"]).await;
    let (status, log) = directory.daemon.terminate().await;
    assert!(status.success(), "{log}");
    for name in ["directory.db", "directory.db.accounts"] {
        for suffix in ["", "-wal", "-shm"] {
            let _none = std::fs::remove_file(directory.folder.path(&format!("{name}{suffix}")));
        }
        let copy = directory.folder.path(&name.replace("directory", "copy"));
        std::fs::rename(copy, directory.folder.path(name)).unwrap();
    }
    let (daemon, dns) = support::directory(directory.folder.root(), &directory.config).await;
    let restored = Directory { daemon, dns, ..directory };
    assert_eq!([restored.json(&["host", "list"]).await, restored.json(&["credential", "list"]).await], listed);
    assert!(restored.is_answered("one.site.dyn.test").await);
}
