//! `[host]`: this machine as directories know it, and from that its account with each of them.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::{Tsig, default_lease};
use super::value::Span;
use super::{Config, ConfigError};
use crate::dns::{Directory, Registrar, Resolver, TsigKey};
use crate::exit::{Failure, Status};
use crate::record::{FarEnd, HostName, Identity, PROOF_PORT, SeqStore, Services};
use crate::tunnel;

/// This machine in the directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// Its full name.
    pub name: String,
    /// The zone that the name is in.
    pub zone: String,
    /// The file that holds its Ed25519 private key (`ringup identity FILE` makes one).
    pub identity: PathBuf,
    /// The key by which the directory knows it.
    pub tsig: Tsig,
    /// How long a registration holds unless it is renewed; it is renewed at a third of it.
    #[serde(default = "default_lease")]
    pub lease: Span,
    /// The UDP port at which it proves its identity to clients.
    #[serde(default = "default_proof_port")]
    pub proof_port: NonZeroU16,
    /// The file that holds the public host key of its ssh server, for clients to pin.
    pub ssh_host_key: Option<PathBuf>,
    /// The pin of its TLS certificate's key, for clients.
    pub tls_pin: Option<String>,
    /// The tunnel that it opens while it is online, for clients that cannot reach its addresses.
    pub tunnel: Option<TunnelSection>,
    /// Further directories, each of which gets the record as well.
    #[serde(default, rename = "directory")]
    pub directories: Vec<FurtherDirectory>,
}

/// A tunnel to a machine with a public address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TunnelSection {
    /// The program that opens it, and its arguments; `{port}` stands for where this machine receives it.
    pub command: Vec<String>,
    /// Where clients connect to.
    pub at: SocketAddr,
    /// The service of this machine that they meet there.
    #[serde(default = "default_tunnel_service")]
    pub to: SocketAddr,
}

/// A directory that gets the record beside the one at `directory-servers`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FurtherDirectory {
    /// Where it answers; several addresses of one directory are asked in turn.
    pub servers: Vec<SocketAddr>,
    /// The host's full name there, if it is another.
    pub name: Option<String>,
    /// The zone that the name is in there, if it is another.
    pub zone: Option<String>,
    /// The key by which that directory knows the host.
    pub tsig: Tsig,
}

/// This machine's account with its directories, before its state is opened.
#[derive(Debug)]
pub struct Account {
    identity: Identity,
    directories: Vec<Directory>,
    lease: u32,
    services: Services,
}

impl Host {
    /// Makes every relative path relative to the configuration's own folder.
    pub(super) fn resolve(&mut self, join: impl Fn(&mut PathBuf)) {
        join(&mut self.identity);
        join(&mut self.tsig.secret);
        self.ssh_host_key.as_mut().into_iter().for_each(&join);
        self.directories.iter_mut().for_each(|directory| join(&mut directory.tsig.secret));
    }
}

impl Config {
    /// The registrar of this machine's account, with its state opened.
    ///
    /// # Errors
    /// When the state cannot be had.
    pub fn registrar(&self, account: Account) -> Result<Registrar, ConfigError> {
        let folder = &self.file().state_directory;
        let wrong = |error: String| self.wrong("state-directory", error);
        std::fs::create_dir_all(folder).map_err(|error| wrong(format!("{}: {error}", folder.display())))?;
        let seqs = SeqStore::open(&folder.join("seq")).map_err(|error| wrong(error.to_string()))?;
        let registrar = Registrar::new(account.identity, account.directories, seqs, account.lease);
        Ok(registrar.with_services(account.services))
    }

    /// The account that `[host]` describes.
    pub(super) fn account(&self) -> Result<Account, ConfigError> {
        let section = self.section("host", self.file().host.as_ref())?;
        let first = self.entry("host", &section.name, &section.zone, self.servers()?, &section.tsig)?;
        let mut directories = vec![first];
        for (index, further) in section.directories.iter().enumerate() {
            let key = format!("host.directory[{index}]");
            if further.servers.is_empty() {
                return Err(
                    self.wrong(&format!("{key}.servers"), "names no server; expected such as [\"198.51.100.53:53\"]")
                );
            }
            let name = further.name.as_ref().unwrap_or(&section.name);
            let zone = further.zone.as_ref().unwrap_or(&section.zone);
            let directory = self.entry(&key, name, zone, further.servers.clone(), &further.tsig)?;
            if directories
                .iter()
                .any(|one| one.resolver.servers() == directory.resolver.servers() && one.host == directory.host)
            {
                return Err(self.wrong(&format!("{key}.servers"), "this directory has the host's record already"));
            }
            directories.push(directory);
        }
        let identity = Identity::load(&section.identity).map_err(|error| {
            let mut told = Failure::caused(Status::Secret, &error).message;
            if !section.identity.exists() {
                told.push_str(&format!("; make one with `ringup identity {}`", section.identity.display()));
            }
            self.wrong("host.identity", told).about_secret()
        })?;
        let lease = section.lease.duration().as_secs();
        let lease = u32::try_from(lease).ok().filter(|seconds| (LEASE.0..=LEASE.1).contains(seconds));
        let lease = lease.ok_or_else(|| self.wrong("host.lease", "expected from \"30s\" to \"744h\""))?;
        Ok(Account { identity, directories, lease, services: self.services(section)? })
    }

