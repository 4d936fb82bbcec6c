//! `ringup host` and `ringup credential`: the administrator's commands on the directory's machine; `ringup enrol`: the one
//! command at home.
//!
//! The commands ask the directory that runs, over its socket beside the database, so that a change holds at once and there
//! is one writer only. Owns what they print; decides nothing about accounts.

mod client;
mod code;
mod enrol;
mod table;

use std::net::SocketAddr;
use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use self::client::ask;
pub use self::code::{CodeError, EnrolmentCode};
pub use self::enrol::enrol;
use crate::config::Config;
use crate::config::value::Span;
use crate::directory::NewHost;
use crate::exit::{Failure, Status};
use crate::record::HostName;
use crate::secret::Secret;
use crate::{clock, directory};

/// What to do with the directory's hosts.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Add a host, or change how it is kept.
    Add {
        /// Its full name.
        host: String,
        /// Its public key, as `ringup identity` prints it there, or `none` for whichever is seen first, as with a new host.
        #[arg(long, value_name = "KEY")]
        identity: Option<String>,
        /// How long an address holds that the host did not sign (a router, ddclient); 840h for a new host.
        #[arg(long, value_name = "TIME")]
        lease: Option<String>,
        /// Make a login of this name for it, for a router or ddclient; its password is shown once.
        #[arg(long, value_name = "NAME")]
        login: Option<String>,
    },
    /// Take a host out, with its record and the credentials that were for it alone.
    Remove {
        /// Its full name.
        host: String,
    },
    /// List the hosts, and how things stand with them.
    List {
        /// Print JSON: one array.
        #[arg(long)]
        json: bool,
    },
    /// Show one host.
    Show {
        /// Its full name.
        host: String,
        /// Print JSON: one object.
        #[arg(long)]
        json: bool,
    },
    /// Show what a host has registered, the newest first.
    History {
        /// Its full name.
        host: String,
        /// How many changes at most.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Print JSON: one array.
        #[arg(long)]
        json: bool,
    },
    /// Print a one-time code that carries everything the host's machine needs, for `ringup enrol` there.
    Enrol {
        /// Its full name; the host is added if need be.
        host: String,
        /// Where hosts reach this directory, as address:port; the configuration's `listen` if left out.
        #[arg(long, value_name = "ADDRESS")]
        server: Vec<SocketAddr>,
        /// For how long the code is good.
        #[arg(long, value_name = "TIME", default_value = "24h")]
        within: String,
    },
}

/// What to do with the directory's credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Make a credential; its secret is shown once.
    Add {
        /// Its name: a login's user name, a TSIG key's name.
        name: String,
        /// A host that it may change; several times for several.
        #[arg(long, required = true)]
        host: Vec<String>,
        /// token, hmac-sha256, hmac-sha384 or hmac-sha512.
        #[arg(long, default_value = "token")]
        kind: String,
    },
    /// List the credentials.
    List {
        /// Print JSON: one array.
        #[arg(long)]
        json: bool,
    },
    /// Take a credential out.
    Remove {
        /// Its name.
        name: String,
    },
    /// Give a credential a new secret, shown once; the old one is worth nothing from then on.
    Rotate {
        /// Its name.
        name: String,
    },
}

