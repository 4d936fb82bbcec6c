//! Our signatures against themselves and against an independent implementation.

use domain::base::MessageBuilder;
use domain::tsig as other;

use super::*;
use crate::dns::name;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_789_000_000;

fn key_of(secret: &[u8]) -> TsigKey {
    let secret = Secret::new(BASE64.encode(secret).into_bytes());
    TsigKey::new("Home.Key.", Algorithm::HmacSha256, &secret).unwrap()
}

fn their_key() -> other::Key {
    let name = "home.key.".parse().unwrap();
    other::Key::new(other::Algorithm::Sha256, SECRET, name, None, None).unwrap()
}

fn message() -> Vec<u8> {
    let mut question = MessageBuilder::new_vec().question();
    question.header_mut().set_id(0x1234);
    question.push((name::of_host(&"home.dyn.test".parse().unwrap()), Rtype::TXT)).unwrap();
    question.finish()
}

fn theirs(bytes: &[u8]) -> Message<Vec<u8>> {
    Message::from_octets(bytes.to_vec()).unwrap()
}

#[test]
fn a_signed_request_and_its_answer_are_accepted() {
    let key = key_of(SECRET);
    let keys = [key_of(b"another secret"), key.clone()];
    let mut request = message();
    let mac = sign_request(&mut request, &key, NOW);
    let taken = take_off(&request).unwrap().unwrap();
    assert_eq!(taken.message, message());
    assert!(matches!(check_request(&taken, &keys, NOW), Err(Rejected::BadSig)), "the first key of that name decides");
    assert_eq!(check_request(&taken, &keys[1..], NOW + 300).unwrap().name(), "home.key");
    let mut answer = message();
    sign_answer(&mut answer, &key, &mac, NOW);
    let taken = take_off(&answer).unwrap().unwrap();
    assert_eq!(check_answer(&taken, &key, &mac, NOW), Ok(()));
    assert_eq!(check_answer(&taken, &key, &Mac::new(vec![7; 32]), NOW), Err(AnswerFault::Forged));
}

#[test]
fn every_changed_byte_breaks_the_signature() {
    let key = key_of(SECRET);
    let mut request = message();
    let _mac = sign_request(&mut request, &key, NOW);
    let id_and_name_case = |index: usize| index < 2;
    for index in (0..request.len()).filter(|&index| !id_and_name_case(index)) {
        let mut changed = request.clone();
        changed[index] ^= 1;
        if let Ok(Some(taken)) = take_off(&changed) {
            assert!(check_request(&taken, std::slice::from_ref(&key), NOW).is_err(), "byte {index}");
        }
    }
}

#[test]
fn late_unknown_and_misplaced_signatures_are_told_apart() {
    let key = key_of(SECRET);
    let mut request = message();
    let mac = sign_request(&mut request, &key, NOW);
    let taken = take_off(&request).unwrap().unwrap();
    assert!(matches!(check_request(&taken, std::slice::from_ref(&key), NOW + 301), Err(Rejected::BadTime(_))));
    assert!(matches!(check_request(&taken, &[], NOW), Err(Rejected::BadKey)));
    let mut twice = request.clone();
    let _mac = sign_request(&mut twice, &key, NOW);
    assert_eq!(take_off(&twice), Err(Malformed));
    let trailing = [&request[..], &[0]].concat();
    assert_eq!(take_off(&trailing), Err(Malformed));
    let mut answer = message();
    sign_bad_time(&mut answer, &key, &taken.tsig, NOW + 5000);
    let answer = take_off(&answer).unwrap().unwrap();
    assert_eq!(check_answer(&answer, &key, &mac, NOW), Err(AnswerFault::ServerBadTime { server: NOW + 5000 }));
    for (error, fault) in [(Error::BadSig, AnswerFault::ServerBadSig), (Error::BadKey, AnswerFault::ServerBadKey)] {
        let mut answer = message();
        append_unsigned(&mut answer, &taken.tsig, error);
        assert_eq!(check_answer(&take_off(&answer).unwrap().unwrap(), &key, &mac, NOW), Err(fault));
    }
}

