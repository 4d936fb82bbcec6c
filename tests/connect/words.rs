//! All that `ringup query`, `trust`, `wake` and `proxy` say, by a run of each: `words.txt` beside this file has what was
//! agreed. What the steps and the failures of a way to a host are called is in src/connect/progress/snapshot.txt.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use ringup::record::{Identity, Record, Seq, SignedRecord};

use crate::agreed::agreed;
use crate::lies::Liar;
use crate::support::{Said, run};
use crate::world::{HOST, NO_NUMBER, OFFICE, RUNG, World};

/// What is said, with names for what differs from run to run.
pub struct Transcript {
    text: String,
    names: Vec<(String, &'static str)>,
}

impl Transcript {
    pub fn of(world: &World) -> Self {
        let names = vec![
            (world.folder.root().display().to_string(), "FOLDER"),
            (world.directory_at().to_string(), "DIRECTORY"),
            (format!("\"proof-port\":{}", world.host.place.port()), "\"proof-port\":PORT"),
            (world.host.identity.public_key().to_string(), "KEY-OF-HOME"),
        ];
        Self { text: String::new(), names }
    }

    /// Calls this by that name from now on.
    pub fn name(&mut self, what: &impl ToString, name: &'static str) {
        self.names.push((what.to_string(), name));
    }

    pub fn heading(&mut self, words: &str) {
        self.text.push_str(&format!("\n== {words}\n"));
    }

    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What a program wrote, and how it ended.
    pub fn said(&mut self, said: &Said) {
        for (mark, stream) in [("! ", &said.stderr), ("  ", &said.stdout)] {
            stream.lines().for_each(|line| self.line(&format!("{mark}{line}")));
        }
        if said.code != Some(0) {
            self.line(&format!("  status {}", said.code.unwrap()));
        }
    }

    pub fn end(mut self) -> String {
        for (what, name) in &self.names {
            self.text = self.text.replace(what, name);
        }
        ["\"at\":", "\"issued\":"].iter().fold(self.text, |text, key| without_number(&text, key))
    }

    async fn run(&mut self, world: &World, arguments: &[&str]) {
        self.line(&format!("$ ringup {}", arguments.join(" ")));
        let said = run(world.folder.root(), &[&["--config", "client.toml"], arguments].concat()).await;
        self.said(&said);
    }

