//! The link to a provider of another house: an ordinary pppd, which speaks at CONNECT, and what it may ask for and lend;
//! and links that pppd brings up by a peers file, of our accord or of somebody else's.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ringup::demo::Heard;
use tokio::process::Child;

use super::harness::{Lab, QUICK, in_lab, number};
use super::remains::kill_one;

/// Chat and pppd on one of the provider's lines, as people set them up: chat answers, and pppd starts on the open line.
pub(crate) struct OrdinaryProvider {
    child: Child,
    log: PathBuf,
}

/// What an ordinary pppd is told at a provider. It asks once for each thing, and again only after half a minute: a request
/// that was thrown away shows.
pub(crate) const USUAL: &str = "pppd nodetach local debug logfile \"$1\" auth require-chap refuse-eap name provider \
                     203.0.113.1:203.0.113.10 noccp noipv6 lcp-restart 30 \
                     chap-restart 30 ipcp-restart 30";

impl OrdinaryProvider {
    /// Answers one call after the other, with this command on the open line; `$1` is the log.
    pub(crate) fn start(lab: &Lab, command: &str) -> Self {
        let line = lab.world.folder().join("lines/provider-1");
        let log = lab.world.folder().join("ordinary.log");
        let script = format!(
            "while :; do\n\
             (exec 0<>\"$0\" 1>&0; chat -t 600 '' ATZ OK '\\c' RING ATA CONNECT '\\c' && {{ {command}; }})\n\
             sleep 0.2; done"
        );
        let mut shell = lab.world.command(Some("provider"), Path::new("sh"));
        shell.arg("-c").arg(script).arg(&line).arg(&log).stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: shell.process_group(0).spawn().unwrap(), log }
    }

    /// What its pppds have said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it, and whatever it runs.
    pub(crate) async fn end(mut self) {
        let group = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
        self.child.wait().await.unwrap();
    }
}

impl Lab {
    /// Starts all but ringup's own provider.
    pub(crate) async fn start_without_provider(&mut self) {
        self.world.start_role("exchange", None, "exchange").unwrap();
        for _line in 0..4 {
            self.until("exchange", "line").await;
        }
        self.world.start_role("directory", Some("directory"), "directory").unwrap();
        self.until("directory", "ready").await;
        self.edit("home", "number = \"555-0199\"", "number = \"555-0191\"");
        self.start_home().await;
    }

    /// Adds to a section of home's configuration, below one of its keys.
    pub(crate) fn configure_home(&self, key: &str, more: &str) {
        let path = self.world.folder().join("home.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        std::fs::write(&path, text.replace(line, &format!("{line}\n{more}"))).unwrap();
    }

    /// How often home has dialled since a moment.
    pub(crate) fn calls_of_home(&self, since: usize) -> usize {
        let dialled = self.heard(since, "exchange").into_iter().filter(|heard| heard.event == "dialled");
        dialled.filter(|heard| heard.text("from") == "home").count()
    }
}

/// Milliseconds from CONNECT, as the exchange logs it, to home's address.
fn connect_to_address(lab: &Lab, since: usize) -> u64 {
    let heard = |who: &str, event: &str| -> Heard {
        lab.heard(since, who).into_iter().rfind(|heard| heard.event == event).unwrap()
    };
    let connected: jiff::Timestamp = heard("exchange", "connected").text("time").parse().unwrap();
    heard("home", "up").at - u64::try_from(connected.as_millisecond()).unwrap()
}

#[test]
fn no_first_request_is_thrown_away_by_either_side_when_an_ordinary_pppd_speaks_at_connect() {
    in_lab(QUICK, async |lab| {
        lab.configure_home("user", "options = [\"debug\", \"ipcp-restart 30\"]");
        lab.start_without_provider().await;
        let provider = OrdinaryProvider::start(lab, USUAL);
        let began = lab.moment();
        lab.bring_home_online().await;
        println!("CONNECT to address: {} ms", connect_to_address(lab, began));
        let log = provider.log();
        for request in ["LCP ConfReq", "CHAP Challenge", "IPCP ConfReq id=0x1"] {
            let asked = log.matches(&format!("sent [{request}")).count();
            assert_eq!(asked, 1, "the provider had to say {request} again:\n{log}");
        }
        assert!(log.contains("rcvd [LCP ConfReq"), "{log}");
        let ours = std::fs::read_to_string(lab.world.folder().join("home.log")).unwrap();
        for id in ["0x1", "0x2"] {
            let asked = ours.matches(&format!("sent [IPCP ConfReq id={id}")).count();
            assert_eq!(asked, 1, "we had to ask for an address again:\n{ours}");
        }
        provider.end().await;
    });
}

#[test]
fn our_own_provider_has_pppd_ready_before_connect() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.bring_home_online().await;
        let log = std::fs::read_to_string(lab.world.folder().join("provider.log")).unwrap();
        let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("no {words:?} in {log}"));
        assert!(at("pppd gets ready") < at("answered line="), "{log}");
    });
}