#[test]
fn another_implementation_accepts_our_requests_and_we_its_answers() {
    let key = key_of(SECRET);
    let mut request = message();
    let mac = sign_request(&mut request, &key, NOW);
    let now = domain::rdata::tsig::Time48::from_u64(NOW);
    let mut received = theirs(&request);
    let transaction = other::ServerTransaction::request(&their_key(), &mut received, now).unwrap().unwrap();
    let mut answer =
        MessageBuilder::new_vec().start_answer(&received, domain::base::iana::Rcode::NOERROR).unwrap().additional();
    transaction.answer(&mut answer, now).unwrap();
    let taken = take_off(&answer.finish()).unwrap().unwrap();
    assert_eq!(check_answer(&taken, &key, &mac, NOW), Ok(()));
}

#[test]
fn we_accept_another_implementations_requests_and_it_our_answers() {
    let key = key_of(SECRET);
    let now = domain::rdata::tsig::Time48::from_u64(NOW);
    let mut request = MessageBuilder::new_vec().question();
    request.push((name::of_host(&"home.dyn.test".parse().unwrap()), Rtype::TXT)).unwrap();
    let mut request = request.additional();
    let transaction = other::ClientTransaction::request(their_key(), &mut request, now).unwrap();
    let taken = take_off(&request.finish()).unwrap().unwrap();
    assert!(check_request(&taken, std::slice::from_ref(&key), NOW).is_ok());
    let mut answer = taken.message.clone();
    sign_answer(&mut answer, &key, taken.tsig.mac(), NOW);
    assert!(transaction.answer(&mut theirs(&answer), now).is_ok());
}

#[test]
fn a_key_needs_a_name_and_a_base64_secret_and_does_not_print_it() {
    let make = |name: &str, secret: &str| TsigKey::new(name, Algorithm::HmacSha512, &Secret::new(secret.into()));
    assert!(matches!(make("a..b", "AAAA"), Err(KeyError::Name(_))));
    assert!(matches!(make("a b", "AAAA"), Err(KeyError::Name(_))));
    assert!(matches!(make("key", ""), Err(KeyError::Name(_))));
    assert!(matches!(make("key", "not base64!"), Err(KeyError::Secret { .. })));
    assert_eq!(format!("{:?}", make("Key_1", "AAAA").unwrap()), "TsigKey(key_1 hmac-sha512 …)");
    assert_eq!("HMAC-SHA384".parse(), Ok(Algorithm::HmacSha384));
    assert!("hmac-md5.sig-alg.reg.int".parse::<Algorithm>().is_err());
}

#[test]
fn nobody_may_sign_for_longer_than_five_minutes() {
    let key = key_of(SECRET);
    let mut request = message();
    let _mac = sign(&mut request, &key, None, &Moment { fudge: u16::MAX, ..Moment::at(NOW) });
    let taken = take_off(&request).unwrap().unwrap();
    assert!(check_request(&taken, std::slice::from_ref(&key), NOW + 300).is_ok());
    assert!(matches!(check_request(&taken, std::slice::from_ref(&key), NOW + 301), Err(Rejected::BadTime(_))));
}

#[test]
fn a_code_cut_short_is_told_from_a_wrong_one_and_from_none() {
    let key = key_of(SECRET);
    let mut request = message();
    let _mac = sign_request(&mut request, &key, NOW);
    let whole = take_off(&request).unwrap().unwrap();
    let checked = |length: usize, first: u8| {
        let mut cut = whole.clone();
        cut.tsig.mac.0.resize(length, 0);
        if let Some(byte) = cut.tsig.mac.0.first_mut() {
            *byte ^= first;
        }
        check_request(&cut, std::slice::from_ref(&key), NOW).map(|_| ()).map_err(|rejected| format!("{rejected:?}"))
    };
    let rejected = |length, first, expected: &str| {
        let said = checked(length, first).unwrap_err();
        assert!(said.starts_with(expected), "{length} octets: {said}");
    };
    assert_eq!(checked(32, 0), Ok(()));
    rejected(16, 0, "BadTrunc");
    rejected(31, 0, "BadTrunc");
    rejected(16, 1, "BadSig");
    rejected(15, 0, "Malformed");
    rejected(0, 0, "Malformed");
    rejected(33, 0, "Malformed");

    let mut cut = whole.tsig.clone();
    cut.mac.0.truncate(16);
    let mut answer = message();
    sign_bad_trunc(&mut answer, &key, &cut, NOW);
    let answer = take_off(&answer).unwrap().unwrap();
    assert!(answer.tsig.error == 22 && mac_fits(&answer, &key, Some(&cut.mac)), "{answer:?}");
}
