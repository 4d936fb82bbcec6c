//! From the socket to the lines: what is asked of a line goes to its own task, which answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::protocol::PretendedRing;
use crate::exit::{Failure, Status};

/// What a line's task is asked.
#[derive(Debug)]
pub enum Ask {
    /// Whether it lives: to be answered at once, with anything.
    Alive,
    /// To end its link, or the call that is to bring it, in good order.
    HangUp,
    /// To take it that the line rang so.
    Ring(PretendedRing),
}

/// A question with the way back; dropping it is an answer too: that the line's task had no use for it.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub ask: Ask,
    answer: oneshot::Sender<Result<String, Failure>>,
}

impl Asked {
    /// Answers, in words for whoever asked.
    pub fn answer(self, answer: Result<String, Failure>) {
        // Whoever asked may have gone.
        let _gone = self.answer.send(answer);
    }

    /// Answers what is asked of a link or a ring with why not; whoever asks only whether the task lives is told so.
    pub fn decline(self, why: &str) {
        let answer = match self.ask {
            Ask::Alive => Ok(String::new()),
            Ask::HangUp | Ask::Ring(_) => Err(Failure::new(Status::PortBusy, why)),
        };
        self.answer(answer);
    }
}

/// How many questions wait for one line.
const QUEUE: usize = 8;

/// The lines that can be asked; clones are the same desk.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    lines: Arc<Mutex<BTreeMap<String, mpsc::Sender<Asked>>>>,
}

/// A line's end: its questions. The desk forgets the line when it is dropped.
pub fn asks(desk: &Desk, line: &str) -> mpsc::Receiver<Asked> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    desk.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(line.to_owned(), sender);
    receiver
}

impl Desk {
    /// The names of the lines there are, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_name, line| !line.is_closed());
        lines.keys().cloned().collect()
    }

    /// Asks a line; waits for its answer.
    ///
    /// # Errors
    /// When there is no such line, or it says no.
    pub async fn ask(&self, line: &str, ask: Ask) -> Result<String, Failure> {
        let names = self.names();
        let sender = self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(line).cloned();
        let Some(sender) = sender else {
            return Err(Failure::new(Status::NoPort, format!("there is no line {line}"))
                .hint(format!("the lines are: {}", names.join(", "))));
        };
        let (answer, answered) = oneshot::channel();
        let busy = || Failure::new(Status::PortBusy, format!("{line} is busy with something else; try again"));
        sender.try_send(Asked { ask, answer }).map_err(|_full_or_gone| busy())?;
        answered.await.unwrap_or_else(|_dropped| Err(busy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_asked_by_its_name_and_others_are_named() {
        let desk = Desk::default();
        let mut questions = asks(&desk, "a");
        let _other = asks(&desk, "b");
        let (said, ()) = tokio::join!(desk.ask("a", Ask::HangUp), async {
            questions.recv().await.unwrap().answer(Ok("hung up".to_owned()));
        });
        assert_eq!(said.unwrap(), "hung up");
        let told = desk.ask("c", Ask::HangUp).await.unwrap_err();
        assert_eq!(told.hint.as_deref(), Some("the lines are: a, b"));
        drop(questions);
        assert_eq!(desk.names(), ["b"], "a line that has gone is forgotten");
    }

    #[tokio::test]
    async fn a_line_that_drops_a_question_has_said_that_it_is_busy() {
        let desk = Desk::default();
        let mut questions = asks(&desk, "a");
        let (said, ()) = tokio::join!(desk.ask("a", Ask::Alive), async { drop(questions.recv().await) });
        assert_eq!(said.unwrap_err().status, Status::PortBusy);
    }
}
