//! A listener as systemd's unit has it: root with one capability and no way to more, told on and watched by the service manager.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::harness::{Lab, QUICK, in_lab};
use super::remains::processes;

/// Far more than a loaded machine needs to say a word.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// The service manager's part: hears what the daemon says of itself, as it is said.
struct Manager {
    said: mpsc::UnboundedReceiver<String>,
    path: PathBuf,
    _listening: JoinSet<()>,
}

impl Manager {
    fn at(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        let (tell, said) = mpsc::unbounded_channel();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(length) = socket.recv(&mut buffer).await {
                if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { said, path, _listening: listening }
    }

    /// Listens until these words are said; gives all that was said on the way.
    async fn hear(&mut self, words: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let until = tokio::time::Instant::now() + PATIENCE;
        while !heard.iter().any(|said: &String| said.starts_with(words)) {
            let said = tokio::time::timeout_at(until, self.said.recv()).await;
            heard.push(said.unwrap_or_else(|_elapsed| panic!("no {words} after {heard:?}")).unwrap());
        }
        heard
    }
}

impl Lab {
    /// Starts home's listener with nothing but what packaging/systemd/ringup-listen.service leaves it.
    fn start_hardened_home(&mut self, manager: &Manager) {
        let mut command = self.world.command(Some("home"), Path::new("setpriv"));
        command.args(["--bounding-set", "-all,+net_admin", "--inh-caps", "-all", "--no-new-privs"]);
        command.arg(self.world.program()).args(["-v", "listen", "--json", "--config", "home.toml"]);
        command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "3000000");
        self.world.start("home", command).unwrap();
    }
}

#[test]
fn a_listener_with_one_capability_and_no_new_privileges_does_all_its_work() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.world.stop("home").await;
        let mut manager = Manager::at(lab.world.folder().join("notify"));
        lab.start_hardened_home(&manager);
        lab.until("home", "listening").await;
        let said = manager.hear("STATUS=asleep").await;
        assert_eq!(said.first().map(String::as_str), Some("READY=1"), "{said:?}");
        manager.hear("WATCHDOG=1").await;

        lab.bring_home_online().await;
        manager.hear("STATUS=online at 203.0.113.").await;
        manager.hear("WATCHDOG=1").await;
        let found: Vec<_> =
            processes("ringup").into_iter().filter(|(_, command)| command.contains("home.toml")).collect();
        let [(pid, _)] = &found[..] else { panic!("not one listener: {found:?}") };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        // CAP_NET_ADMIN is the twelfth bit (capability.h).
        assert_eq!((line("CapBnd:"), line("CapEff:")), ("0000000000001000".to_owned(), "0000000000001000".to_owned()));
        assert_eq!((line("NoNewPrivs:"), line("Uid:").split('\t').next()), ("1".to_owned(), Some("0")));

        lab.world.signal("home", Signal::SIGHUP);
        let said = manager.hear("READY=1").await;
        assert!(said.iter().any(|said| said.starts_with("RELOADING=1\nMONOTONIC_USEC=")), "{said:?}");
        lab.world.signal("home", Signal::SIGTERM);
        manager.hear("STOPPING=1").await;
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
        assert!(
            !lab.world.folder().join("home-run").join(ringup::control::SOCKET).exists(),
            "the socket is left behind"
        );
    });
}