#[test]
fn a_provider_that_wants_the_password_itself_gets_it_only_where_the_owner_allows_that() {
    in_lab(QUICK, async |lab| {
        let secret = std::fs::read_to_string(lab.world.folder().join("home.secret")).unwrap();
        std::fs::write("/etc/ppp/pap-secrets", format!("home provider {} *\n", secret.trim())).unwrap();
        lab.configure_home("user", "calls = 1");
        lab.start_without_provider().await;
        let provider = OrdinaryProvider::start(lab, &USUAL.replace("require-chap", "require-pap"));
        let began = lab.moment();
        lab.wake().await;
        let failed = lab.since(began, "home", "failed").await;
        assert!(!provider.log().contains("rcvd [PAP"), "the password went out:\n{}", provider.log());
        assert_eq!(failed.text("cause"), "the provider asks for an authentication that is not allowed here");

        lab.world.stop("home").await;
        lab.configure_home("user", "auth = [\"chap\", \"pap\"]");
        lab.start_home().await;
        lab.bring_home_online().await;
        std::fs::remove_file("/etc/ppp/pap-secrets").unwrap();
        provider.end().await;
    });
}

#[test]
fn an_address_of_ipv6_joins_the_record_and_an_idle_link_stays_while_the_owners_file_exists() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "idle = \"60s\"", "idle = \"4s\"\nkeep-up = { file = \"stay\" }");
        let stay = lab.world.folder().join("stay");
        std::fs::write(&stay, "").unwrap();
        lab.start_without_provider().await;
        let announcer = "interface ppp0 { AdvSendAdvert on; IgnoreIfMissing on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; \
                         prefix 2001:db8:7::/64 { AdvOnLink on; AdvAutonomous on; }; };\n";
        let plan = lab.world.folder().join("radvd.conf");
        std::fs::write(&plan, announcer).unwrap();
        let mut radvd = lab.world.command(Some("provider"), Path::new("radvd"));
        radvd.args(["--nodaemon", "--logmethod", "none", "--config"]).arg(&plan);
        radvd.arg("--pidfile").arg(lab.world.folder().join("radvd.pid"));
        let mut radvd = radvd.stdin(Stdio::null()).spawn().unwrap();
        let router = "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; ";
        let provider = OrdinaryProvider::start(lab, &format!("{router}{}", USUAL.replace("noipv6", "+ipv6")));
        let began = lab.moment();
        let first = lab.bring_home_online().await;
        let second = number(&lab.until("home", "registered").await, "seq");
        assert!(second > first);
        let addresses = lab.record().await["addresses"].clone();
        let addresses: Vec<&str> = addresses.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
        assert!(addresses.contains(&"203.0.113.10"), "{addresses:?}");
        assert!(addresses.iter().any(|address| address.starts_with("2001:db8:7:")), "{addresses:?}");

        assert_eq!(lab.since(began, "home", "kept").await.text("by"), "file");
        assert!(!lab.names(began, "home").contains(&"idle".to_owned()));
        std::fs::remove_file(&stay).unwrap();
        lab.until("home", "idle").await;
        lab.until("home", "listening").await;
        radvd.kill().await.unwrap();
        provider.end().await;
    });
}

/// A peers file that dials with chat, on home's own modem.
fn write_peers_file(lab: &Lab) {
    let folder = lab.world.folder();
    let secret = std::fs::read_to_string(folder.join("home.secret")).unwrap();
    let text = format!(
        "{}\n115200\nlock\nconnect \"chat -t 60 '' ATZ OK ATDT5550199 CONNECT '\\\\c'\"\nnoauth\nnoipdefault\ndefaultroute\n\
         noccp\nlcp-restart 1\nlcp-echo-interval 1\nlcp-echo-failure 3\nuser home\npassword {}\n",
        folder.join("lines/home").display(),
        secret.trim()
    );
    std::fs::create_dir_all("/etc/ppp/peers").unwrap();
    std::fs::write("/etc/ppp/peers/mobile", text).unwrap();
}

