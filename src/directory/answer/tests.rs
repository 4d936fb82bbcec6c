//! What the zone answers.

use domain::base::iana::{OptRcode, Rcode};
use domain::base::{Message, MessageBuilder, ParsedName};
use domain::rdata::AllRecordData;
use proptest::prelude::*;

use super::super::answer as reply;
use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::dns::message::{Reading, query, read};
use crate::dns::name;

type Parsed = Message<Vec<u8>>;

fn answer(query: &[u8], view: &View<'_>, now: u64, transport: Transport) -> Option<Vec<u8>> {
    let mut out = vec![7; 3];
    reply::answer(&Request::read(query)?, view, now, transport, 0, &mut out);
    Some(out)
}

fn ask(fixture: &Fixture, owner: &str, rtype: Rtype, now: u64) -> Parsed {
    let owner: domain::base::Name<Vec<u8>> = owner.parse().unwrap();
    let answer = answer(&query(5, &owner, rtype), &fixture.view(), now, Transport::Udp).unwrap();
    Message::from_octets(answer).unwrap()
}

fn answered(message: &Parsed) -> Vec<(u32, String)> {
    let records = message.answer().unwrap().into_records::<AllRecordData<_, ParsedName<_>>>();
    records.map(|record| record.unwrap()).map(|record| (record.ttl().as_secs(), record.data().to_string())).collect()
}

fn has_soa(message: &Parsed) -> bool {
    message.authority().unwrap().any(|record| record.unwrap().rtype() == Rtype::SOA)
}

#[test]
fn an_online_host_has_addresses_and_its_statement() {
    let mut fixture = Fixture::new();
    fixture.register(3, &["203.0.113.9", "2001:db8::9"]);
    let a = ask(&fixture, "home.dyn.test", Rtype::A, NOW);
    assert!(a.header().aa() && a.header().qr() && !a.header().ra());
    assert_eq!(answered(&a), [(60, "203.0.113.9".to_owned())]);
    assert_eq!(answered(&ask(&fixture, "home.dyn.test", Rtype::AAAA, NOW)), [(60, "2001:db8::9".to_owned())]);
    let text = ask(&fixture, "_ringup.home.dyn.test", Rtype::TXT, NOW);
    let expected = fixture.statement(3, &["203.0.113.9", "2001:db8::9"]);
    assert_eq!(read(text.as_slice(), &host("home.dyn.test")), Reading::Statement(Box::new(expected)));
}

#[test]
fn times_to_live_end_with_the_lease_and_so_do_addresses() {
    let mut fixture = Fixture::new();
    fixture.register(3, &["203.0.113.9"]);
    assert_eq!(answered(&ask(&fixture, "home.dyn.test", Rtype::A, NOW + 590))[0].0, 10);
    let expired = ask(&fixture, "home.dyn.test", Rtype::A, NOW + 600);
    assert_eq!((answered(&expired).len(), expired.header().rcode(), has_soa(&expired)), (0, Rcode::NOERROR, true));
    for (after, ttl) in [(0, 60), (590, 10), (598, 2), (600, 5), (9000, 5)] {
        let said = answered(&ask(&fixture, "_ringup.home.dyn.test", Rtype::TXT, NOW + after));
        assert_eq!(said.iter().map(|(ttl, _)| *ttl).collect::<Vec<_>>(), [ttl], "after {after} s");
    }
}

#[test]
fn every_server_that_is_named_in_the_zone_has_its_addresses_there() {
    use crate::directory::{Secondary, Settings};
    let mut fixture = Fixture::new();
    let listen = vec!["192.0.2.53:53".parse().unwrap()];
    let mut settings = Settings::new(listen, "unused".into(), host("dyn.test"), host("dyn.test"));
    let secondary = |name: &str, address: &str| Secondary {
        address: "192.0.2.54:53".parse().unwrap(),
        name: Some(host(name)),
        addresses: vec![address.parse().unwrap()],
        key: None,
    };
    settings.secondaries = vec![
        secondary("ns2.dyn.test", "192.0.2.54"),
        secondary("ns2.dyn.test", "2001:db8::54"),
        secondary("ns3.elsewhere.test", "192.0.2.55"),
    ];
    fixture.zone = crate::directory::zone::Zone::new(&settings).unwrap();
    for (owner, rtype, expected) in [
        ("dyn.test", Rtype::A, "192.0.2.53"),
        ("ns2.dyn.test", Rtype::A, "192.0.2.54"),
        ("ns2.dyn.test", Rtype::AAAA, "2001:db8::54"),
    ] {
        assert_eq!(answered(&ask(&fixture, owner, rtype, NOW)), [(3600, expected.to_owned())], "{owner}");
        assert!(fixture.zone.is_own(&host(owner)));
    }
    assert_eq!(answered(&ask(&fixture, "dyn.test", Rtype::NS, NOW)).len(), 3);
}