    /// What its records say of its services.
    fn services(&self, section: &Host) -> Result<Services, ConfigError> {
        let ssh = match &section.ssh_host_key {
            Some(path) => {
                let key = "host.ssh-host-key";
                let line = std::fs::read_to_string(path)
                    .map_err(|error| self.wrong(key, format!("{}: {error}", path.display())))?;
                Some(line.parse().map_err(|error: crate::record::ServiceError| {
                    self.wrong(key, format!("{}: {error}", path.display()))
                })?)
            }
            None => None,
        };
        let tls = match &section.tls_pin {
            Some(pin) => Some(self.parsed("host.tls-pin", pin, "the pin of a TLS key")?),
            None => None,
        };
        let tunnel = self.tunnel()?.map(|tunnel| tunnel.far_end);
        Ok(Services { proof_port: section.proof_port, ssh, tls, tunnel })
    }

    /// The tunnel that `[host.tunnel]` describes.
    pub(super) fn tunnel(&self) -> Result<Option<tunnel::Settings>, ConfigError> {
        let Some(section) = self.file().host.as_ref().and_then(|host| host.tunnel.as_ref()) else { return Ok(None) };
        let TunnelSection { command, at, to } = section;
        let key = |key: &str| format!("host.tunnel.{key}");
        if command.first().is_none_or(String::is_empty) {
            return Err(self.wrong(&key("command"), "names no program; expected such as [\"ssh\", \"-N\", …]"));
        }
        if !command.iter().any(|word| word.contains(tunnel::PORT)) {
            let message = "does not say where the tunnel comes in here; expected {port} in it, as in \"-R\", \
                           \"0.0.0.0:2222:127.0.0.1:{port}\"";
            return Err(self.wrong(&key("command"), message));
        }
        let service = NonZeroU16::new(to.port())
            .ok_or_else(|| self.wrong(&key("to"), "names no port; expected such as \"127.0.0.1:22\""))?;
        let far_end = FarEnd::new(*at, service).ok_or_else(|| {
            self.wrong(&key("at"), "nobody can connect there; expected such as \"198.51.100.7:2222\"")
        })?;
        Ok(Some(tunnel::Settings { command: command.clone(), far_end, to: *to }))
    }

    /// The host's entry in one directory, its key read.
    fn entry(
        &self,
        section: &str,
        name: &str,
        zone: &str,
        servers: Vec<SocketAddr>,
        tsig: &Tsig,
    ) -> Result<Directory, ConfigError> {
        let key = |key: &str| format!("{section}.{key}");
        let host: HostName = self.parsed(&key("name"), name, "a host's full name")?;
        let zone: HostName = self.parsed(&key("zone"), zone, "a zone's name")?;
        if !host.is_within(&zone) {
            return Err(self.wrong(&key("zone"), format!("{host} is not in the zone {zone}")));
        }
        let key: TsigKey = self.tsig(&key("tsig.secret"), &tsig.name, &tsig.algorithm, Path::new(&tsig.secret))?;
        Ok(Directory { resolver: Resolver::new(servers), host, zone, key })
    }
}

fn default_proof_port() -> NonZeroU16 {
    PROOF_PORT
}

fn default_tunnel_service() -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, 22).into()
}

/// The shortest lease that leaves time for a renewal over a slow line, and the longest that makes sense, in seconds.
const LEASE: (u32, u32) = (30, 31 * 86_400);

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    fn tunnel(section: &str) -> Result<Option<tunnel::Settings>, String> {
        let host = "[host]\nname = \"home.dyn.example\"\nzone = \"dyn.example\"\nidentity = \"i\"\n\
                    tsig = { name = \"home\", secret = \"t\" }\n";
        let config = load(&format!("{host}{section}")).map_err(|error| error.to_string())?;
        config.tunnel().map_err(|error| error.to_string())
    }

    #[test]
    fn a_tunnel_has_a_place_where_it_ends_and_leads_to_ssh_unless_told_otherwise() {
        assert_eq!(tunnel(""), Ok(None));
        let command = "command = [\"ssh\", \"-R\", \"2222:127.0.0.1:{port}\"]";
        let read = tunnel(&format!("[host.tunnel]\n{command}\nat = \"198.51.100.7:2222\"")).unwrap().unwrap();
        assert_eq!((read.far_end.to_string().as_str(), read.command.len()), ("198.51.100.7:2222/22", 3));
        for (section, place, what) in [
            (&*format!("{command}\nat = \"relay.example:2222\""), "8: host.tunnel.at", "socket address"),
            (&*format!("{command}\nat = \"0.0.0.0:2222\""), "8: host.tunnel.at", "nobody can connect"),
            (&*format!("{command}\nat = \"198.51.100.7:2222\"\nto = \"127.0.0.1:0\""), "9: host.tunnel.to", "no port"),
            ("command = []\nat = \"198.51.100.7:2222\"", "7: host.tunnel.command", "names no program"),
            ("command = [\"ssh\"]\nat = \"198.51.100.7:2222\"", "7: host.tunnel.command", "{port}"),
        ] {
            let said = tunnel(&format!("[host.tunnel]\n{section}")).unwrap_err();
            assert!(said.contains(&format!("home.toml:{place}")) && said.contains(what), "{section}: {said}");
        }
    }
}
