//! What holds whatever a modem, a clock and an owner do.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::Talk;
use crate::modem::answers::LINES_KEPT;
use crate::modem::{Carrier, Kind, OUTPUT_LIMIT, Request, Settings};
use crate::profile::Catalogue;

/// What modems say, in pieces, with the ends of lines torn.
fn chatter() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "\r\nOK\r\n",
            "\r\nCONNECT 33600\r\n",
            "CONNECT\r",
            "RING\r\n",
            "\r\nNO CARRIER\r\n",
            "NMBR = 1\r\n",
            "NAME=X\r\n",
            "+CLIP: \"1\",145\r\n",
            "BUSY\r",
            "ERROR\n",
            "0\r",
            "1\r",
            "2\r",
            "VOICE\r\n",
            "5551212\r\n",
            "RINGING\r\n",
            "80050203313233\r\n",
            "AT\r",
            "\x10R\r",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn requests() -> impl Strategy<Value = Option<Request>> {
    proptest::option::of(proptest::sample::select(vec![
        Request::Initialise,
        Request::Dial("5551212".parse().unwrap()),
        Request::Dial("5551212;".parse().unwrap()),
        Request::Answer,
        Request::HangUp,
        Request::Probe,
        Request::Identify,
        Request::Ask("+VCID?".parse().unwrap()),
        Request::ListCalls,
    ]))
}

fn carriers() -> impl Strategy<Value = Carrier> {
    proptest::sample::select(vec![Carrier::Present, Carrier::Absent, Carrier::Unknown])
}

/// Kinds with lists, checks and things to mend, and one that is to be found out.
fn kinds() -> impl Strategy<Value = Kind> {
    let known = |id: &str| Kind::Known(Catalogue::built_in().find(id).unwrap());
    let unknown = Kind::FindOut { catalogue: Arc::new(Catalogue::built_in()), usb: None };
    proptest::sample::select(vec![unknown, known("default"), known("conexant"), known("gsm"), known("elsa-isdn")])
}

/// Feeds bytes in these pieces; returns all that was wanted, and the bytes left over as data.
fn feed(request: Option<&Request>, bytes: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut talk = Talk::new();
    if let Some(request) = request {
        talk.modem.request(request.clone(), talk.now).unwrap();
    }
    let (mut wanted, mut left, mut taken) = (talk.drain(), Vec::new(), 0);
    for cut in cuts.iter().map(|cut| (*cut).min(bytes.len())).chain([bytes.len()]) {
        while taken < cut {
            let count = talk.modem.handle_bytes(&bytes[taken..cut], talk.now);
            wanted.extend(talk.drain());
            taken += count;
            if count == 0 {
                left.extend(&bytes[taken..cut]);
                taken = cut;
            }
        }
    }
    (wanted, left)
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_means_the_same(
        request in requests(), bytes in chatter(), mut cuts in proptest::collection::vec(0_usize..300, 0..20),
    ) {
        cuts.sort_unstable();
        let every: Vec<usize> = (0..bytes.len()).collect();
        let whole = feed(request.as_ref(), &bytes, &[]);
        prop_assert_eq!(&whole, &feed(request.as_ref(), &bytes, &cuts));
        prop_assert_eq!(&whole, &feed(request.as_ref(), &bytes, &every));
    }

    #[test]
    fn whatever_happens_every_request_comes_to_an_end(
        kind in kinds(),
        steps in proptest::collection::vec((requests(), chatter(), 0_u64..5000, carriers()), 0..12),
        last in requests(),
    ) {
        let mut talk = Talk::with(Settings { flow_control: true, ..Settings::for_kind(kind) });
        talk.modem = talk.modem.at_rate(9600);
        for (request, bytes, wait, carrier) in steps {
            if let Some(request) = request {
                let _occupied = talk.modem.request(request, talk.now);
                talk.drain();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let count = talk.modem.handle_bytes(rest, talk.now);
                prop_assert!(talk.modem.outputs.len() <= OUTPUT_LIMIT + 8);
                talk.drain();
                if count == 0 {
                    prop_assert!(talk.modem.in_data());
                    break;
                }
                rest = &rest[count..];
            }
            talk.modem.handle_carrier(carrier, talk.now);
            talk.drain();
            talk.now += Duration::from_millis(wait);
            talk.modem.handle_timeout(talk.now);
            let sent: usize = talk.drain().iter().map(String::len).sum();
            prop_assert!(sent < (LINES_KEPT + 64) * 600, "{sent}");
            let resting = talk.modem.is_idle() || talk.modem.in_data();
            prop_assert!(resting || talk.modem.deadline().is_some(), "nothing to wait for");
        }
        if let Some(request) = last {
            let _occupied = talk.modem.request(request, talk.now);
        }
        let mut last = talk.drain();
        let occupied = talk.modem.request(Request::HangUp, talk.now).is_err();
        prop_assert!(!occupied);
        last.extend(talk.drain());
        let mut waits = 0;
        while talk.modem.deadline().is_some() {
            last.extend(talk.wait(""));
            waits += 1;
            prop_assert!(waits < 60, "still waiting for {:?}", talk.modem.deadline());
        }
        prop_assert!(talk.modem.is_idle() && !talk.modem.in_data());
        let ended = last.iter().any(|event| event == "HungUp" || event == "Silent" || event.starts_with("Ended("));
        prop_assert!(ended, "{:?}", last);
    }
}
