//! Several hosts by one command.

use ringup::exit::Status;

use crate::world::{HOST, NO_NUMBER, OFFICE, RUNG, World};

/// Rung, and given all the time that it needs.
const PATIENT: &str = "number = \"555-0102\"\nring-for = \"3s\"\nwait = \"90s\"\ncalls = 1\n";

#[tokio::test]
async fn each_host_is_used_as_soon_as_it_has_proved_itself_while_others_are_still_woken() {
    let echo = ["--", "sh", "-c", "echo $0", "{host}"];
    for (command, of_home, of_office) in [(&[][..], "home 127.0.0.1", "office 127.0.0.1"), (&echo, HOST, OFFICE)] {
        let world = World::new(NO_NUMBER, "", "").await;
        world.add_office(PATIENT);
        world.host.register(&world.host.online(1)).await;
        let mut client = world.client(&[&["connect", "office", "home", "--json"], command].concat());
        assert_eq!(client.says().await, of_home);
        // Only now does the other come.
        world.office.register(&world.office.online(1)).await;
        assert_eq!(client.says().await, of_office);
        let ended = client.end().await;
        assert_eq!((ended.status, ended.words.as_str()), (Some(0), ""), "{ended:?}");
        world.leaves_nothing().await;
    }
}

#[tokio::test]
async fn each_failure_is_told_with_what_to_do_and_the_first_gives_the_status() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.add_office(NO_NUMBER);
    let ended = world.client(&["connect", "office", "home", "-v"]).end().await;
    let told: Vec<&str> =
        ended.words.lines().filter(|line| !line.contains(" s   ") && !line.contains("DEBUG")).collect();
    for host in [OFFICE, HOST] {
        let at = told.iter().position(|line| *line == format!("ringup: {host} is asleep, and has no number to ring"));
        let following = at.map(|at| &told[at + 1..at + 3]);
        let seen = "  seen: the directory knows the host, and has no record of it";
        assert_eq!(following, Some(&["hint: give it one with `number` in its [sites] section", seen][..]), "{ended:?}");
    }
    assert_eq!(ended.status, Some(Status::Asleep.code().into()));

    // One is reached, and its command has run to its end when the program ends.
    world.host.register(&world.host.online(1)).await;
    let ended = world.client(&["connect", "office", "home", "--json", "--", "echo", "{host}"]).end().await;
    assert_eq!((ended.status, ended.output.as_str()), (Some(Status::Asleep.code().into()), &*format!("{HOST}\n")));
    let failed: Vec<_> = ended.events.iter().filter(|event| event["event"] == "failed").collect();
    assert_eq!((failed.len(), failed[0]["host"].as_str(), ended.words.as_str()), (1, Some(OFFICE), ""), "{ended:?}");
}

#[tokio::test]
async fn whatever_fails_is_an_event_and_standard_error_has_nothing_else() {
    let world = World::without_telephone(RUNG).await;
    world.host.register(&world.host.online(1)).await;
    let quiet_end = async |arguments: &[&str], status: Status, host: Option<&str>| {
        let ended = world.client(&[&["connect", "--json"], arguments].concat()).end().await;
        assert_eq!((ended.status, ended.words.as_str()), (Some(status.code().into()), ""), "{ended:?}");
        let event = ended.events.last().unwrap();
        assert_eq!(
            (event["event"].as_str(), event["cause"].as_str()),
            (Some("failed"), Some(status.name())),
            "{event}"
        );
        assert_eq!(event["host"].as_str(), host, "{event}");
    };
    quiet_end(&["hmoe"], Status::UnknownSite, Some("hmoe")).await;
    quiet_end(&["home", "--", "echo", "{tls-pin}"], Status::Missing, Some(HOST)).await;
    quiet_end(&["home", "--", "/nonexistent/command"], Status::NoCommand, Some(HOST)).await;
    quiet_end(&["home", "--", "/etc/passwd"], Status::NotExecutable, Some(HOST)).await;
    world.folder.write("client.toml", "[modem]\nprot = \"/dev/ttyS0\"\n");
    quiet_end(&["home"], Status::Configuration, None).await;
}
