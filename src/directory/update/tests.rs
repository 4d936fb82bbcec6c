//! What comes of updates on the wire.

use domain::base::iana::{Opcode, Rcode};
use domain::base::{MessageBuilder, Name, UnknownRecordData};
use proptest::prelude::*;

use super::*;
use crate::directory::book::decide;
use crate::directory::fixture::{Fixture, NOW, host, key};
use crate::dns::message;
use crate::dns::tsig::AnswerFault;

fn signed(mut request: Vec<u8>, now: u64) -> (Vec<u8>, tsig::Mac) {
    let mac = tsig::sign_request(&mut request, &key(), now);
    (request, mac)
}

fn registration(fixture: &Fixture, seq: u64) -> Vec<u8> {
    message::update(3, &host("dyn.test"), &fixture.statement(seq, &["203.0.113.9"]))
}

fn rcode(answer: &[u8]) -> Rcode {
    Message::from_octets(answer).unwrap().header().rcode()
}

fn receive(bytes: &[u8], zone: &Zone, now: u64) -> Received {
    super::receive(&Request::read(bytes).unwrap(), zone, now)
}

fn answered(received: Received) -> Vec<u8> {
    match received {
        Received::Answer(answer) => answer,
        Received::Unauthenticated(failed) => failed.answer,
        Received::Change(_) => panic!("{received:?}"),
    }
}

fn pending(received: Received) -> Box<Pending> {
    let Received::Change(pending) = received else { panic!("{received:?}") };
    pending
}

/// Builds an update of `dyn.test` by hand: prerequisites, then updates.
fn by_hand(
    prerequisites: &[(&str, Class, u32, Rtype, &[u8])],
    updates: &[(&str, Class, u32, Rtype, &[u8])],
) -> Vec<u8> {
    let owner = |text: &str| -> Name<Vec<u8>> { text.parse().unwrap() };
    let data = |rtype, bytes| UnknownRecordData::from_octets(rtype, bytes).unwrap();
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_opcode(Opcode::UPDATE);
    let mut zone = builder.question();
    zone.push((owner("dyn.test"), Rtype::SOA)).unwrap();
    let mut section = zone.answer();
    for (name, class, ttl, rtype, bytes) in prerequisites {
        section.push((owner(name), *class, *ttl, data(*rtype, *bytes))).unwrap();
    }
    let mut section = section.authority();
    for (name, class, ttl, rtype, bytes) in updates {
        section.push((owner(name), *class, *ttl, data(*rtype, *bytes))).unwrap();
    }
    section.finish()
}

#[test]
fn a_registration_becomes_a_change_and_its_answer_is_signed() {
    let fixture = Fixture::new();
    let (request, mac) = signed(registration(&fixture, 1), NOW);
    let pending = pending(receive(&request, &fixture.zone, NOW + 2));
    let entry = decide(&fixture.view(), &pending.change, NOW).unwrap().remove(0);
    assert_eq!(entry.statement.signed(), Some(&fixture.statement(1, &["203.0.113.9"])));
    let answer = pending.asker.answer(&Outcome::Done, NOW + 2);
    let taken = tsig::take_off(&answer).unwrap().unwrap();
    assert_eq!(tsig::check_answer(&taken, &key(), &mac, NOW), Ok(()));
    assert_eq!(rcode(&answer), Rcode::NOERROR);
    assert_eq!(rcode(&pending.asker.answer(&Outcome::Failed, NOW)), Rcode::SERVFAIL);
}

#[test]
fn the_unsigned_get_a_short_refusal() {
    let fixture = Fixture::new();
    let request = registration(&fixture, 1);
    let answer = answered(receive(&request, &fixture.zone, NOW));
    assert_eq!(rcode(&answer), Rcode::REFUSED);
    assert!(answer.len() < request.len());
}

