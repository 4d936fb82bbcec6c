//! `ringup enrol CODE` at home: writes the machine's account with a directory, and tells the directory its public key.
//!
//! Writes secrets to files of mode 0600 beside the configuration, and the configuration whole or not at all. Refuses to
//! touch the account of another host. Run again with a newer code of the same host it only replaces the secret.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::EnrolmentCode;
use crate::clock;
use crate::config::Config;
use crate::dns::{Resolver, UpdateError};
use crate::durable;
use crate::exit::{Failure, Status};
use crate::record::{Identity, Record, SeqStore, SignedRecord};

/// Enrols this machine; gives the lines to print.
///
/// # Errors
/// When the code is no code, the configuration has another host, a file cannot be written, or the directory refuses.
pub async fn enrol(config: &Path, code: Option<&str>) -> Result<String, Failure> {
    let code = match code {
        Some("-") | None => read_stdin()?,
        Some(code) => code.to_owned(),
    };
    let code: EnrolmentCode = code.parse().map_err(|error| Failure::caused(Status::Secret, &error))?;
    let config = std::path::absolute(config).map_err(|error| cannot_write(config, &error))?;
    let folder = config.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    let text = match std::fs::read_to_string(&config) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::new(Status::Configuration, format!("{}: cannot be read: {error}", config.display())));
        }
    };
    if !text.is_empty()
        && let Some(host) = &Config::load(&config)?.file().host
    {
        if host.name != code.host.as_str() || host.zone != code.zone.as_str() || host.tsig.name != code.key {
            let told = format!("{} has an account already, of {}", config.display(), host.name);
            let hint = format!("this code is for {}: remove [host] from the file first", code.host);
            return Err(Failure::new(Status::Configuration, told).hint(hint));
        }
        write_secret(&host.tsig.secret, code.secret.expose())?;
        return Ok(format!("{} has its new secret in {}", code.host, host.tsig.secret.display()));
    }
    std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let secret = folder.join(format!("{}.tsig", code.host));
    let identity = folder.join(format!("{}.identity", code.host));
    write_secret(&secret, code.secret.expose())?;
    let ours = if identity.exists() { Identity::load(&identity) } else { Identity::create(&identity) };
    let ours = ours.map_err(|error| Failure::caused(Status::Secret, &error))?;
    durable::replace(&config, with_account(&text, &code).as_bytes(), 0o644)
        .map_err(|error| cannot_write(&config, &error))?;
    let state = Config::load(&config)?.file().state_directory.clone();
    let told = format!("{} is {} in {}", code.host, ours.public_key(), config.display());
    match tell(&code, &ours, &state).await {
        Ok(()) => Ok(format!("{told}\nthe directory knows this machine by that key now")),
        Err(failure) if failure.status == Status::DirectoryUnreachable => Ok(format!(
            "{told}\nthe directory cannot be reached from here yet: it learns the key with the first registration, which \
             must come before the code's time is over"
        )),
        Err(failure) => Err(failure),
    }
}

/// Sends the public key: a first statement, that the host is asleep.
async fn tell(code: &EnrolmentCode, identity: &Identity, state: &Path) -> Result<(), Failure> {
    let internal = |error: &dyn std::error::Error| Failure::caused(Status::Internal, error);
    std::fs::create_dir_all(state).map_err(|error| cannot_write(state, &error))?;
    let mut seqs = SeqStore::open(&state.join("seq")).map_err(|error| internal(&error))?;
    let key = code.tsig().map_err(|error| Failure::caused(Status::Secret, &error))?;
    let resolver = Resolver::new(code.servers.clone());
    let deadline = Instant::now() + WITHIN;
    let known = resolver.query(&code.host, deadline).await.map_err(|error| Failure::from(&error))?.record;
    if let Some(known) = &known {
        if *known.key() == identity.public_key() {
            return Ok(());
        }
        let told = format!("the directory knows {} by another key, {}", code.host, known.key());
        let hint = "has another machine used this code? the directory's owner can tell: ringup host history";
        return Err(Failure::new(Status::WrongIdentity, told).hint(hint));
    }
    let seq = seqs.advance(None).map_err(|error| internal(&error))?;
    let record = Record::asleep(code.host.clone(), seq, clock::unix_seconds(), LEASE);
    let signed = SignedRecord::sign(record.map_err(|error| internal(&error))?, identity);
    resolver.update(&code.zone, &signed, &key, deadline).await.map_err(|error| match error {
        UpdateError::BadKey | UpdateError::BadSig => Failure::caused(Status::Secret, &error)
            .hint("the code is an old one: ask the directory's owner for a new one"),
        UpdateError::Refused => Failure::caused(Status::DirectoryRefused, &error)
            .hint("the code's time is over, or another machine has used it: ask the directory's owner for a new one"),
        UpdateError::Unreachable { .. }
        | UpdateError::BadTime { .. }
        | UpdateError::NotAuth
        | UpdateError::NotZone
        | UpdateError::Stale
        | UpdateError::Failed
        | UpdateError::Rejected(_) => Failure::from(&error),
    })
}

