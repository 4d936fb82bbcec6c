//! A client's configuration, written from a few answers: what `ringup setup` makes.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::answer::WakeBy;
use crate::record::{HostName, PublicKey};

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where the directory answers.
    pub directory: Vec<SocketAddr>,
    /// Where state and sockets go, if not where they usually do.
    pub folders: Option<Folders>,
    /// The modem's port, if there is one.
    pub port: Option<PathBuf>,
    /// The provider to dial, where there is no other way to the Internet: its number, our name there, and the file of the
    /// password.
    pub isp: Option<(String, String, PathBuf)>,
    /// What the host is called on the command line.
    pub site: String,
    /// Its full name.
    pub host: HostName,
    /// Its key, if it is known.
    pub identity: Option<PublicKey>,
    /// Its number, if it can be rung.
    pub number: Option<String>,
    /// What wakes it.
    pub wake: WakeBy,
    /// The file of this client's identity, where it answers.
    pub key: Option<PathBuf>,
}

/// Folders of whoever runs the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// What must survive a restart.
    pub state: PathBuf,
    /// Sockets.
    pub runtime: PathBuf,
}

impl Draft {
    /// The file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let servers: Vec<String> = self.directory.iter().map(|server| format!("\"{server}\"")).collect();
        let mut file = format!(
            "# A client of ringup; docs/examples/client.toml explains these settings and the others there are.\n\
             directory-servers = [{}]\n",
            servers.join(", ")
        );
        if let Some(Folders { state, runtime }) = &self.folders {
            let (state, runtime) = (quoted(&state.display().to_string()), quoted(&runtime.display().to_string()));
            file.push_str(&format!("state-directory = {state}\nruntime-directory = {runtime}\n"));
        }
        if let Some(port) = &self.port {
            file.push_str(&format!("\n[modem]\nport = {}\n", quoted(&port.display().to_string())));
        }
        if let Some((number, user, secret)) = &self.isp {
            let (number, user, secret) = (quoted(number), quoted(user), quoted(&secret.display().to_string()));
            file.push_str(&format!("\n[isp]\nnumber = {number}\nuser = {user}\nsecret = {secret}\nlinger = \"2m\"\n"));
        }
        file.push_str(&format!("\n[sites.{}]\nhost = \"{}\"\n", quoted(&self.site), self.host));
        if let Some(identity) = &self.identity {
            file.push_str(&format!("identity = \"{identity}\"\n"));
        }
        if let Some(number) = &self.number {
            file.push_str(&format!("number = {}\nwake = \"{}\"\n", quoted(number), self.wake.as_str()));
        }
        if let Some(key) = &self.key {
            file.push_str(&format!("key = {}\n", quoted(&key.display().to_string())));
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::record::Identity;
    use crate::scratch::Scratch;

    #[test]
    fn whatever_is_answered_the_file_says_it_and_is_understood() {
        let folder = Scratch::new("draft");
        let draft = Draft {
            directory: vec!["[2001:db8::53]:53".parse().unwrap(), "198.51.100.53:53".parse().unwrap()],
            folders: Some(Folders { state: "a.state".into(), runtime: "a.run".into() }),
            port: Some("/dev/a \"modem\"".into()),
            isp: Some(("555-0199".to_owned(), "me\\@isp".to_owned(), "client.isp-secret".into())),
            site: "my home".to_owned(),
            host: "home.dyn.example".parse().unwrap(),
            identity: Some(Identity::generate().unwrap().public_key()),
            number: Some("555-0102".to_owned()),
            wake: WakeBy::Answer,
            key: Some("a.identity".into()),
        };
        folder.write("client.toml", &draft.to_toml());
        let config = Config::load(&folder.path("client.toml")).unwrap();
        let site = &config.file().sites["my home"];
        assert_eq!(site.identity, draft.identity.map(|key| key.to_string()));
        assert_eq!(config.file().isp.as_ref().and_then(|isp| isp.user.as_deref()), Some("me\\@isp"));
        assert_eq!((site.wake, site.key.as_deref()), (WakeBy::Answer, Some(&*folder.path("a.identity"))));
        assert_eq!(
            (config.file().directory_servers.len(), &config.file().state_directory),
            (2, &folder.path("a.state"))
        );
        let bare = Draft { port: None, isp: None, identity: None, number: None, key: None, ..draft };
        folder.write("bare.toml", &bare.to_toml());
        let config = Config::load(&folder.path("bare.toml")).unwrap();
        assert_eq!(config.check().unwrap(), ["connect my home"]);
    }
}
