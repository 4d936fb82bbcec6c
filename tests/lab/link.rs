//! The link to a provider of another house: an ordinary pppd, which speaks at CONNECT, and every way in which it may fail.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ringup::demo::Heard;
use tokio::process::Child;

use super::harness::{Lab, QUICK, in_lab};

/// Chat and pppd on one of the provider's lines, as people set them up: chat answers, and pppd starts on the open line.
pub(crate) struct OrdinaryProvider {
    child: Child,
    log: PathBuf,
}

/// What an ordinary pppd is told at a provider. It asks once, and again only after half a minute: a request that was
/// thrown away shows.
const USUAL: &str = "auth require-chap refuse-eap name provider 203.0.113.1:203.0.113.10 noccp noipv6 lcp-restart 30";

impl OrdinaryProvider {
    /// Serves one call after the other, with these options.
    pub(crate) fn start(lab: &Lab, options: &str) -> Self {
        let line = lab.world.folder().join("lines/provider-1");
        let log = lab.world.folder().join("ordinary.log");
        let script = format!(
            "exec 0<>\"$0\" 1>&0\n\
             while chat -t 600 '' ATZ OK '\\c' RING ATA CONNECT '\\c'; do\n\
             pppd nodetach local debug logfile \"$1\" {options}\n\
             done"
        );
        let mut command = lab.world.command(Some("provider"), Path::new("sh"));
        command.arg("-c").arg(script).arg(&line).arg(&log).stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.process_group(0).spawn().unwrap(), log }
    }

    /// What its pppds have said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it, and whatever it runs.
    pub(crate) async fn end(mut self) {
        let group = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM).unwrap();
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
        lab.start_without_provider().await;
        let provider = OrdinaryProvider::start(lab, USUAL);
        let began = lab.moment();
        lab.bring_home_online().await;
        println!("CONNECT to address: {} ms", connect_to_address(lab, began));
        let log = provider.log();
        let asked = log.matches("sent [LCP ConfReq").count();
        assert_eq!(asked, 1, "the provider had to ask again:\n{log}");
        assert!(log.contains("rcvd [LCP ConfReq"), "{log}");
        provider.end().await;
    });
}
