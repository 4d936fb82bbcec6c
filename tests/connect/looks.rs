//! How steps look on a terminal: of what kind and however wide it is.

use ringup::exit::Status;
use tokio::net::UdpSocket;

use crate::keyboard::{CONNECT, Terminal};
use crate::world::{NO_NUMBER, World};

/// What the spinner is coloured with (ECMA-48 8.3.117).
const CYAN: &str = "\x1b[36m";

#[tokio::test]
async fn a_terminal_that_cannot_move_its_cursor_gets_a_line_a_step() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let mut terminal = Terminal::open(&world).await;
    terminal.types(&format!("TERM=dumb {CONNECT}\n")).await;
    terminal.shows("connect home\r\n").await;
    let shown = terminal.shows("127.0.0.1\r\nready> ").await;
    assert!(!shown.contains('\x1b'), "{shown:?}");
    for step in ["asking the directory for home.dyn.example", "home.dyn.example is online at 127.0.0.1 (record 1)"] {
        assert!(shown.contains(&format!(" s   {step}\r\n")), "{shown:?}");
    }
}

#[tokio::test]
async fn colours_are_left_off_where_they_are_not_wanted() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    for (variable, is_coloured) in [("", true), ("NO_COLOR=1 ", false)] {
        let mut terminal = Terminal::open(&world).await;
        terminal.types(&format!("{variable}{CONNECT}\n")).await;
        let mut shown = terminal.shows("asking the directory").await;
        shown += &terminal.shows("asking the directory").await;
        assert_eq!(shown.contains(CYAN), is_coloured, "{shown:?}");
        terminal.types("\x03").await;
        assert_eq!(terminal.status().await, "130");
    }
}

#[tokio::test]
async fn a_new_key_is_shown_whole_at_the_usual_width() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let key = world.host.identity.public_key();
    let config = std::fs::read_to_string(world.folder.path("client.toml")).unwrap();
    world.folder.write("client.toml", &config.replace(&format!("identity = \"{key}\"\n"), ""));
    let mut terminal = Terminal::open(&world).await;
    terminal.types("stty columns 80\n").await;
    terminal.shows("ready> ").await;
    terminal.types(&format!("{CONNECT}\n")).await;
    terminal.shows(&format!(" s   the key of home.dyn.example was new, and is remembered: {key}\r\n")).await;
    assert_eq!(terminal.status().await, "0");
}

#[tokio::test]
async fn each_of_several_hosts_has_a_line_of_its_own_and_one_interrupt_is_told_once() {
    let world = World::without_telephone(NO_NUMBER).await;
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    world.client_of(mute.local_addr().unwrap(), NO_NUMBER);
    world.add_office(NO_NUMBER);
    let mut terminal = Terminal::open(&world).await;
    terminal.types(&format!("{CONNECT} office\n")).await;
    terminal.shows("connect home office\r\n").await;
    // Both at once, and again: neither takes the other's place for good.
    for _time in 0..2 {
        terminal.shows("asking the directory for home.dyn.example").await;
        terminal.shows("asking the directory for office.dyn.example").await;
    }
    terminal.types("\x03").await;
    terminal.shows("ringup: interrupted\r\n").await;
    let after = terminal.shows("ready> ").await;
    assert!(!after.contains("ringup: "), "{after:?}");
    terminal.types("echo status $?.\n").await;
    terminal.shows(&format!("\nstatus {}.", Status::Interrupted.code())).await;
}
