//! Both sides in conversation, a person at a terminal, and a line that garbles what they say.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::caller::{self, Answer, Caller};
use super::*;
use crate::record::Identity;

const WAKING: Verdict = Verdict::Waking;

fn home() -> HostName {
    "home.dyn.example".parse().unwrap()
}

fn nonces() -> [Nonce; TRIES] {
    [1, 2, 3].map(|byte| Nonce::from_bytes([byte; 16]))
}

/// A host whom this client's key and these codes may wake, with a call just connected.
struct Call {
    host: Host,
    codes: CodeKey,
    now: Instant,
    /// What the host said to the terminal.
    screen: String,
    spent: Spent,
    admitted: Vec<Admitted>,
    ended: Option<Ending>,
}

impl Call {
    fn new(keys: &[(&str, PublicKey)]) -> Self {
        let folder = crate::scratch::Scratch::new(&format!("host-{:p}", &raw const keys));
        let codes = CodeKey::create(&folder.path("codes")).unwrap();
        let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), *key)).collect();
        let door = Door { names: vec![home()], keys, codes: Some(codes.clone()) };
        let now = crate::clock::now();
        let host = Host::new(Arc::new(door), Counter::FIRST, nonces(), now);
        Self { host, codes, now, screen: String::new(), spent: Spent::Noted, admitted: Vec::new(), ended: None }
    }

    fn code(&self, number: u64) -> String {
        self.codes.code(Counter::new(number).unwrap()).to_string()
    }

    /// Sends bytes to the host; gives what it says to that.
    fn hear(&mut self, bytes: &[u8]) -> String {
        self.host.handle_bytes(bytes, self.now);
        self.drain()
    }

    fn typed(&mut self, text: &str) -> String {
        self.hear(format!("{text}\r").as_bytes())
    }

    fn wait(&mut self, why: &str) -> String {
        let (at, reason) = self.host.deadline().unwrap();
        assert_eq!(reason, why);
        self.now = at;
        self.host.handle_timeout(at);
        self.drain()
    }

    fn drain(&mut self) -> String {
        let mut said = String::new();
        while let Some(output) = self.host.poll_output() {
            assert_eq!(self.ended, None, "after the end: {output:?}");
            match output {
                Output::Send(bytes) => said.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Spend(_) => self.host.handle_spent(self.spent, self.now),
                Output::Admitted(who) => {
                    self.admitted.push(who);
                    self.host.handle_verdict(WAKING, self.now);
                }
                Output::HangUp(ending) => self.ended = Some(ending),
            }
        }
        self.screen.push_str(&said);
        said
    }
}

/// Lets a client speak with the host over a line that garbles some lines, until one of them is done.
fn converse(call: &mut Call, caller: &mut Caller, mut garbles: impl FnMut() -> bool) -> Answer {
    let mut answer = None;
    let mut to_host: Vec<u8> = Vec::new();
    let mut garbled = |bytes: &[u8]| -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if garbles()
            && let Some(byte) = bytes.get_mut(3)
        {
            *byte = if *byte == b'~' { b'#' } else { b'~' };
        }
        bytes
    };
    for _round in 0..500 {
        while let Some(output) = caller.poll_output() {
            match output {
                caller::Output::Send(bytes) => to_host.extend(garbled(&bytes)),
                caller::Output::Done(told) => answer = Some(told),
            }
        }
        let said = call.hear(&std::mem::take(&mut to_host));
        if let Some(answer) = answer {
            return answer;
        }
        for line in said.split_inclusive('\n') {
            caller.handle_bytes(&garbled(line.as_bytes()), call.now);
        }
        if said.is_empty() && call.ended.is_some() {
            caller.handle_lost();
        } else if said.is_empty() {
            let due = [call.host.deadline(), caller.deadline()].into_iter().flatten().map(|(at, _)| at).min();
            call.now = due.unwrap_or(call.now);
            call.host.handle_timeout(call.now);
            caller.handle_timeout(call.now);
            for line in call.drain().split_inclusive('\n') {
                caller.handle_bytes(&garbled(line.as_bytes()), call.now);
            }
        }
    }
    panic!("they speak for ever: {}", call.screen)
}

fn client() -> (Arc<Identity>, PublicKey) {
    let identity = Identity::generate().unwrap();
    let key = identity.public_key();
    (Arc::new(identity), key)
}

#[test]
fn a_client_whose_key_may_wake_is_let_in_and_told() {
    let (identity, key) = client();
    let mut call = Call::new(&[("other", client().1), ("laptop", key)]);
    let mut caller = Caller::new(identity, home(), call.now);
    assert_eq!(converse(&mut call, &mut caller, || false), Answer::Told(WAKING));
    assert_eq!(call.admitted, [Admitted::Key("laptop".to_owned())]);
    assert_eq!(call.ended, Some(Ending::Told(WAKING)), "BYE, and nobody waits");
    assert!(call.screen.starts_with("CHALLENGE 040G2081040G2081040G208104 *"), "{}", call.screen);
    assert!(call.screen.lines().all(|line| line.len() <= 72), "{}", call.screen);
}