/// Runs a command about hosts; gives the lines to print.
///
/// # Errors
/// When the directory does not run on this machine, or refuses.
pub async fn host(config: &Config, command: &HostCommand) -> Result<String, Failure> {
    let settings = config.directory()?;
    let socket = directory::socket_of(&settings.database);
    match command {
        HostCommand::Add { host, identity, lease, login } => {
            let lease = lease.as_deref().map(span).transpose()?;
            let body = json!(NewHost {
                host: host.clone(),
                identity: identity.clone(),
                uncertified_lease: lease.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            });
            let added = ask(&socket, "PUT", "/v1/hosts", Some(&body)).await?;
            let added = text(&added, "host");
            let Some(login) = login else { return Ok(format!("added {added}")) };
            let body = json!({ "name": login, "kind": "token", "hosts": [added] });
            let made = ask(&socket, "POST", "/v1/credentials", Some(&body)).await?;
            Ok(format!("added {added}\n{}", shown_once(&made)))
        }
        HostCommand::Remove { host } => {
            let name = name(host)?;
            ask(&socket, "DELETE", &format!("/v1/hosts/{name}"), None).await?;
            Ok(format!("removed {name}"))
        }
        HostCommand::List { json } => {
            let hosts = ask(&socket, "GET", "/v1/hosts", None).await?;
            Ok(if *json { hosts.to_string() } else { table::hosts(&hosts) })
        }
        HostCommand::Show { host, json } => {
            let found = ask(&socket, "GET", &format!("/v1/hosts/{}", name(host)?), None).await?;
            Ok(if *json { found.to_string() } else { table::host(&found) })
        }
        HostCommand::History { host, limit, json } => {
            let path = format!("/v1/hosts/{}/history?limit={limit}", name(host)?);
            let past = ask(&socket, "GET", &path, None).await?;
            Ok(if *json { past.to_string() } else { table::history(&past) })
        }
        HostCommand::Enrol { host, server, within } => {
            if server.is_empty() && settings.listen.iter().all(|address| address.ip().is_loopback()) {
                tracing::warn!(
                    "the directory listens on this machine alone, and no other can use the code; say where else it is \
                     reached, if it is: --server ADDRESS:PORT"
                );
            }
            let servers = if server.is_empty() { settings.listen.clone() } else { server.clone() };
            invite(&socket, &settings.zone, &name(host)?, servers, span(within)?).await
        }
    }
}

/// Runs a command about credentials; gives the lines to print.
///
/// # Errors
/// When the directory does not run on this machine, or refuses.
pub async fn credential(config: &Config, command: &CredentialCommand) -> Result<String, Failure> {
    let socket = directory::socket_of(&config.directory()?.database);
    match command {
        CredentialCommand::Add { name, host, kind } => {
            let body = json!({ "name": name, "kind": kind, "hosts": host });
            Ok(shown_once(&ask(&socket, "POST", "/v1/credentials", Some(&body)).await?))
        }
        CredentialCommand::List { json } => {
            let found = ask(&socket, "GET", "/v1/credentials", None).await?;
            Ok(if *json { found.to_string() } else { table::credentials(&found) })
        }
        CredentialCommand::Remove { name } => {
            ask(&socket, "DELETE", &credential_path(name)?, None).await?;
            Ok(format!("removed credential {name}"))
        }
        CredentialCommand::Rotate { name } => {
            let path = format!("{}/rotate", credential_path(name)?);
            Ok(shown_once(&ask(&socket, "POST", &path, None).await?))
        }
    }
}

/// Adds the host if need be, makes its key anew, and prints what the person at home is to type.
async fn invite(
    socket: &Path,
    zone: &HostName,
    host: &HostName,
    servers: Vec<SocketAddr>,
    within: u64,
) -> Result<String, Failure> {
    if let Some(server) = servers.iter().find(|server| server.ip().is_unspecified() || server.port() == 0) {
        let told = format!("hosts cannot reach the directory at {server}");
        return Err(Failure::new(Status::Configuration, told).hint("say where: --server ADDRESS:PORT"));
    }
    let until = clock::unix_seconds().saturating_add(within);
    // Added if need be; of one that is there, nothing is changed.
    ask(socket, "PUT", "/v1/hosts", Some(&json!({ "host": host.as_str() }))).await?;
    let kept = ask(socket, "GET", "/v1/credentials", None).await?;
    let made = match key_for(host, &kept)? {
        (name, true) => {
            let path = format!("{}/rotate", credential_path(&name)?);
            ask(socket, "POST", &path, Some(&json!({ "enrol-until": until }))).await?
        }
        (name, false) => {
            let body = json!({ "name": name, "kind": KIND, "hosts": [host.as_str()], "enrol-until": until });
            ask(socket, "POST", "/v1/credentials", Some(&body)).await?
        }
    };
    let garbled = || Failure::new(Status::DirectoryRefused, "the directory's answer cannot be read");
    let code = EnrolmentCode {
        servers,
        zone: zone.clone(),
        host: host.clone(),
        key: text(&made, "name").to_owned(),
        algorithm: text(&made, "kind").parse().map_err(|_unknown| garbled())?,
        secret: Secret::new(text(&made, "secret").as_bytes().to_vec()),
    };
    let until = table::moment(until);
    Ok(format!(
        "At {host}, as root, by {until} (the code is a secret until then):\n\n    ringup enrol {}",
        code.to_code()
    ))
}