/// The configuration with the account in it: the servers before the first section, the sections last.
fn with_account(text: &str, code: &EnrolmentCode) -> String {
    let mut written = String::new();
    let has_servers = text
        .lines()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.split_once('=').is_some_and(|(key, _)| key.trim() == "directory-servers"));
    if !has_servers {
        let servers: Vec<String> = code.servers.iter().map(|server| format!("\"{server}\"")).collect();
        written.push_str(&format!("directory-servers = [{}]\n", servers.join(", ")));
        if !text.is_empty() && !text.starts_with('\n') {
            written.push('\n');
        }
    }
    written.push_str(text);
    if !written.ends_with('\n') {
        written.push('\n');
    }
    let (host, zone, key, algorithm) = (&code.host, &code.zone, &code.key, code.algorithm);
    written.push_str(&format!(
        "\n[host]\nname = \"{host}\"\nzone = \"{zone}\"\nidentity = \"{host}.identity\"\n\n\
         [host.tsig]\nname = \"{key}\"\nalgorithm = \"{algorithm}\"\nsecret = \"{host}.tsig\"\n"
    ));
    written
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST_CODE).read_to_string(&mut text);
    read.map_err(|error| Failure::new(Status::Internal, format!("cannot read the code: {error}")))?;
    Ok(text)
}

fn write_secret(path: &Path, secret: &[u8]) -> Result<(), Failure> {
    let mut line = secret.to_vec();
    line.push(b'\n');
    durable::replace(path, &line, 0o600).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::new(Status::Internal, format!("cannot write {}: {error}", path.display()));
    if error.kind() == ErrorKind::PermissionDenied { failure.hint("run this as root") } else { failure }
}

const WITHIN: Duration = Duration::from_secs(10);
/// Nothing is promised by it: the host is asleep until it registers.
const LEASE: u32 = 600;
const LONGEST_CODE: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::tsig::Algorithm;
    use crate::secret::Secret;

    #[test]
    fn the_account_is_put_where_toml_has_it() {
        let code = EnrolmentCode {
            servers: vec!["198.51.100.53:53".parse().unwrap()],
            zone: "dyn.example".parse().unwrap(),
            host: "home.dyn.example".parse().unwrap(),
            key: "home.dyn.example".to_owned(),
            algorithm: Algorithm::HmacSha384,
            secret: Secret::new(b"aG9tZQ==".to_vec()),
        };
        for (text, servers) in [
            ("", "198.51.100.53:53"),
            ("[modem]\nport = \"/dev/ttyS0\"", "198.51.100.53:53"),
            ("# mine\ndirectory-servers = [\"192.0.2.1:53\"]\n[modem]\nport = \"/dev/ttyS0\"\n", "192.0.2.1:53"),
        ] {
            let written: toml::Table = with_account(text, &code).parse().unwrap();
            assert_eq!(written["directory-servers"][0].as_str(), Some(servers));
            assert_eq!(written["host"]["name"].as_str(), Some("home.dyn.example"));
            assert_eq!(written["host"]["tsig"]["algorithm"].as_str(), Some("hmac-sha384"));
            assert_eq!(written.contains_key("modem"), !text.is_empty());
        }
    }
}