#[test]
fn a_sleeping_host_has_its_statement_only_and_not_for_long() {
    let mut fixture = Fixture::new();
    fixture.register(4, &[]);
    let a = ask(&fixture, "home.dyn.test", Rtype::A, NOW);
    assert_eq!((answered(&a).len(), a.header().rcode(), has_soa(&a)), (0, Rcode::NOERROR, true));
    assert_eq!(answered(&ask(&fixture, "_ringup.home.dyn.test", Rtype::TXT, NOW))[0].0, 5);
}

#[test]
fn names_exist_or_not_as_the_zone_says() {
    let fixture = Fixture::new();
    for (owner, rcode) in [
        ("dyn.test", Rcode::NOERROR),
        ("home.dyn.test", Rcode::NOERROR),
        ("_ringup.home.dyn.test", Rcode::NOERROR),
        ("site.dyn.test", Rcode::NOERROR),
        ("ns.dyn.test", Rcode::NOERROR),
        ("absent.dyn.test", Rcode::NXDOMAIN),
        ("_ringup.absent.dyn.test", Rcode::NXDOMAIN),
        ("_other.home.dyn.test", Rcode::NXDOMAIN),
        ("elsewhere.test", Rcode::REFUSED),
        ("xdyn.test", Rcode::REFUSED),
        ("test", Rcode::REFUSED),
    ] {
        let message = ask(&fixture, owner, Rtype::MX, NOW);
        assert_eq!(message.header().rcode(), rcode, "{owner}");
        assert_eq!(has_soa(&message), rcode != Rcode::REFUSED, "{owner}");
    }
}

#[test]
fn the_apex_has_its_authority_and_any_is_minimal() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9", "2001:db8::9"]);
    let soa = answered(&ask(&fixture, "dyn.test", Rtype::SOA, NOW));
    assert!(soa[0].1.contains("ns.dyn.test") && soa[0].1.contains(" 7 "), "{soa:?}");
    assert_eq!(answered(&ask(&fixture, "dyn.test", Rtype::NS, NOW)).len(), 1);
    assert_eq!(answered(&ask(&fixture, "home.dyn.test", Rtype::ANY, NOW)), [(60, "203.0.113.9".to_owned())]);
    assert_eq!(ask(&fixture, "dyn.test", Rtype::AXFR, NOW).header().rcode(), Rcode::REFUSED);
    let ixfr = answered(&ask(&fixture, "dyn.test", Rtype::IXFR, NOW));
    assert_eq!(ixfr, soa, "over UDP, what the zone's serial is");
}

#[test]
fn the_server_itself_has_its_addresses() {
    let fixture = Fixture::new();
    assert_eq!(answered(&ask(&fixture, "ns.dyn.test", Rtype::A, NOW)), [(3600, "192.0.2.53".to_owned())]);
    assert_eq!(answered(&ask(&fixture, "NS.dyn.test", Rtype::AAAA, NOW)), [(3600, "2001:db8::53".to_owned())]);
    let none = ask(&fixture, "ns.dyn.test", Rtype::TXT, NOW);
    assert_eq!((answered(&none).len(), none.header().rcode()), (0, Rcode::NOERROR));
}

#[test]
fn absences_may_be_remembered_for_as_long_as_the_soa_says() {
    let fixture = Fixture::new();
    let absent = ask(&fixture, "absent.dyn.test", Rtype::A, NOW);
    let soa = absent.authority().unwrap().next().unwrap().unwrap();
    assert_eq!((soa.ttl().as_secs(), soa.owner().to_string()), (5, "dyn.test".to_owned()));
    let soa = soa.into_record::<domain::rdata::Soa<ParsedName<_>>>().unwrap().unwrap();
    assert_eq!((soa.data().minimum().as_secs(), soa.data().serial().into_int()), (5, 7));
    assert_eq!(soa.data().rname().to_string(), "hostmaster.dyn.test");
}

#[test]
fn other_classes_types_and_operations_are_answered_for_what_they_are() {
    let fixture = Fixture::new();
    let code = |change: fn(&mut Vec<u8>)| {
        let mut request = query(5, &name::of_host(&host("home.dyn.test")), Rtype::A);
        change(&mut request);
        Message::from_octets(answer(&request, &fixture.view(), NOW, Transport::Udp).unwrap()).unwrap().header().rcode()
    };
    // The question's type is at 27, its class at 29.
    assert_eq!(code(|_| {}), Rcode::NOERROR);
    assert_eq!(code(|request| request[30] = 3), Rcode::REFUSED, "CHAOS");
    assert_eq!(code(|request| request[30] = 255), Rcode::REFUSED, "any class");
    assert_eq!(code(|request| request[28] = 99), Rcode::NOERROR, "a type that nobody has");
    assert_eq!(code(|request| request[28] = 253), Rcode::NOTIMP, "MAILB");
    assert_eq!(code(|request| request[28] = 41), Rcode::FORMERR, "OPT is no question");
    assert_eq!(code(|request| request[2] |= 4 << 3), Rcode::NOTIMP, "NOTIFY");
    assert_eq!(code(|request| request[5] = 0), Rcode::FORMERR, "no question");
    assert_eq!(code(|request| request[5] = 2), Rcode::FORMERR, "two questions");
    assert_eq!(code(|request| request[11] = 2), Rcode::FORMERR, "a record that is not there");
}

