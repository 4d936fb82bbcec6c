//! Whoever answers: questions on standard error, answers from standard input.

use std::io::{BufRead, Write};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use tokio::sync::mpsc;

use crate::exit::{Failure, Status};

/// What is typed at the terminal is not shown, for as long as this lives.
pub(super) struct Unseen(Option<Termios>);

impl Unseen {
    /// Does nothing where the answers do not come from a terminal.
    pub(super) fn begin() -> Self {
        let usual = termios::tcgetattr(std::io::stdin()).ok();
        if let Some(mut unseen) = usual.clone() {
            unseen.local_flags.remove(LocalFlags::ECHO);
            unseen.local_flags.insert(LocalFlags::ECHONL);
            set(&unseen);
        }
        Self(usual)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.iter().for_each(set);
    }
}

fn set(terminal: &Termios) {
    if let Err(errno) = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, terminal) {
        tracing::debug!(%errno, "the terminal cannot be set");
    }
}

/// Whoever answers.
pub(super) struct Person {
    answers: mpsc::Receiver<String>,
}

impl Person {
    pub(super) fn new() -> Self {
        let (tell, answers) = mpsc::channel(1);
        // A thread of its own, not waited for: Ctrl-C must not wait for the end of a line.
        let _detached = std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { answers }
    }

    /// Asks until there is an answer that can be read.
    pub(super) async fn ask<T>(
        &mut self,
        question: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            let usually = usual.map(|usual| format!(" [{usual}]")).unwrap_or_default();
            self.put(&format!("{question}{usually}\n> "));
            let answer = self.answers.recv().await.ok_or_else(|| {
                Failure::new(Status::Interrupted, "there are no more answers, and more questions; nothing was written")
            })?;
            let answer = answer.trim();
            let answer = if answer.is_empty() { usual.unwrap_or_default() } else { answer };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.say(&format!("  {error}")),
            }
        }
    }

    pub(super) fn say(&self, line: &str) {
        self.put(&format!("{line}\n"));
    }

    fn put(&self, text: &str) {
        let mut stderr = std::io::stderr();
        if let Err(error) = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()) {
            tracing::debug!(%error, "nobody reads");
        }
    }
}
