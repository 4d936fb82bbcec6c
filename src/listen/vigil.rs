//! What the service manager hears of a listener: that it is ready, what it is about, and that each line's task lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::control::{Ask, Front, Phase, Standing};
use crate::systemd::{self, Notifier, Pulse};

/// Tells the service manager how things stand until the shutdown; costs nothing where there is none.
pub(super) async fn keep(front: Front, notifier: Arc<Notifier>, shutdown: CancellationToken) {
    if !notifier.is_heard() {
        return;
    }
    notifier.ready();
    let mut standing = front.board.follow();
    let mut said = String::new();
    let mut pulse = systemd::interval().map(|interval| Pulse::new(interval, crate::clock::now()));
    let mut answers = JoinSet::new();
    loop {
        let now = in_words(&standing.borrow_and_update());
        if now != said && notifier.status(&now) {
            said = now;
        }
        let deadline = pulse.as_ref().map(|pulse| pulse.deadline().0);
        tokio::select! {
            changed = standing.changed() => if changed.is_err() { break },
            () = crate::clock::sleep_until(deadline) => if let Some(pulse) = &mut pulse {
                if !pulse.silent().is_empty() {
                    tracing::warn!(lines = ?pulse.silent(), "no answer from these lines' tasks; the watchdog goes hungry");
                }
                let lines = front.desk.names();
                if lines.is_empty() {
                    notifier.alive();
                }
                for line in pulse.handle_timeout(&lines, crate::clock::now()) {
                    let desk = front.desk.clone();
                    answers.spawn(async move { (desk.ask(&line, Ask::Alive).await.is_ok(), line) });
                }
            },
            Some(answered) = answers.join_next() => if let (Ok((alive, line)), Some(pulse)) = (answered, &mut pulse) {
                if !alive {
                    // Its queue is full: it is asked again, and stays hungry until it answers.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                } else if pulse.handle_answer(&line) {
                    notifier.alive();
                }
            },
            () = shutdown.cancelled() => break,
        }
    }
    notifier.stopping();
}

fn in_words(standing: &Standing) -> String {
    if let Some(link) = &standing.link {
        return format!("online at {} over {}", link.address, link.line);
    }
    let lines = standing.lines.len();
    let listening = standing.lines.values().filter(|line| line.phase == Phase::Listening).count();
    if listening == lines {
        format!("asleep, listening on {lines}")
    } else {
        format!("{listening} of {lines} lines listening")
    }
}
