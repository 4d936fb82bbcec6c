//! The calls to our own provider: one after another where that may help, each paid for.

use hayes::driver::{Driver, DriverError};
use hayes::modem::Outcome;
use tokio::sync::{mpsc, oneshot};

use super::Settings;
use crate::budget::{Fare, Toll, Unpaid};
use crate::connect::call::cut_short;
use crate::connect::own_link::Said;
use crate::exit::Failure;
use crate::link::{self, CallFailure, CallStep, Link, LinkEnd, Redial, Up, Verdict, line_failure};

/// Our own link, and what it costs.
pub(super) struct Raised {
    pub(super) link: Link,
    pub(super) up: Up,
    pub(super) toll: Toll,
}

/// Calls the provider, again after a pause where that may help, and tells of it.
pub(super) async fn raise(settings: &Settings, tell: &mpsc::Sender<Said>) -> Result<Raised, Failure> {
    let mut redial = Redial::new();
    let mut heard = Vec::new();
    let mut calls = 0;
    loop {
        calls += 1;
        let failure = match call(settings).await? {
            Ok(raised) => return Ok(raised),
            Err(failure) => failure,
        };
        let told = Failure::from(&failure).heard_before(std::mem::take(&mut heard));
        let now = crate::clock::now();
        let again = match redial.handle_end(failure.next(), link::chance(), now) {
            Verdict::CallAt(at) if may_pass(&failure) && calls < settings.isp.calls => at,
            Verdict::CallAt(_) | Verdict::StopUntil(_) | Verdict::Sleep => return Err(told),
        };
        tracing::info!(cause = %told, "our own link: once more after a pause");
        let pause_ms = u64::try_from((again - now).as_millis()).unwrap_or(u64::MAX);
        heard.clone_from(&told.evidence);
        heard.push(told.message.clone());
        say(tell, Said::Pausing { why: told, pause_ms }).await;
        crate::clock::sleep_until(Some(again)).await;
        say(tell, Said::Dialling).await;
    }
}

async fn say(tell: &mpsc::Sender<Said>, step: Said) {
    if tell.send(step).await.is_err() {
        tracing::debug!("nobody waits for the link");
    }
}

/// Whether a person would call once more, and not look at the modem or the account first.
fn may_pass(failure: &CallFailure) -> bool {
    match failure {
        CallFailure::Call(outcome) => {
            matches!(outcome, Outcome::Busy | Outcome::Glare | Outcome::NoAnswer | Outcome::NoCarrier)
        }
        CallFailure::Link { end, .. } => *end == LinkEnd::CarrierLost,
        CallFailure::NoLine | CallFailure::Line(_) => false,
    }
}

/// Calls the provider once, if the budget allows it; the line is free again when that has failed.
async fn call(settings: &Settings) -> Result<Result<Raised, CallFailure>, Failure> {
    let opened = async {
        let mut driver = Driver::open(&settings.line, settings.modem.clone())?;
        driver.lock()?;
        driver.initialise().await?;
        Ok::<Driver, DriverError>(driver)
    };
    let driver = opened.await.map_err(|error| line_failure(&error))?;
    let mut toll = settings.purse.pay(Fare::Talk).await.map_err(|unpaid| Failure::from(&unpaid))?;
    toll.made();
    let (tell, answered) = oneshot::channel();
    let mut tell = Some(tell);
    let call = link::call(Some(driver), &settings.isp, |step| {
        tracing::info!(?step, "our own link");
        if step == CallStep::Connected && tell.take().is_some_and(|tell| tell.send(()).is_err()) {
            tracing::debug!("nobody charges for the call");
        }
    });
    let called = tokio::select! {
        called = call => called,
        unpaid = charged(&toll, answered) => return Err(cut_short(&unpaid)),
    };
    match called {
        Ok((link, up)) => {
            // A peers file dials by itself: nobody has said when the call began.
            toll.connected().await;
            Ok(Ok(Raised { link, up, toll }))
        }
        Err((failure, _driver)) => {
            toll.hung_up().await;
            Ok(Err(failure))
        }
    }
}

/// Charges for a call from its answer on, until nothing is left to pay with; for ever while nobody answers.
async fn charged(toll: &Toll, answered: oneshot::Receiver<()>) -> Unpaid {
    if answered.await.is_err() {
        return std::future::pending().await;
    }
    toll.connected().await;
    toll.run_out().await
}