#[test]
fn a_key_that_may_not_wake_or_a_proof_for_another_host_is_denied() {
    let (identity, key) = client();
    let mut call = Call::new(&[("laptop", key)]);
    let mut stranger = Caller::new(client().0, home(), call.now);
    assert_eq!(converse(&mut call, &mut stranger, || false), Answer::Denied);
    let mut call = Call::new(&[("laptop", key)]);
    let mut astray = Caller::new(identity, "cabin.dyn.example".parse().unwrap(), call.now);
    assert_eq!(converse(&mut call, &mut astray, || false), Answer::Denied);
    assert_eq!((call.admitted, call.ended), (vec![], Some(Ending::Left)));
}

#[test]
fn a_proof_that_was_overheard_is_worth_nothing_in_another_call() {
    let (identity, key) = client();
    let mut call = Call::new(&[("laptop", key)]);
    let mut caller = Caller::new(identity, home(), call.now);
    let mut overheard = Vec::new();
    for _round in 0..2 {
        while let Some(caller::Output::Send(bytes)) = caller.poll_output() {
            overheard.extend(bytes);
        }
        let said = call.hear(&std::mem::take(&mut overheard.clone()));
        caller.handle_bytes(said.as_bytes(), call.now);
    }
    assert!(!call.admitted.is_empty());
    let mut again = Call::new(&[("laptop", key)]);
    again.host.nonces = [7, 8, 9].map(|byte| Nonce::from_bytes([byte; 16]));
    again.hear(&overheard);
    assert_eq!(again.admitted, []);
}

#[test]
fn nothing_is_said_to_a_caller_who_says_nothing_valid() {
    let mut call = Call::new(&[]);
    for text in ["", "hello", "ATZ", "root", "\x7e\x7d\x23", "RINGUP 1 *AAAA", "GET / HTTP/1.0", &"x".repeat(1000)] {
        assert_eq!(call.typed(text), "", "{text:?}");
    }
    assert_eq!(call.typed("1234 5678"), "", "a wrong code is no valid line");
    assert_eq!(call.wait("the caller to prove who it is"), "");
    assert_eq!(call.ended, Some(Ending::Unheard));
}

#[test]
fn three_wrong_codes_end_a_call_in_silence_too() {
    let mut call = Call::new(&[]);
    let began = call.now;
    call.typed("1111 1111");
    call.now += Duration::from_secs(15);
    call.typed("2222 2222");
    assert_eq!(call.host.deadline().unwrap().0, began + PATIENCE, "no more time for guessing");
    call.typed("3333 3333");
    assert_eq!((call.screen.as_str(), call.ended), ("", Some(Ending::Unheard)));
}

#[test]
fn a_person_types_a_code_and_is_told_in_words() {
    let mut call = Call::new(&[]);
    let code = call.code(1);
    assert_eq!(call.typed(&code), "waking: hang up now, it comes online by itself\r\n");
    assert_eq!(call.admitted, [Admitted::Code(Counter::FIRST)]);
    assert_eq!(call.typed("thanks"), "");
    call.wait("the caller to hear what will happen");
    assert_eq!(call.ended, Some(Ending::Told(WAKING)));
}

#[test]
fn a_person_who_asks_is_prompted_sees_what_he_types_and_may_err_twice() {
    let mut call = Call::new(&[]);
    assert_eq!(call.typed("ringup"), "\r\nringup: type the next code of your list, and Enter\r\ncode: ");
    assert_eq!(call.hear(b"12x\x0834 5678"), "12x\x08 \x0834 5678");
    call.now += Duration::from_secs(19);
    assert_eq!(call.typed(""), "\r\nthat was no code that is good now; tries left: 2\r\ncode: ");
    call.now += Duration::from_secs(19);
    assert!(call.typed("help").ends_with("that is no code\r\ncode: "));
    let code = call.code(3);
    assert!(call.typed(&code).contains("waking"), "the first two codes may be lost");
    assert_eq!(call.admitted, [Admitted::Code(Counter::new(3).unwrap())]);

    let mut call = Call::new(&[]);
    call.typed("RINGUP");
    call.typed("11111111");
    call.typed("22222222");
    assert!(call.typed("33333333").ends_with("refused: nothing right was said in three tries\r\n"));
    assert_eq!(call.admitted, []);
}

#[test]
fn a_code_that_was_used_or_cannot_be_noted_as_used_lets_nobody_in() {
    let mut call = Call::new(&[]);
    call.spent = Spent::Before;
    let code = call.code(1);
    assert_eq!(call.typed(&code), "");
    let mut call = Call::new(&[]);
    call.spent = Spent::Failed;
    let code = call.code(1);
    assert_eq!(call.typed(&code), "refused: it cannot note the code as used\r\n");
    assert_eq!(call.admitted, []);
}