/// Gives the name of a host's own key, and whether there is one already. A login may have the host's name, and a key of
/// that name may be others', too.
fn key_for(host: &HostName, kept: &Value) -> Result<(String, bool), Failure> {
    let is_own = |one: &Value| text(one, "kind") != "token" && one.get("hosts") == Some(&json!([host.as_str()]));
    for name in [host.to_string(), format!("key.{host}")] {
        let named = |one: &&Value| text(one, "name").eq_ignore_ascii_case(&name);
        match kept.as_array().into_iter().flatten().find(named) {
            None => return Ok((name, false)),
            Some(one) if is_own(one) => return Ok((name, true)),
            Some(_others) => {}
        }
    }
    let told = format!("credentials {host} and key.{host} are others' than this host's own key");
    Err(Failure::new(Status::DirectoryRefused, told).hint("ringup credential list; remove one that is not needed"))
}

fn shown_once(made: &Value) -> String {
    let (name, secret) = (text(made, "name"), text(made, "secret"));
    let what = if text(made, "kind") == "token" { "password or bearer token" } else { "TSIG secret" };
    format!("credential {name}\n{what}, shown this once: {secret}")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A host's name, fit for a path.
fn name(host: &str) -> Result<HostName, Failure> {
    host.parse().map_err(|error| Failure::new(Status::UnknownHost, format!("{error}")))
}

fn credential_path(name: &str) -> Result<String, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(format!("/v1/credentials/{name}"));
    }
    Err(Failure::new(Status::UnknownHost, format!("there is no credential {}", name.escape_default())))
}

fn span(text: &str) -> Result<u64, Failure> {
    let span = Span::try_from(text.to_owned()).map_err(|error| Failure::new(Status::Configuration, error))?;
    Ok(span.duration().as_secs())
}

/// The kind of key that every name server and client has.
const KIND: &str = "hmac-sha256";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_own_key_has_another_name_where_a_login_or_others_have_the_hosts() {
        let host: HostName = "home.dyn.test".parse().unwrap();
        let one = |name: &str, kind: &str, hosts: &[&str]| json!({ "name": name, "kind": kind, "hosts": hosts });
        let own = one("home.dyn.test", KIND, &["home.dyn.test"]);
        let login = one("Home.dyn.test", "token", &["home.dyn.test"]);
        let others = one("home.dyn.test", KIND, &["home.dyn.test", "cam.dyn.test"]);
        let second = one("key.home.dyn.test", KIND, &["home.dyn.test"]);
        for (kept, expected) in [
            (json!([]), Some(("home.dyn.test", false))),
            (json!([own]), Some(("home.dyn.test", true))),
            (json!([login]), Some(("key.home.dyn.test", false))),
            (json!([others, second]), Some(("key.home.dyn.test", true))),
            (json!([login, one("key.home.dyn.test", "token", &[])]), None),
        ] {
            let found = key_for(&host, &kept).ok();
            assert_eq!(found, expected.map(|(name, is_there)| (name.to_owned(), is_there)), "{kept}");
        }
    }
}
