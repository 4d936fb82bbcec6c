//! `ringup proxy`, as ssh uses it.

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::BOUND;
use crate::world::{NO_NUMBER, World};

#[tokio::test]
async fn bytes_pass_both_ways_whoever_speaks_first_and_the_end_of_either_side_is_passed_on() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = world.proxy(service.local_addr().unwrap().port());
    let (mut stream, _from) = timeout(BOUND, service.accept()).await.unwrap().unwrap();
    stream.write_all(b"who is there?\n").await.unwrap();
    assert_eq!(client.says().await, "who is there?");
    client.types("it is me\n").await;
    let mut heard = [0; 9];
    timeout(BOUND, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"it is me\n");
    stream.write_all(b"well\n").await.unwrap();
    assert_eq!(client.says().await, "well");
    client.hangs_up();
    assert_eq!(timeout(BOUND, stream.read(&mut heard)).await.unwrap().unwrap(), 0);
    stream.write_all(b"goodbye").await.unwrap();
    drop(stream);
    let ended = client.end().await;
    assert_eq!((ended.status, ended.output.as_str(), ended.words.as_str()), (Some(0), "goodbye", ""));
}

#[tokio::test]
async fn the_hang_up_that_ssh_sends_when_it_is_through_is_nothing_to_complain_of() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = world.proxy(service.local_addr().unwrap().port());
    let (mut stream, _from) = timeout(BOUND, service.accept()).await.unwrap().unwrap();
    client.signal(Signal::SIGHUP);
    let ended = client.end().await;
    assert_eq!((ended.status, ended.output.as_str(), ended.words.as_str()), (Some(130), "", ""));
    assert_eq!(timeout(BOUND, stream.read(&mut [0; 9])).await.unwrap().unwrap_or(0), 0);
}