#[test]
fn a_host_that_cannot_sign_has_addresses_and_no_statement() {
    let mut fixture = Fixture::new();
    fixture.register_uncertified(1, &["203.0.113.9"]);
    assert_eq!(answered(&ask(&fixture, "home.dyn.test", Rtype::A, NOW)), [(60, "203.0.113.9".to_owned())]);
    let none = ask(&fixture, "_ringup.home.dyn.test", Rtype::TXT, NOW);
    assert_eq!((answered(&none).len(), none.header().rcode()), (0, Rcode::NOERROR));
}

#[test]
fn the_case_of_the_question_is_kept_in_question_and_owner() {
    let mut fixture = Fixture::new();
    fixture.register(1, &["203.0.113.9"]);
    let message = ask(&fixture, "hOmE.DyN.tEsT", Rtype::A, NOW);
    assert_eq!(message.sole_question().unwrap().qname().to_string(), "hOmE.DyN.tEsT");
    assert_eq!(message.answer().unwrap().next().unwrap().unwrap().owner().to_string(), "hOmE.DyN.tEsT");
}

#[test]
fn what_does_not_fit_a_datagram_is_cut_short_and_whole_over_tcp() {
    let mut fixture = Fixture::new();
    let addresses: Vec<String> = (0..8).map(|last| format!("2001:db8:1111:2222:3333:4444:5555:666{last}")).collect();
    fixture.register(1, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let owner = name::of_statement(&host("home.dyn.test"));
    let mut plain = MessageBuilder::new_vec().question();
    plain.push((&owner, Rtype::TXT)).unwrap();
    let plain = plain.finish();
    let short = answer(&plain, &fixture.view(), NOW, Transport::Udp).unwrap();
    assert!(short.len() <= 512 && Message::from_octets(&short).unwrap().header().tc());
    for (request, transport) in [(&plain, Transport::Tcp), (&query(5, &owner, Rtype::TXT), Transport::Udp)] {
        let whole = Message::from_octets(answer(request, &fixture.view(), NOW, transport).unwrap()).unwrap();
        assert_eq!((answered(&whole).len(), whole.header().tc()), (1, false));
    }
}

#[test]
fn edns_is_answered_in_kind_and_other_versions_are_refused() {
    let fixture = Fixture::new();
    let with = ask(&fixture, "home.dyn.test", Rtype::A, NOW);
    assert_eq!(with.opt().unwrap().udp_payload_size(), UDP_PAYLOAD);
    let mut builder = MessageBuilder::new_vec().question();
    builder.push((name::of_host(&host("home.dyn.test")), Rtype::A)).unwrap();
    let without = answer(&builder.clone().finish(), &fixture.view(), NOW, Transport::Udp).unwrap();
    assert!(Message::from_octets(without).unwrap().opt().is_none());
    let mut additional = builder.additional();
    additional
        .opt(|opt| {
            opt.set_version(1);
            Ok(())
        })
        .unwrap();
    let refused =
        Message::from_octets(answer(&additional.finish(), &fixture.view(), NOW, Transport::Udp).unwrap()).unwrap();
    assert_eq!(refused.opt_rcode(), OptRcode::BADVERS);
}

#[test]
fn answers_are_not_answered() {
    let fixture = Fixture::new();
    let answered = ask(&fixture, "home.dyn.test", Rtype::A, NOW);
    assert_eq!(answer(answered.as_slice(), &fixture.view(), NOW, Transport::Udp), None);
    assert_eq!(answer(b"short", &fixture.view(), NOW, Transport::Udp), None);
}

proptest! {
    #[test]
    fn no_message_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let fixture = Fixture::new();
        let _answer = answer(&bytes, &fixture.view(), NOW, Transport::Udp);
    }

    #[test]
    fn no_damaged_query_panics_or_gets_more_than_fits(at in 0usize..60, to: u8) {
        let mut fixture = Fixture::new();
        fixture.register(1, &["203.0.113.9"]);
        let mut bytes = query(5, &name::of_statement(&host("home.dyn.test")), Rtype::TXT);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        if let Some(answer) = answer(&bytes, &fixture.view(), NOW, Transport::Udp) {
            prop_assert!(answer.len() <= usize::from(UDP_PAYLOAD));
        }
    }
}