    /// For people, and for programs.
    async fn run_both(&mut self, world: &World, arguments: &[&str]) {
        self.run(world, arguments).await;
        self.run(world, &[arguments, &["--json"]].concat()).await;
    }
}

/// The text with 0 for the number that follows each of these.
fn without_number(text: &str, key: &str) -> String {
    let mut parts = text.split(key);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + key + "0" + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

/// Has the client's configuration pin no key.
fn unpin(world: &World) {
    let config = std::fs::read_to_string(world.folder.path("client.toml")).unwrap();
    let pin = format!("identity = \"{}\"\n", world.host.identity.public_key());
    world.folder.write("client.toml", &config.replace(&pin, ""));
}

#[tokio::test]
async fn query_trust_wake_and_proxy_say_what_was_agreed() {
    let world = World::new(RUNG, "", "").await;
    let mut transcript = Transcript::of(&world);
    let other = Identity::generate().unwrap();
    let liar = Liar::start().await;
    transcript.name(&other.public_key(), "ANOTHER-KEY");
    transcript.name(&liar.address, "LIAR");

    transcript.heading("a host that has never registered");
    transcript.run_both(&world, &["query", "home"]).await;
    transcript.run(&world, &["trust", "home"]).await;

    transcript.heading("a host that is asleep");
    let now = ringup::clock::unix_seconds();
    let asleep = Record::asleep(HOST.parse().unwrap(), Seq::FIRST, now, 600).unwrap();
    world.host.register(&SignedRecord::sign(asleep, &world.host.identity)).await;
    transcript.run_both(&world, &["query", "home"]).await;
    world.site(NO_NUMBER);
    transcript.run(&world, &["proxy", "home", "22"]).await;
    transcript.run_both(&world, &["wake", "home"]).await;

    transcript.heading("a host that is online");
    world.host.register(&world.host.online(2)).await;
    transcript.run_both(&world, &["query", "home"]).await;
    transcript.run(&world, &["query", HOST]).await;
    transcript.run(&world, &["proxy", "home", "1"]).await;

    transcript.heading("a host that can be rung");
    world.site(RUNG);
    transcript.run_both(&world, &["wake", "home"]).await;
    transcript.run(&world, &["wake", "home", "--quiet"]).await;

    transcript.heading("what is not there");
    transcript.run_both(&world, &["query", "nobody.dyn.example"]).await;
    for command in [&["query", "nowhere"][..], &["trust", "no where"], &["proxy", "nowhere", "22"]] {
        transcript.run(&world, command).await;
    }
    transcript.run_both(&world, &["wake", "nowhere"]).await;
    std::fs::rename(world.folder.path("client.toml"), world.folder.path("elsewhere.toml")).unwrap();
    for command in [&["query", "home"][..], &["wake", "home"]] {
        transcript.run_both(&world, command).await;
    }
    transcript.run(&world, &["trust", "home"]).await;
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    transcript.name(&silent, "NO-DIRECTORY");
    world.client_of(silent, RUNG);
    transcript.run_both(&world, &["query", "home"]).await;
    std::fs::remove_file(world.folder.path("lines/client")).unwrap();
    transcript.run(&world, &["wake", "home"]).await;

    transcript.heading("a key of the client's own that is not there, or not as it should be");
    world.site(&format!("wake = \"answer\"\nkey = \"laptop.identity\"\n{RUNG}"));
    transcript.run_both(&world, &["wake", "home"]).await;
    let open = world.folder.write("laptop.identity", "ringup-identity-1:\n");
    std::fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    transcript.run(&world, &["wake", "home"]).await;
    std::fs::remove_file(open).unwrap();
    world.folder.secret("laptop.identity", "a word\n");
    transcript.run(&world, &["proxy", "home", "22"]).await;

    transcript.heading("whom to trust");
    world.site(RUNG);
    let key = other.public_key().to_string();
    transcript.run(&world, &["trust", "home"]).await;
    transcript.run(&world, &["trust", "home", &key]).await;
    unpin(&world);
    std::fs::remove_dir_all(world.folder.path("client-state")).unwrap();
    world.folder.write("client-state", "a file where a folder should be");
    transcript.run(&world, &["trust", "home"]).await;
    std::fs::remove_file(world.folder.path("client-state")).unwrap();
    for command in [&["trust", "home"][..], &["trust", "home"], &["trust", "home", &key], &["query", "home"]] {
        transcript.run(&world, command).await;
    }
    transcript.run(&world, &["trust", HOST, &world.host.identity.public_key().to_string()]).await;
    world.folder.write("client-state/known/home.dyn.example", "damaged\n");
    transcript.run(&world, &["query", "home"]).await;

    transcript.heading("a directory that lies");
    let genuine = world.host.online(2);
    world.client_of(liar.address, NO_NUMBER);
    liar.says(&SignedRecord::sign(genuine.record().clone(), &other).to_string());
    transcript.run_both(&world, &["query", "home"]).await;
    liar.says("seq=9 state=online");
    transcript.run_both(&world, &["query", "home"]).await;
    liar.says_address("127.0.0.9".parse().unwrap());
    transcript.run_both(&world, &["query", "home"]).await;
    unpin(&world);
    transcript.run(&world, &["trust", OFFICE]).await;
    let before = format!("{} 9\n", world.host.identity.public_key());
    world.folder.write("client-state/known/home.dyn.example", &before);
    liar.says(&genuine.to_string());
    transcript.run_both(&world, &["query", "home"]).await;

    agreed("tests/connect/words.txt", &transcript.end());
}
