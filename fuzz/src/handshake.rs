//! Both sides of an answered wake, fed whatever a line may bring.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ringup::handshake::caller::{self, Caller};
use ringup::handshake::code::Counter;
use ringup::handshake::host::{self, Door, Host, Spent};
use ringup::handshake::{FromCaller, FromHost, LINE_LIMIT, LineReader, Nonce, Verdict, checked, unchecked};
use ringup::record::{HostName, Identity};

struct Ends {
    door: Arc<Door>,
    identity: Arc<Identity>,
    home: HostName,
}

/// A host that knows one key, and a client that has another.
#[allow(clippy::expect_used, reason = "no randomness, no test")]
static ENDS: LazyLock<Ends> = LazyLock::new(|| {
    let home: HostName = "home.dyn.example".parse().expect("a name");
    let known = Identity::generate().expect("random numbers").public_key();
    let identity = Arc::new(Identity::generate().expect("random numbers"));
    let door = Arc::new(Door { names: vec![home.clone()], keys: vec![("known".to_owned(), known)], codes: None });
    Ends { door, identity, home }
});

/// Takes lines; each is read by both sides as it is, and as if its checksum were right.
pub fn run(data: &[u8]) {
    let lines = LineReader::default().lines(data);
    for line in &lines {
        assert!(line.len() <= LINE_LIMIT && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        read(line);
    }
    let whole: Vec<String> = lines.iter().map(|line| checked(line)).collect();
    for line in &whole {
        assert!(unchecked(line).is_some(), "{line:?}");
        read(line);
    }
    let now = now();
    let again = whole.join("\r\n") + "\r\n";
    for (bytes, lines) in [(data, &lines), (again.as_bytes(), &whole)] {
        let said = host(bytes, now);
        let valid = lines.iter().any(|line| matches!(line.parse(), Ok(FromCaller::Hello { .. })));
        assert!(valid || said == 0, "something was said to a caller who said nothing valid");
        client(bytes, now);
    }
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn now() -> Instant {
    Instant::now()
}

fn read(line: &str) {
    if let Ok(word) = line.parse::<FromCaller>() {
        assert_eq!(word.to_string().parse(), Ok(word), "{line:?}");
    }
    if let Ok(word) = line.parse::<FromHost>() {
        assert_eq!(word.to_string().parse(), Ok(word), "{line:?}");
    }
}

/// Gives how many bytes the host said: nobody is let in, and it comes to an end.
fn host(data: &[u8], mut now: Instant) -> usize {
    let nonces = [1, 2, 3].map(|byte| Nonce::from_bytes([byte; 16]));
    let mut host = Host::new(Arc::clone(&ENDS.door), Counter::FIRST, nonces, now);
    let mut said = 0;
    let mut over = false;
    let mut rest = data.chunks(7);
    for _step in 0..data.len() + 20 {
        while let Some(output) = host.poll_output() {
            match output {
                host::Output::Send(bytes) => said += bytes.len(),
                host::Output::Spend(_) => host.handle_spent(Spent::Noted, now),
                host::Output::Admitted(who) => panic!("{who:?} was let in"),
                host::Output::HangUp(ending) => {
                    assert_ne!(ending, host::Ending::Told(Verdict::Waking));
                    over = true;
                }
            }
        }
        if over {
            assert_eq!(host.deadline(), None, "it waits for something after the end");
            break;
        }
        match (rest.next(), host.deadline()) {
            (Some(chunk), _) => host.handle_bytes(chunk, now),
            (None, Some((at, _))) => {
                now = at;
                host.handle_timeout(now);
            }
            (None, None) => panic!("it waits for nothing"),
        }
    }
    assert!(over, "it does not end");
    assert!(said <= 80 * 64, "{said} bytes were said");
    said
}

/// The client comes to an end whatever it hears, and says only so much.
fn client(data: &[u8], mut now: Instant) {
    let mut caller = Caller::new(Arc::clone(&ENDS.identity), ENDS.home.clone(), now);
    let mut said = 0;
    let mut rest = data.chunks(7);
    for _step in 0..data.len() + 100 {
        while let Some(output) = caller.poll_output() {
            match output {
                caller::Output::Send(bytes) => said += bytes.len(),
                caller::Output::Done(_) => {
                    assert_eq!(caller.deadline(), None, "it waits for something after the end");
                    return;
                }
            }
        }
        match (rest.next(), caller.deadline()) {
            (Some(chunk), _) => caller.handle_bytes(chunk, now),
            (None, Some((at, _))) => {
                now = at;
                caller.handle_timeout(now);
            }
            (None, None) => panic!("it waits for nothing"),
        }
    }
    panic!("it does not end; it said {said} bytes");
}
