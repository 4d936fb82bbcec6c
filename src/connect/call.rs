//! A wake-up call: a ring that nobody answers, two of them, or an answered one in which we prove who we are.

use std::sync::Arc;
use std::time::Duration;

use hayes::driver::{Driver, DriverError, Online};
use hayes::line::LineSettings;
use hayes::modem::Outcome;
use hayes::number::Number;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::budget::{Fare, Purse, Toll, Unpaid};
use crate::exit::{Failure, Status};
use crate::handshake::caller::{Answer, Caller, Output};
use crate::handshake::{Refusal, Verdict};
use crate::link::line_failure;
use crate::record::{HostName, Identity};

/// From the end of the first of two calls until the second: longer than a host waits for another ring, which is the
/// longest cadence (6 s) and a bit, and shorter than it waits for the second call.
const BETWEEN_CALLS: Duration = Duration::from_secs(10);
/// How long a line of ours may take to go out.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How long our last word may be on its way before we hang up: a dozen characters at 300 bit/s.
const GOODBYE: Duration = Duration::from_millis(500);

/// A modem, and whom to ring with it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The modem's line.
    pub line: LineSettings,
    /// How to treat the modem.
    pub modem: hayes::modem::Settings,
    /// The host's number.
    pub number: Number,
    /// How long to let it ring.
    pub ring_for: Duration,
    /// What wakes it.
    pub wake: Wake,
    /// What the call is paid from.
    pub purse: Purse,
}

/// What wakes a host.
#[derive(Clone, Debug)]
pub enum Wake {
    /// It answers, and we prove who we are.
    Answer {
        /// Who we are.
        identity: Arc<Identity>,
        /// Whom we want to wake.
        host: HostName,
        /// How long it may take until the modems have agreed.
        within: Duration,
    },
    /// A ring that nobody answers.
    Ring,
    /// Two of them: ring, hang up, ring again.
    TwoCalls,
}

impl Wake {
    /// Whether the host is to answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }
}

/// How a wake-up call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// The call came to this.
    Ended(Outcome),
    /// The host answered, and said this.
    Told(Verdict),
    /// The host answered and asked who we are, and the call broke off before it said what it would do.
    BrokeOff,
}

impl Call {
    /// Opens the line, and has it to ourselves.
    ///
    /// # Errors
    /// When the line cannot be had: `PortBusy` while somebody else has it.
    pub fn open(&self) -> Result<Driver, Failure> {
        let opened = || {
            let mut driver = Driver::open(&self.line, self.modem.clone())?;
            driver.lock()?;
            Ok::<Driver, DriverError>(driver)
        };
        opened().map_err(|error| line_failure(&error))
    }

    /// Gets the modem ready, calls, hangs up, closes the line. Each call is counted once the modem is ready for it.
    ///
    /// # Errors
    /// When the line is lost, this machine's budget allows no call, or whoever answered does not let us wake the host.
    pub async fn make(&self, mut driver: Driver) -> Result<Called, Failure> {
        let fare = match &self.wake {
            Wake::Ring => Fare::Rings(1),
            Wake::TwoCalls => Fare::Rings(2),
            Wake::Answer { .. } => Fare::Talk,
        };
        driver.initialise().await.map_err(|error| line_failure(&error))?;
        let mut toll = self.purse.pay(fare).await.map_err(|unpaid| Failure::from(&unpaid))?;
        let called = match &self.wake {
            Wake::Ring => self.ring(&mut driver, &mut toll).await.map(Called::Ended),
            Wake::TwoCalls => self.ring_twice(&mut driver, &mut toll).await.map(Called::Ended),
            Wake::Answer { identity, host, within } => {
                toll.made();
                return self.speak(driver, toll, identity, host, *within).await;
            }
        };
        toll.hung_up().await;
        called.map_err(|error| line_failure(&error))
    }

    async fn ring(&self, driver: &mut Driver, toll: &mut Toll) -> Result<Outcome, DriverError> {
        toll.made();
        let outcome = driver.dial(&self.number, self.ring_for).await?;
        if let Outcome::Connected(_) = outcome {
            // Somebody picked up: it rang, which is all that was wanted.
            let ((), hung_up) = tokio::join!(toll.connected(), driver.hang_up());
            hung_up?;
        }
        Ok(outcome)
    }

