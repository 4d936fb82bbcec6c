use std::net::Ipv4Addr;

use super::*;
use crate::identity::Finding;
use crate::scratch::Scratch;

fn identity() -> Arc<Identity> {
    Arc::new(Identity::generate().unwrap())
}

fn shell(script: &str, at: SocketAddr) -> Settings {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    Settings { command, far_end: FarEnd::new(at, std::num::NonZeroU16::MIN).unwrap(), to: at }
}

/// A port that nobody has.
fn free() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_tunnel_is_up_once_this_machine_meets_itself_at_its_far_end_and_nothing_is_left_of_it() {
    let folder = Scratch::new("tunnel-up");
    let pids = folder.path("pids");
    let at = free();
    let relay = format!("socat TCP-LISTEN:{},bind=127.0.0.1,reuseaddr,fork TCP:127.0.0.1:{PORT}", at.port());
    let script = format!("{relay} & echo $$ $! >{}; wait", pids.display());
    let mut tunnel = Tunnel::new(Some(shell(&script, at)), identity());
    assert_eq!(tunnel.next().await, Event::Opening);
    assert_eq!(tunnel.next().await, Event::Up);
    tunnel.close().await;
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        let folder = format!("/proc/{pid}/cmdline");
        // A child of the shell's is taken in by the system once it has ended.
        assert!(!std::fs::read(&folder).is_ok_and(|command| !command.is_empty()), "{pid} is there still");
    }
}

#[tokio::test]
async fn a_command_that_ends_is_started_again_and_what_it_said_last_is_told() {
    let script = "echo 'Connection to relay refused' >&2; exit 255";
    let mut tunnel = Tunnel::new(Some(shell(script, free())), identity());
    assert_eq!(tunnel.next().await, Event::Opening);
    let Event::Down { cause, again } = tunnel.next().await else { panic!("it is not down") };
    assert_eq!(cause, "its command ended with status 255: Connection to relay refused");
    assert!(again > Duration::from_secs(1), "{again:?}");
    assert!(matches!(tunnel.state, State::Due(at) if at > crate::clock::now()));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let settings = Settings { command: vec!["/no/such/ssh".to_owned()], ..shell("", free()) };
    let mut tunnel = Tunnel::new(Some(settings), identity());
    let Event::Down { cause, .. } = tunnel.next().await else { panic!("it is not down") };
    assert!(cause.contains("/no/such/ssh"), "{cause}");
}

#[tokio::test]
async fn a_stranger_at_the_far_end_is_not_taken_for_the_tunnel() {
    let stranger = Porch::open(identity(), free(), free()).unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, stranger.port()));
    let (ours, patience) = (identity().public_key(), Duration::from_secs(60));
    let unproven = identity::challenge(ours, &[], Some(at), patience).await.unwrap_err();
    assert!(matches!(unproven.foremost(), Some((_, Finding::Another(_)))), "{unproven:?}");
}
