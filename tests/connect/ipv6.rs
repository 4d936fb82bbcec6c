//! A host that has IPv6 as well as IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use ringup::identity::Prover;
use ringup::record::{Record, Seq, Services, SignedRecord};

use crate::world::{HOST, NO_NUMBER, World};

#[tokio::test]
async fn ipv6_comes_first_and_ipv4_does_as_well_where_nobody_answers_there() {
    let world = World::without_telephone(NO_NUMBER).await;
    let port = world.host.place.port();
    let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let services = Services { proof_port: NonZeroU16::new(port).unwrap(), ..Services::default() };
    let now = ringup::clock::unix_seconds();
    let record = Record::online(HOST.parse().unwrap(), vec![v4, v6], Seq::FIRST, now, 600).unwrap();
    world.host.register(&SignedRecord::sign(record.with_services(services), &world.host.identity)).await;

    // The other one of its family proves itself at the same port.
    let mut prover = Prover::new(Arc::clone(&world.host.identity), port);
    assert_eq!(prover.stand_at(&[v6]), [(v6, port).into()]);
    let ended = world.connect(&["echo", "http://{}/", "{}"]).end().await;
    assert_eq!((ended.status, ended.output.as_str()), (Some(0), "http://[::1]/ ::1\n"), "{ended:?}");
    drop(prover);
    let ended = world.connect(&["echo", "http://{}/", "{}"]).end().await;
    assert_eq!((ended.status, ended.output.as_str()), (Some(0), "http://127.0.0.1/ 127.0.0.1\n"), "{ended:?}");
}