    async fn ring_twice(&self, driver: &mut Driver, toll: &mut Toll) -> Result<Outcome, DriverError> {
        let first = self.ring(driver, toll).await?;
        if !matches!(first, Outcome::RangOut | Outcome::NoAnswer) {
            return Ok(first);
        }
        tokio::time::sleep(BETWEEN_CALLS).await;
        self.ring(driver, toll).await
    }

    async fn speak(
        &self,
        mut driver: Driver,
        toll: Toll,
        identity: &Arc<Identity>,
        host: &HostName,
        within: Duration,
    ) -> Result<Called, Failure> {
        let outcome = driver.dial(&self.number, within).await.map_err(|error| line_failure(&error))?;
        let Outcome::Connected(_) = outcome else { return Ok(Called::Ended(outcome)) };
        let mut online = driver.into_online();
        let mut caller = Caller::new(Arc::clone(identity), host.clone(), crate::clock::now());
        toll.connected().await;
        let answer = tokio::select! {
            answer = converse(&mut online, &mut caller) => Ok(answer),
            unpaid = toll.run_out() => Err(unpaid),
        };
        tracing::debug!(?answer, "the answered call is over");
        let hung_up = online.into_driver().hang_up().await;
        toll.hung_up().await;
        hung_up.map_err(|error| line_failure(&error))?;
        told(answer.map_err(|unpaid| cut_short(&unpaid))?, host)
    }
}

/// A call that has to end because its minutes have run out.
pub(super) fn cut_short(unpaid: &Unpaid) -> Failure {
    let failure = Failure::from(unpaid);
    Failure { message: format!("the call was ended: {unpaid}"), ..failure }
}

async fn converse(online: &mut Online, caller: &mut Caller) -> Answer {
    let mut read = [0; 256];
    loop {
        while let Some(output) = caller.poll_output() {
            match output {
                Output::Send(bytes) => {
                    let sent = tokio::time::timeout(SEND_WITHIN, online.write_all(&bytes)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        caller.handle_lost();
                    }
                }
                Output::Done(answer) => {
                    // What the modem has not sent is lost when DTR drops; the host hangs up as soon as it has heard.
                    let until = tokio::time::Instant::now() + GOODBYE;
                    while let Ok(Ok(1..)) = tokio::time::timeout_at(until, online.read(&mut read)).await {}
                    return answer;
                }
            }
        }
        let deadline = caller.deadline().map(|(at, _why)| at);
        let count = tokio::select! {
            count = online.read(&mut read) => Some(count.unwrap_or(0)),
            () = crate::clock::sleep_until(deadline) => None,
        };
        let now = crate::clock::now();
        match count {
            Some(0) => caller.handle_lost(),
            Some(count) => caller.handle_bytes(read.get(..count).unwrap_or_default(), now),
            None => caller.handle_timeout(now),
        }
    }
}

/// What an answered call came to, with what to do about it.
pub(super) fn told(answer: Answer, host: &HostName) -> Result<Called, Failure> {
    let refused = |message: String| Failure::new(Status::WakeRefused, message);
    match answer {
        Answer::Told(verdict @ (Verdict::Waking | Verdict::Online(_) | Verdict::Refused(Refusal::Busy))) => {
            Ok(Called::Told(verdict))
        }
        Answer::Told(Verdict::Refused(refusal)) => {
            let failure = refused(format!("{host} answered, and refused to wake: {refusal}"));
            Err(failure.hint(match refusal {
                Refusal::Budget => "its owner's budget decides ([listen.budget] there); try when there is some left",
                Refusal::Busy => "try again in a minute",
                Refusal::Provider => "its owner has to mend its account with the provider; its log tells more",
                Refusal::State => "its state directory cannot be written; its log tells more",
                Refusal::Time | Refusal::Tries => "the line may be too noisy: call again, or at a lower rate",
                Refusal::Version => "install the same version of ringup at both ends",
            }))
        }
        Answer::Denied => {
            let failure = refused(format!("{host} answered, and does not know our key"));
            Err(failure
                .hint("put what `ringup identity` prints for `key` here in a [[listen.key]] there; compare `host`"))
        }
        Answer::Silent => {
            let message = format!("somebody answered at the number of {host}, but not as a host that wakes does");
            Err(Failure::new(Status::NoHandshake, message)
                .hint("is it the right number? does a rule there say do = \"answer\"?"))
        }
        Answer::BrokenOff => Ok(Called::BrokeOff),
    }
}
