//! A directory that speaks HTTP, asked by curl.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use ringup::dns::Resolver;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::{BOUND, Daemon, Scratch, run};

/// A directory that speaks HTTP on loopback, with one configured key and no host but that.
pub struct Directory {
    pub folder: Scratch,
    pub config: PathBuf,
    pub daemon: Daemon,
    pub dns: SocketAddr,
    pub http: SocketAddr,
}

/// The administrator's token over the network, made up.
pub const ADMINISTRATOR: &str = "an invented token of the administrator";

/// What an answer was.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Directory {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts it with more in its section for HTTP.
    pub async fn start_with(more: &str) -> Self {
        Self::start_of("", more).await
    }

    /// Starts it with more in its own section.
    pub async fn start_limited(more: &str) -> Self {
        Self::start_of(more, "").await
    }

    async fn start_of(own: &str, more: &str) -> Self {
        let folder = Scratch::new();
        folder.secret("home.tsig", "aG9tZSBob21lIGhvbWUgaG9tZQ==");
        folder.secret("administrator", ADMINISTRATOR);
        let config = folder.write(
            "directory.toml",
            &format!(
                "[directory]\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"directory.db\"\nzone = \"dyn.test\"\n\
                 nameserver = \"ns.dyn.test\"\n{own}[[directory.key]]\nname = \"home\"\nsecret = \"home.tsig\"\n\
                 hosts = [\"home.dyn.test\"]\n\
                 [directory.http]\nlisten = [\"127.0.0.1:0\"]\nadministrator = \"administrator\"\n{more}"
            ),
        );
        let mut daemon = Daemon::start(folder.root(), &config, "directory");
        let ready = daemon.expect("ready").await;
        let address = |kind: &str| ready[kind][0].as_str().unwrap().parse().unwrap();
        Self { dns: address("addresses"), http: address("http"), folder, config, daemon }
    }

    /// Asks by curl.
    pub async fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        curl(&format!("http://{}{path}", self.http), arguments).await
    }

    /// Runs a command of the administrator, which is to succeed.
    pub async fn administer(&self, arguments: &[&str]) -> String {
        let config = self.config.to_str().unwrap();
        let said = run(self.folder.root(), &[arguments, &["--config", config]].concat()).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
        said.stdout
    }

    /// Makes a host with a login of the same first label, and gives its password.
    pub async fn login(&self, name: &str, hosts: &[&str]) -> String {
        for host in hosts {
            self.administer(&["host", "add", host]).await;
        }
        let mut arguments = vec!["credential", "add", name];
        hosts.iter().for_each(|host| arguments.extend(["--host", host]));
        secret_in(&self.administer(&arguments).await)
    }

    pub async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let view = self.curl(&format!("/v1/hosts/{host}"), &[]).await.json();
        serde_json::from_value(view["addresses"].clone()).unwrap()
    }

    pub fn resolver(&self) -> Resolver {
        Resolver::new(vec![self.dns])
    }
}

/// The last word of what was printed is the secret.
pub fn secret_in(printed: &str) -> String {
    let (_, secret) = printed.trim_end().rsplit_once(' ').unwrap();
    secret.to_owned()
}

/// Fetches by curl, which is never to follow anywhere.
pub async fn curl(url: &str, arguments: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "100", "--noproxy", "*"]);
    let output = timeout(BOUND, command.args(arguments).arg(url).stdin(Stdio::null()).output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("curl: {error}: packaging/install-packages"));
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (headers, body) = text.split_once("\r\n\r\n").unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: headers.to_ascii_lowercase(), body: body.to_owned() }
}
