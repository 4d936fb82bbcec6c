//! Both ends of a proof of identity against whatever a stranger can send, and a genuine proof against every change of it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ringup::identity::answerer::Answerer;
use ringup::identity::challenger::{Challenger, Output};
use ringup::identity::wire::{self, CHALLENGE_LENGTH, Nonce, PROOF_LENGTH, Proof};
use ringup::record::Identity;

/// Takes a datagram for both ends, or changes to a genuine proof, with a byte that says which.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, datagram)) => is_answered_or_not(datagram),
        Some((1, datagram)) => is_believed(datagram, false),
        Some((_, change)) => {
            let proof = Proof::sign(identity(), nonce(), host(), client());
            let changes = change.iter().copied().chain(std::iter::repeat(0));
            let changed: Vec<u8> = proof.iter().zip(changes).map(|(byte, change)| byte ^ change).collect();
            is_believed(&changed, changed == proof);
        }
        None => {}
    }
}

fn identity() -> &'static Arc<Identity> {
    static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
    IDENTITY.get_or_init(|| Arc::new(Identity::generate().unwrap()))
}

fn host() -> SocketAddr {
    ([203, 0, 113, 10], 7464).into()
}

fn client() -> SocketAddr {
    ([198, 51, 100, 7], 40_000).into()
}

fn nonce() -> Nonce {
    Nonce::from_bytes([7; 32])
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn now() -> Instant {
    Instant::now()
}

/// Only a whole challenge is answered, and with less than it is itself.
fn is_answered_or_not(datagram: &[u8]) {
    let asked = wire::read_challenge(datagram);
    let answer = Answerer::new(Arc::clone(identity())).handle_datagram(datagram, host(), client(), now());
    assert_eq!(answer.is_some(), asked.is_some());
    if let (Some(nonce), Some(answer)) = (asked, answer) {
        assert_eq!((wire::challenge(nonce).as_slice(), datagram.len()), (datagram, CHALLENGE_LENGTH));
        let proof = Proof::read(&answer).unwrap();
        assert!(proof.is_genuine() && proof.nonce == nonce && answer.len() == PROOF_LENGTH);
    }
}

/// Nothing is believed but the one proof.
fn is_believed(datagram: &[u8], genuine: bool) {
    let now = now();
    let mut challenger =
        Challenger::new(identity().public_key(), &[(host(), nonce())], None, Duration::from_secs(10), now);
    challenger.handle_datagram(host(), datagram, now);
    let outputs: Vec<Output> = std::iter::from_fn(|| challenger.poll_output()).collect();
    assert_eq!(outputs.contains(&Output::Done(Ok(host()))), genuine, "{datagram:?}");
}