#[test]
fn a_call_that_the_modem_says_is_over_is_over() {
    let mut call = Call::new(&[]);
    assert_eq!(call.typed("NO CARRIER"), "");
    assert_eq!(call.ended, Some(Ending::Lost));
    let mut call = Call::new(&[]);
    let code = call.code(1);
    call.typed(&code);
    call.typed("NO CARRIER");
    assert_eq!(call.ended, Some(Ending::Told(WAKING)));
    let now = call.now;
    let mut caller = Caller::new(client().0, home(), now);
    assert!(matches!(caller.poll_output(), Some(caller::Output::Send(_))));
    caller.handle_bytes(b"\r\nNO CARRIER\r\n", now);
    assert_eq!(caller.poll_output(), Some(caller::Output::Done(Answer::Silent)));
}

#[test]
fn without_codes_no_person_is_spoken_with() {
    let mut call = Call::new(&[]);
    let code = call.code(1);
    call.host.door = Arc::new(Door { names: vec![home()], keys: Vec::new(), codes: None });
    assert_eq!(call.typed("RINGUP"), "");
    assert_eq!(call.typed(&code), "");
}

#[test]
fn another_version_is_named_and_refused() {
    let mut call = Call::new(&[]);
    let hello = FromCaller::Hello { version: 2 }.to_string();
    let said = call.typed(&hello);
    assert_eq!(said.trim_end().parse(), Ok(FromHost::Told(Verdict::Refused(Refusal::Version))));
}

#[test]
fn a_client_that_falls_silent_is_told_so_and_hung_up() {
    let mut call = Call::new(&[]);
    let hello = FromCaller::Hello { version: VERSION }.to_string();
    call.typed(&hello);
    assert!(call.wait("the caller to prove who it is").starts_with("REFUSED TIME "));
    call.wait("the caller to hear what will happen");
    assert_eq!(call.ended, Some(Ending::Told(Verdict::Refused(Refusal::Time))));
}

#[test]
fn a_caller_whom_nobody_understands_gives_up_in_time_and_asks_nobody_again() {
    let now = crate::clock::now();
    let mut caller = Caller::new(client().0, home(), now);
    let mut sent = Vec::new();
    let mut at = now;
    let answer = 'call: loop {
        while let Some(output) = caller.poll_output() {
            match output {
                caller::Output::Send(bytes) => sent.push(String::from_utf8(bytes).unwrap()),
                caller::Output::Done(answer) => break 'call answer,
            }
        }
        caller.handle_bytes(b"login: \r\nPassword: \r\nRINGUP 1 *QZMA\r\n", at);
        at = caller.deadline().unwrap().0;
        caller.handle_timeout(at);
    };
    assert_eq!((answer, at - now), (Answer::Silent, Duration::from_secs(30)));
    assert!(sent.iter().all(|line| line == "RINGUP 1 *QZMA\r\n"), "{sent:?}");
    assert_eq!(caller.deadline(), None);
}

proptest! {
    /// As many as every third line is garbled: it takes longer, and comes to the same.
    #[test]
    fn noise_is_asked_for_again_and_not_fatal(noise in vec(any::<bool>(), 60..61)) {
        let (identity, key) = client();
        let mut call = Call::new(&[("laptop", key)]);
        let mut caller = Caller::new(identity, home(), call.now);
        let mut noise = noise.into_iter();
        let mut line = 0;
        let answer = converse(&mut call, &mut caller, || {
            line += 1;
            line % 3 == 0 && noise.next() == Some(true)
        });
        prop_assert_eq!(answer, Answer::Told(WAKING));
        prop_assert_eq!(call.admitted.len(), 1);
    }

    /// However much is garbled, both come to an end, and nobody is let in who has not proven it.
    #[test]
    fn both_sides_come_to_an_end(noise: Vec<bool>, may: bool) {
        let (identity, key) = client();
        let keys = [("laptop", key)];
        let mut call = Call::new(if may { &keys } else { &[] });
        let mut caller = Caller::new(identity, home(), call.now);
        let mut noise = noise.into_iter().cycle();
        let began = call.now;
        let answer = converse(&mut call, &mut caller, || noise.next().unwrap_or(true));
        prop_assert!(call.now - began <= Duration::from_secs(60));
        prop_assert!(may || call.admitted.is_empty());
        if let Answer::Told(WAKING) = answer {
            prop_assert_eq!(call.admitted.len(), 1);
        }
    }

    /// Whatever comes, the host says nothing until it is something valid, and lets nobody in by chance.
    #[test]
    fn whatever_comes_nobody_is_let_in(chunks in vec(any::<Vec<u8>>(), 0..20)) {
        let mut call = Call::new(&[("laptop", client().1)]);
        for chunk in chunks {
            call.hear(&chunk);
        }
        prop_assert_eq!(&call.admitted, &[]);
        prop_assert_eq!(call.screen.as_str(), "");
    }
}
