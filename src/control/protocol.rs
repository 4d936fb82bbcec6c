//! The words on the control socket. Sans IO.
//!
//! A request is `{"ringup": 1, "ask": "status"}` and a newline; each answer is a line too: `{"ringup": 1, "standing": {…}}`,
//! `{"ringup": 1, "done": "…"}` or `{"ringup": 1, "refused": {"status": …, "message": …}}`.

use serde::{Deserialize, Serialize};

use super::board::Standing;
use crate::exit::{Failure, Status};

/// The version of these words.
const VERSION: u32 = 1;
/// More than any request needs.
pub(super) const LONGEST_REQUEST: usize = 4096;
/// More than any answer has: 64 lines and ten wakes.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Request {
    /// How things stand.
    Status,
    /// The same, and again at each change, until the connection is closed.
    Watch,
    /// End the link in good order, or the call that is to bring it.
    HangUp {
        /// On this line; without one, on whichever has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<String>,
    },
    /// Pretend that it rang.
    Ring(PretendedRing),
}

/// A call that somebody pretends to come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PretendedRing {
    /// On this line; without one, on the first that listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// From this number; without one, no number is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it rings.
    pub rings: u32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// How things stand.
    Standing(Box<Standing>),
    /// It was done; in words.
    Done(String),
    /// It was not.
    Refused(Failure),
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    ringup: u32,
    #[serde(flatten)]
    words: T,
}

/// A line to send, newline and all.
pub(super) fn line(words: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Versioned { ringup: VERSION, words }).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Reads a request.
///
/// # Errors
/// With what to tell whoever sent it.
pub(super) fn request(line: &[u8]) -> Result<Request, Failure> {
    parse(line, "request")
}

/// Reads an answer.
///
/// # Errors
/// When it is none of this version's.
pub(super) fn answer(line: &[u8]) -> Result<Answer, Failure> {
    parse(line, "answer")
}

fn parse<T: serde::de::DeserializeOwned>(line: &[u8], what: &str) -> Result<T, Failure> {
    #[derive(Deserialize)]
    struct Version {
        ringup: u32,
    }
    let garbled = |error: serde_json::Error| Failure::new(Status::Internal, format!("this is no {what}: {error}"));
    let version: Version = serde_json::from_slice(line).map_err(garbled)?;
    if version.ringup != VERSION {
        let message =
            format!("a {what} in version {} of the control socket's words; expected {VERSION}", version.ringup);
        return Err(
            Failure::new(Status::Internal, message).hint("restart the daemon: another ringup was installed since")
        );
    }
    let versioned: Versioned<T> = serde_json::from_slice(line).map_err(garbled)?;
    Ok(versioned.words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_documented() {
        assert_eq!(request(br#"{"ringup": 1, "ask": "status"}"#).unwrap(), Request::Status);
        let ring = Request::Ring(PretendedRing { line: None, from: Some("5550101".to_owned()), rings: 2 });
        assert_eq!(request(br#"{"ringup": 1, "ask": "ring", "from": "5550101", "rings": 2}"#).unwrap(), ring);
        for each in [Request::Status, Request::Watch, Request::HangUp { line: Some("a".to_owned()) }, ring] {
            assert_eq!(request(&line(&each)).unwrap(), each);
        }
    }

    #[test]
    fn another_versions_request_is_told_so_and_garbage_is_no_request() {
        let told = request(br#"{"ringup": 2, "ask": "status"}"#).unwrap_err();
        assert!(told.message.contains("version 2") && told.hint.is_some(), "{told:?}");
        for garbage in
            [&b"status"[..], b"", b"{}", b"{\"ringup\": 1}", b"{\"ringup\": 1, \"ask\": \"fly\"}", b"\xff\xfe"]
        {
            assert!(request(garbage).unwrap_err().message.contains("no request"), "{garbage:?}");
        }
    }

    #[test]
    fn answers_are_read_back() {
        let refused = Failure::new(Status::NoPort, "no such line").hint("lines are: a");
        for each in [Answer::Done("rang".to_owned()), Answer::Refused(refused), Answer::Standing(Box::default())] {
            assert_eq!(answer(&line(&each)).unwrap(), each);
        }
    }
}
