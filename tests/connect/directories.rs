//! A directory that fails on the way.

use ringup::exit::Status;
use tokio::net::UdpSocket;

use crate::world::{NO_NUMBER, RUNG, World};

#[tokio::test]
async fn a_directory_that_is_not_there_is_named_before_anybody_is_rung() {
    let mut world = World::new(RUNG, "", "").await;
    world.stop_directory().await;
    world.fails(Status::DirectoryUnreachable, "the directory at 127.0.0.1:", "check directory-servers").await;
    assert_eq!(world.calls_to("5550102"), 0);
}

#[tokio::test]
async fn a_directory_that_fails_after_the_ring_and_comes_back_in_time_costs_only_time() {
    let mut world = World::new(&RUNG.replace("wait = \"5s\"", "wait = \"90s\""), "", "").await;
    let mut client = world.connect(&[]);
    client.until("ringing").await;
    world.stop_directory().await;
    client.until("call-over").await;
    world.start_directory().await;
    world.host.register(&world.host.online(1)).await;
    let ended = client.end().await;
    ended.found();
    world.leaves_nothing().await;
}

#[tokio::test]
async fn a_directory_that_fails_after_the_ring_and_stays_away_is_named_in_place_of_the_host() {
    let mut world = World::new(RUNG, "", "").await;
    let mut client = world.connect(&[]);
    client.until("ringing").await;
    world.stop_directory().await;
    client.end().await.failed(Status::DirectoryUnreachable, "the directory at 127.0.0.1:", "check directory-servers");
    world.leaves_nothing().await;
}

#[tokio::test]
async fn a_directory_that_fails_before_the_host_proves_itself_is_not_missed() {
    let mut world = World::without_telephone(NO_NUMBER).await;
    // The host proves nothing until the directory is gone.
    let door = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let place = door.local_addr().unwrap();
    world.host.register(&ringup::record::SignedRecord::sign(world.host.record(1, place), &world.host.identity)).await;
    let client = world.connect(&[]);
    let mut datagram = [0; 300];
    let (length, from) = door.recv_from(&mut datagram).await.unwrap();
    world.stop_directory().await;
    let nonce = ringup::identity::wire::read_challenge(&datagram[..length]).unwrap();
    let proof = ringup::identity::wire::Proof::sign(&world.host.identity, nonce, place, from);
    door.send_to(&proof, from).await.unwrap();
    let ended = client.end().await;
    ended.found();
    assert_eq!(ended.output, "127.0.0.2\n");
}