#[test]
fn a_peers_file_gets_the_line_and_dials_by_itself() {
    in_lab(QUICK, async |lab| {
        write_peers_file(lab);
        let account = "number = \"555-0199\"\nuser = \"home\"\nsecret = \"home.secret\"";
        lab.edit("home", account, "peer = \"mobile\"");
        lab.start().await;
        let began = lab.moment();
        lab.bring_home_online().await;
        let names = lab.names(began, "home");
        let woken = names.iter().position(|name| name == "waking").unwrap();
        assert_eq!(names[woken..], ["waking", "dialling", "up", "registered"]);

        lab.world.signal("home", nix::sys::signal::Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        assert_eq!(lab.traces("home").await, Vec::<String>::new());
        std::fs::remove_file("/etc/ppp/peers/mobile").unwrap();
    });
}

#[test]
fn a_link_by_a_peers_file_that_is_lost_is_dialled_again_on_the_same_modem() {
    in_lab(QUICK, async |lab| {
        write_peers_file(lab);
        let account = "number = \"555-0199\"\nuser = \"home\"\nsecret = \"home.secret\"";
        lab.edit("home", account, "peer = \"mobile\"");
        lab.start().await;
        let first = lab.bring_home_online().await;
        let began = lab.moment();
        kill_one("pppd", "provider-run/");
        let second = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(second > first);
        assert_eq!(lab.names(began, "home"), ["ended", "redialling", "dialling", "up", "registered"]);

        let began = lab.moment();
        kill_one("pppd", "call");
        assert_eq!(lab.since(began, "home", "ended").await.text("cause"), "pppd was killed");
        let third = number(&lab.since(began, "home", "registered").await, "seq");
        assert!(third > second);
        std::fs::remove_file("/etc/ppp/peers/mobile").unwrap();
    });
}

#[test]
fn a_link_that_somebody_else_brings_up_is_registered_if_it_is_meant_and_withdrawn_when_it_goes() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "runtime-directory = \"home-run\"", "runtime-directory = \"/run/ringup\"");
        lab.configure_home("callers", "adopt = [\"dsl\"]");
        lab.start().await;
        let dsl = |name: &str, addresses: &str| {
            let program = lab.world.program().display();
            let far = format!("pppd nodetach notty local noauth noccp noipv6 {addresses} set RINGUP=true");
            let text = format!(
                "pty \"exec ip netns exec provider {far}\"\nnodetach\nlocal\nnoauth\nnoccp\nnoipv6\nnoipdefault\n\
                 defaultroute\nset RINGUP={program}\nlogfile {}\n",
                lab.world.folder().join(format!("{name}.log")).display()
            );
            std::fs::create_dir_all("/etc/ppp/peers").unwrap();
            std::fs::write(format!("/etc/ppp/peers/{name}"), text).unwrap();
            let mut command = lab.world.command(Some("home"), Path::new("pppd"));
            command.args(["call", name]).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
            command.spawn().unwrap()
        };
        let mut other = dsl("other", "203.0.113.1:203.0.113.90");
        let began = lab.moment();
        let mut meant = dsl("dsl", "203.0.113.1:203.0.113.91");
        let adopted = match lab.world.until("home", "adopted").await {
            Ok(adopted) => adopted,
            Err(failure) => {
                let log = |name: &str| std::fs::read_to_string(lab.world.folder().join(name)).unwrap_or_default();
                panic!("{failure}\n{}\n{}", log("dsl.log"), log("other.log"))
            }
        };
        assert_eq!(adopted.text("address"), "203.0.113.91", "the other link is none of ours");
        let seq = number(&lab.since(began, "home", "registered").await, "seq");
        assert_eq!(lab.record().await["addresses"], serde_json::json!(["203.0.113.91"]));

        // It proves to be the host there, too, and nobody rings it.
        let ran = lab.connect(&[]).await;
        assert_eq!((ran.status, ran.output.as_str()), (0, "203.0.113.91\n"), "{}", ran.errors);
        assert!(!lab.names(began, "client").contains(&"ringing".to_owned()), "{:?}", lab.names(began, "client"));

        // It is online: a ring wakes nobody.
        lab.free_line().await;
        lab.wake().await;
        assert_eq!(lab.since(began, "home", "refused").await.text("reason"), "already-online");

        // The other link still is a way to the directory.
        let pid = nix::unistd::Pid::from_raw(meant.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        meant.wait().await.unwrap();
        lab.since(began, "home", "ended").await;
        other.kill().await.unwrap();
        assert!(seq > 0);
        std::fs::remove_dir_all("/etc/ppp/peers").unwrap();
    });
}
