//! The telephone network of the bench: a real `ringup exchange` with a line for the client and one for home.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::place::{Place, ringup, until};

/// Where the client's modem is, from the bench's folder.
pub(crate) const MODEM: &str = "lines/client";

pub(crate) struct Exchange {
    child: Child,
    calls: Lines<BufReader<ChildStdout>>,
}

impl Exchange {
    pub(crate) async fn start(place: &Place) -> Self {
        let config = "[exchange]\ndirectory = \"lines\"\n\n[[exchange.line]]\nname = \"client\"\nnumber = \"555-0101\"\n\n\
                      [[exchange.line]]\nname = \"home\"\nnumber = \"555-0102\"\n";
        std::fs::write(place.folder().join("exchange.toml"), config).unwrap();
        let log = std::fs::File::create(place.folder().join("exchange.log")).unwrap();
        let mut command = Command::from(ringup(place.folder(), "exchange.toml"));
        command.args(["exchange", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let calls = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = |name: &str| place.folder().join(name).exists();
        until(|| line(MODEM) && line("lines/home")).await;
        Self { child, calls }
    }

    /// What befalls next.
    pub(crate) async fn event(&mut self) -> Value {
        let line = self.calls.next_line().await.unwrap();
        serde_json::from_str(&line.expect("the exchange has ended")).unwrap()
    }

    pub(crate) async fn end(mut self) {
        self.child.kill().await.unwrap();
    }
}