#[test]
fn a_bad_signature_is_answered_as_the_standard_says() {
    let fixture = Fixture::new();
    let (mut request, mac) = signed(registration(&fixture, 1), NOW);
    let fault = |answer: &[u8], mac| {
        assert_eq!(rcode(answer), Rcode::NOTAUTH);
        tsig::check_answer(&tsig::take_off(answer).unwrap().unwrap(), &key(), mac, NOW)
    };
    let late = answered(receive(&request, &fixture.zone, NOW + 1000));
    assert_eq!(fault(&late, &mac), Err(AnswerFault::ServerBadTime { server: NOW + 1000 }));
    request[60] ^= 1;
    let forged = answered(receive(&request, &fixture.zone, NOW));
    assert_eq!(fault(&forged, &mac), Err(AnswerFault::ServerBadSig));
    assert_eq!(forged.windows(2).filter(|pair| *pair == [0, 16]).count(), 1, "BADSIG is 16 on the wire");
    let mut unknown = registration(&fixture, 1);
    let secret = crate::secret::Secret::new(b"AAAA".to_vec());
    let stranger = TsigKey::new("stranger", tsig::Algorithm::HmacSha256, &secret).unwrap();
    let mac = tsig::sign_request(&mut unknown, &stranger, NOW);
    let answer = answered(receive(&unknown, &fixture.zone, NOW));
    assert_eq!(fault(&answer, &mac), Err(AnswerFault::ServerBadKey));
}

#[test]
fn a_replay_is_told_the_time_that_its_key_may_sign_with() {
    let fixture = Fixture::new();
    let (request, mac) = signed(registration(&fixture, 1), NOW);
    let pending = pending(receive(&request, &fixture.zone, NOW));
    let answer = pending.asker.answer(&Outcome::Refused(Refusal::Replayed { last: NOW + 99 }), NOW);
    let taken = tsig::take_off(&answer).unwrap().unwrap();
    assert_eq!(tsig::check_answer(&taken, &key(), &mac, NOW), Err(AnswerFault::ServerBadTime { server: NOW + 99 }));
}

#[test]
fn the_zone_section_names_our_zone() {
    let fixture = Fixture::new();
    let elsewhere = message::update(3, &host("other.test"), &fixture.statement(1, &["203.0.113.9"]));
    let answer = answered(receive(&signed(elsewhere, NOW).0, &fixture.zone, NOW));
    assert_eq!(rcode(&answer), Rcode::NOTAUTH);
    let mut wrong_type = MessageBuilder::new_vec();
    wrong_type.header_mut().set_opcode(Opcode::UPDATE);
    let mut wrong_type = wrong_type.question();
    wrong_type.push((name::of_host(&host("dyn.test")), Rtype::A)).unwrap();
    let answer = answered(receive(&signed(wrong_type.finish(), NOW).0, &fixture.zone, NOW));
    assert_eq!(rcode(&answer), Rcode::FORMERR);
}

