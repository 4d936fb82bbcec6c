//! An answered call: picks up, has the caller prove who it is, tells it what will happen, hangs up.
//!
//! What is said is the handshake's to know; what will happen is asked of the house.

use std::sync::Arc;
use std::time::Duration;

use hayes::driver::{Driver, DriverError, Online};
use hayes::modem::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Event;
use super::house::House;
use crate::handshake::code::Counter;
use crate::handshake::host::{Admitted, Door, Ending, Host, Output, Spent};
use crate::handshake::{Ledger, Nonce, SpendError, TRIES, Verdict};

/// How long a line of ours may take to go out: a modem that takes nothing for so long has lost its caller.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// Whom to let in, and what is done then.
#[derive(Clone, Debug)]
pub struct Answering {
    /// Who is let in.
    pub door: Arc<Door>,
    /// The file that says which codes are used; there is one where there are codes.
    pub used_codes: Option<std::path::PathBuf>,
    /// How long the line is left alone after an answered call before the provider is dialled.
    pub pause: Duration,
}

/// One answered call.
pub(super) struct Answer<'house> {
    house: &'house House,
    /// The line's port.
    line: &'house str,
    answering: &'house Answering,
}

impl<'house> Answer<'house> {
    pub(super) fn new(house: &'house House, line: &'house str, answering: &'house Answering) -> Self {
        Self { house, line, answering }
    }

    /// Answers the call that rings, and hangs up; gives the line back unless it is gone, and what the caller was told.
    pub(super) async fn run(&self, line: Driver) -> (Option<Driver>, Option<Verdict>) {
        self.say(&Event::Answering);
        match self.take_call(line).await {
            Ok((line, ending, verdict)) => {
                tracing::info!(line = self.line, ending, "an answered call is over");
                self.say(&Event::Answered { ending, wakes: verdict == Some(Verdict::Waking) });
                (Some(line), verdict)
            }
            Err(error) => {
                tracing::warn!(line = self.line, %error, "the line was lost while a call was answered");
                self.say(&Event::Failed { cause: error.to_string() });
                (None, None)
            }
        }
    }

    async fn take_call(&self, mut line: Driver) -> Result<(Driver, String, Option<Verdict>), DriverError> {
        let outcome = line.answer().await?;
        // It may have rung once more before we went off hook; that is no other call.
        let _its_rings = line.take_events();
        let Outcome::Connected(connect) = outcome else {
            return Ok((line, "no-carrier".to_owned(), None));
        };
        tracing::info!(line = self.line, connect = connect.text, "answered");
        let mut online = line.into_online();
        let ending = self.converse(&mut online).await;
        let mut line = online.into_driver();
        line.hang_up().await?;
        let (ending, verdict) = match ending {
            Some(Ending::Told(verdict)) => (told(verdict), Some(verdict)),
            Some(Ending::Left) => ("left".to_owned(), None),
            Some(Ending::Unheard) => ("unheard".to_owned(), None),
            Some(Ending::Lost) | None => ("lost".to_owned(), None),
        };
        Ok((line, ending, verdict))
    }

    /// Speaks with the caller; `None` if the line was lost, or we are to stop.
    async fn converse(&self, online: &mut Online) -> Option<Ending> {
        let mut nonces = [Nonce::from_bytes([0; 16]); TRIES];
        for nonce in &mut nonces {
            *nonce = Nonce::generate().inspect_err(|error| tracing::error!(%error)).ok()?;
        }
        let codes = self.house.codes();
        let next = codes.map_or(Counter::FIRST, Ledger::next);
        let mut host = Host::new(Arc::clone(&self.answering.door), next, nonces, crate::clock::now());
        let mut read = [0; 256];
        loop {
            while let Some(output) = host.poll_output() {
                match output {
                    Output::Send(bytes) => send(online, &bytes).await?,
                    Output::Spend(counter) => host.handle_spent(self.spend(counter), crate::clock::now()),
                    Output::Admitted(who) => host.handle_verdict(self.admit(&who), crate::clock::now()),
                    Output::HangUp(ending) => return Some(ending),
                }
            }
            let deadline = host.deadline().map(|(at, _why)| at);
            let count = tokio::select! {
                count = online.read(&mut read) => Some(count.ok().filter(|count| *count > 0)?),
                () = crate::clock::sleep_until(deadline) => None,
                () = self.house.shutdown.cancelled() => return None,
            };
            let now = crate::clock::now();
            match count.and_then(|count| read.get(..count)) {
                Some(bytes) => host.handle_bytes(bytes, now),
                None => host.handle_timeout(now),
            }
        }
    }

    fn spend(&self, counter: Counter) -> Spent {
        match self.house.codes().map(|codes| codes.spend(counter)) {
            Some(Ok(())) => Spent::Noted,
            Some(Err(SpendError::Used)) | None => Spent::Before,
            Some(Err(error)) => {
                tracing::error!(%error, "a code that is right is not accepted");
                Spent::Failed
            }
        }
    }

    fn admit(&self, who: &Admitted) -> Verdict {
        let by = match who {
            Admitted::Code(counter) => format!("code {}", counter.number()),
            Admitted::Key(name) => name.clone(),
        };
        let verdict = self.house.verdict(self.line);
        tracing::info!(line = self.line, by, "a caller was let in: {verdict}");
        self.say(&Event::Admitted { by });
        verdict
    }

    fn say(&self, event: &Event) {
        self.house.say(self.line, event);
    }
}

async fn send(online: &mut Online, bytes: &[u8]) -> Option<()> {
    tokio::time::timeout(SEND_WITHIN, online.write_all(bytes)).await.ok()?.ok()
}

/// What the caller was told, for programs.
fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::Waking => "waking".to_owned(),
        Verdict::Online(_) => "online".to_owned(),
        Verdict::Refused(refusal) => format!("refused-{}", refusal.as_str().to_ascii_lowercase()),
    }
}
