//! A directory that fails on the way, and one of two that lags behind the other.

use ringup::exit::Status;
use ringup::record::SignedRecord;
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
    world.host.register(&SignedRecord::sign(world.host.record(1, place), &world.host.identity)).await;
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

/// The host's record at an address where it is no more: nobody is there.
async fn gone(world: &World) -> SignedRecord {
    let place = UdpSocket::bind("127.0.0.3:0").await.unwrap().local_addr().unwrap();
    SignedRecord::sign(world.host.record(1, place), &world.host.identity)
}

#[tokio::test]
async fn a_server_that_lags_and_calls_the_host_online_is_not_believed_while_another_knows_better() {
    let mut world = World::without_telephone(NO_NUMBER).await;
    let (_another, lagging) = world.another_directory().await;
    let here = world.directory_at();
    world.client_of_all(&[lagging, here], NO_NUMBER);
    let (old, new) = (gone(&world).await, world.host.online(2));
    world.host.register_at(lagging, &old).await;
    world.host.register(&old).await;

    // Where the other knows nothing newer it is as with one server.
    let words = "127.0.0.3 is not home.dyn.example, as seen from here (record 1): a machine is there";
    let ended = world.fails(Status::Impostor, words, "many networks have that address").await;
    assert_eq!(ended.steps(), ["asking", "unreachable", "proving", "asking-all", "failed"]);

    world.host.register(&new).await;
    let ended = world.connect(&[]).end().await;
    ended.found();
    assert_eq!(ended.output, format!("{}\n", world.host.place.ip()));
    assert_eq!(ended.events.last().unwrap()["seq"], 2, "{ended:?}");
    let steps = ["asking", "unreachable", "proving", "asking-all", "unreachable", "proving", "online"];
    assert_eq!(ended.steps(), steps);

    // query tells of the newest in the first place; and so it does without the one that lags.
    for _server in 0..2 {
        let said = world.client(&["query", "home", "--json"]).end().await;
        let json: serde_json::Value = serde_json::from_str(&said.output).unwrap();
        assert_eq!((said.status, &json["seq"]), (Some(0), &2.into()), "{said:?}");
        world.client_of_all(&["127.0.0.3:9".parse().unwrap(), here], NO_NUMBER);
    }
}

#[tokio::test]
async fn a_host_that_proves_itself_by_the_first_record_is_not_looked_up_again() {
    let world = World::without_telephone(NO_NUMBER).await;
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of_all(&[world.directory_at(), other.local_addr().unwrap()], NO_NUMBER);
    world.host.register(&world.host.online(1)).await;
    let ended = world.connect(&[]).end().await;
    ended.found();
    assert_eq!(ended.steps(), ["asking", "unreachable", "proving", "online"]);
}