#[test]
fn sections_are_scanned_as_the_standard_says() {
    let fixture = Fixture::new();
    let home = "home.dyn.test";
    let address: &[u8] = &[203, 0, 113, 9];
    let decided = |request: Vec<u8>| {
        let pending = pending(receive(&signed(request, NOW).0, &fixture.zone, NOW));
        let outcome = decide(&fixture.view(), &pending.change, NOW);
        outcome.map(|_| ()).map_err(|refusal| rcode(&pending.asker.answer(&Outcome::Refused(refusal), NOW)))
    };
    for (update, expected) in [
        ((home, Class::IN, 60, Rtype::A, address), Rcode::REFUSED),
        ((home, Class::IN, 60, Rtype::A, &address[..3]), Rcode::FORMERR),
        ((home, Class::IN, 60, Rtype::ANY, address), Rcode::FORMERR),
        ((home, Class::ANY, 60, Rtype::A, &[][..]), Rcode::FORMERR),
        ((home, Class::ANY, 0, Rtype::A, address), Rcode::FORMERR),
        ((home, Class::NONE, 0, Rtype::ANY, &[][..]), Rcode::FORMERR),
        ((home, Class::CH, 0, Rtype::A, address), Rcode::FORMERR),
        ((home, Class::IN, 60, Rtype::MX, b"\0\x01\0"), Rcode::REFUSED),
        (("elsewhere.test", Class::IN, 60, Rtype::A, address), Rcode::NOTZONE),
    ] {
        assert_eq!(decided(by_hand(&[], &[update])), Err(expected), "{update:?}");
    }
    for (prerequisite, expected) in [
        ((home, Class::ANY, 0, Rtype::ANY, &[][..]), Err(Rcode::NXDOMAIN)),
        ((home, Class::NONE, 0, Rtype::ANY, &[][..]), Ok(())),
        ((home, Class::ANY, 0, Rtype::A, &[][..]), Err(Rcode::NXRRSET)),
        (("dyn.test", Class::NONE, 0, Rtype::SOA, &[][..]), Err(Rcode::YXRRSET)),
        (("dyn.test", Class::NONE, 0, Rtype::ANY, &[][..]), Err(Rcode::YXDOMAIN)),
        (("DYN.test", Class::IN, 0, Rtype::NS, b"\x02NS\x03dyn\x04test\0"), Ok(())),
        ((home, Class::IN, 0, Rtype::A, address), Err(Rcode::NXRRSET)),
        ((home, Class::IN, 60, Rtype::A, address), Err(Rcode::FORMERR)),
        ((home, Class::ANY, 0, Rtype::A, address), Err(Rcode::FORMERR)),
        ((home, Class::CH, 0, Rtype::A, address), Err(Rcode::FORMERR)),
        (("elsewhere.test", Class::ANY, 0, Rtype::ANY, &[][..]), Err(Rcode::NOTZONE)),
    ] {
        assert_eq!(decided(by_hand(&[prerequisite], &[])), expected, "{prerequisite:?}");
    }
    let (outside, foreign) = ("elsewhere.test", "other.dyn.test");
    let add = |name| (name, Class::IN, 60, Rtype::A, address);
    let bad = (home, Class::IN, 60, Rtype::A, &address[..3]);
    for (updates, expected) in [
        (&[add(outside), add(foreign)][..], Rcode::REFUSED),
        (&[bad, add(foreign)], Rcode::REFUSED),
        (&[add(home), add(outside), bad], Rcode::NOTZONE),
        (&[add(home), bad, add(outside)], Rcode::FORMERR),
    ] {
        assert_eq!(decided(by_hand(&[], updates)), Err(expected), "who may first, then what: {updates:?}");
    }
    let missing = (home, Class::ANY, 0, Rtype::A, &[][..]);
    let other = (home, Class::IN, 0, Rtype::A, address);
    let malformed = (home, Class::ANY, 0, Rtype::A, address);
    for (prerequisites, expected) in [
        (&[missing, malformed][..], Rcode::NXRRSET),
        (&[malformed, missing], Rcode::FORMERR),
        (&[other, malformed], Rcode::FORMERR),
        (&[other, (home, Class::ANY, 0, Rtype::ANY, &[][..])], Rcode::NXDOMAIN),
    ] {
        assert_eq!(decided(by_hand(prerequisites, &[])), Err(expected), "in their order: {prerequisites:?}");
    }
    for nothing in [
        (home, Class::ANY, 0, Rtype::MX, &[][..]),
        (home, Class::ANY, 0, Rtype::TXT, &[][..]),
        (home, Class::NONE, 0, Rtype::TXT, b"\x01x"),
        ("_ringup.home.dyn.test", Class::ANY, 0, Rtype::A, &[][..]),
    ] {
        assert_eq!(decided(by_hand(&[], &[nothing])), Ok(()), "{nothing:?}");
        let (_, class, ttl, rtype, data) = nothing;
        assert_eq!(decided(by_hand(&[], &[(foreign, class, ttl, rtype, data)])), Err(Rcode::REFUSED), "{nothing:?}");
    }
    let two = [(home, Class::ANY, 0, Rtype::A, &[][..]), ("deep.site.dyn.test", Class::ANY, 0, Rtype::A, &[][..])];
    assert_eq!(decided(by_hand(&[], &two)), Err(Rcode::REFUSED), "neither has a statement");
}

proptest! {
    #[test]
    fn no_damaged_update_panics(at in 0usize..500, to: u8, resign: bool) {
        let fixture = Fixture::new();
        let mut request = registration(&fixture, 1);
        if !resign {
            request = signed(request, NOW).0;
        }
        if let Some(byte) = request.get_mut(at) {
            *byte = to;
        }
        if resign {
            request = signed(request, NOW).0;
        }
        let Some(request) = Request::read(&request) else { return Ok(()) };
        if let Received::Change(pending) = super::receive(&request, &fixture.zone, NOW) {
            let outcome = decide(&fixture.view(), &pending.change, NOW).map_or_else(Outcome::Refused, |_| Outcome::Done);
            let _answer = pending.asker.answer(&outcome, NOW);
        }
    }

    #[test]
    fn no_message_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let fixture = Fixture::new();
        for bytes in [bytes.clone(), signed(bytes, NOW).0] {
            let _received = Request::read(&bytes).map(|request| super::receive(&request, &fixture.zone, NOW));
        }
    }
}
