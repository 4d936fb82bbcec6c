//! What directories are told of a wake, when there are several, when one is down, and when nobody could connect anyway.

use std::path::Path;

use super::harness::{Lab, QUICK, in_lab, number};

/// Writes the configuration of a second directory beside the first, and has home register with it, too.
fn add_second_directory(lab: &Lab) {
    let folder = lab.world.folder();
    let first = std::fs::read_to_string(folder.join("directory.toml")).unwrap();
    let second = first.replace("192.0.2.6:53", "192.0.2.6:5300").replace("directory.sqlite", "second.sqlite");
    assert_ne!(first, second);
    std::fs::write(folder.join("second.toml"), second).unwrap();
    let further =
        "[[host.directory]]\nservers = [\"192.0.2.6:5300\"]\ntsig = { name = \"home\", secret = \"home.tsig\" }\n";
    lab.edit("home", "[listen]", &format!("{further}\n[listen]"));
}

/// What `ringup query home` finds in the second directory.
async fn second_record(lab: &mut Lab) -> serde_json::Value {
    let folder = lab.world.folder();
    let client = std::fs::read_to_string(folder.join("client.toml")).unwrap();
    std::fs::write(folder.join("asker.toml"), client.replace("192.0.2.6:53", "192.0.2.6:5300")).unwrap();
    let mut command = lab.world.command(Some("directory"), lab.world.program());
    command.args(["--config", "asker.toml", "query", "home", "--json"]);
    let ran = lab.world.run("query", command).await.unwrap();
    assert_eq!(ran.status, 0, "{}", ran.errors);
    serde_json::from_str(&ran.output).unwrap()
}

#[test]
fn a_directory_that_is_down_delays_nobody_and_gets_the_record_when_it_is_back() {
    in_lab(QUICK, async |lab| {
        add_second_directory(lab);
        lab.start().await;
        let began = lab.moment();
        let seq = lab.bring_home_online().await;
        lab.since(began, "home", "failed").await;
        let told: Vec<_> = lab.heard(began, "home").into_iter().filter(|heard| heard.event == "failed").collect();
        assert_eq!(told.len(), 1, "once a cause: {told:?}");
        assert!(told[0].text("cause").contains("192.0.2.6:5300"), "{}", told[0].fields);
        assert_eq!(lab.record().await["state"], "online");

        let back = lab.moment();
        lab.world.start_role("second", Some("directory"), "directory").unwrap();
        let later = lab.since(back, "home", "registered").await;
        assert!(later.text("directory").contains("192.0.2.6:5300"), "{}", later.fields);
        assert_eq!(number(&later, "seq"), seq, "the link stood all the while, and nothing was renewed");
        let found = second_record(lab).await;
        assert_eq!((found["state"].as_str(), found["seq"].as_u64()), (Some("online"), Some(seq)));

        lab.world.signal("home", nix::sys::signal::Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        assert_eq!(lab.names(back, "home").iter().filter(|name| *name == "withdrawn").count(), 2);
        assert_eq!(lab.record().await["state"], "asleep");
        assert_eq!(second_record(lab).await["state"], "asleep");
    });
}

#[test]
fn an_address_behind_a_carriers_nat_is_registered_and_its_owner_told_what_helps() {
    in_lab(QUICK, async |lab| {
        lab.edit("provider", "203.0.113.10-203.0.113.15", "100.64.0.10-100.64.0.15");
        let mut route = lab.world.command(None, Path::new("ip"));
        route.args(["-n", "internet", "route", "add", "100.64.0.0/10", "via", "192.0.2.2"]);
        assert_eq!(lab.world.run("route", route).await.unwrap().status, 0);
        lab.start().await;
        let began = lab.moment();
        lab.bring_home_online().await;
        let told = lab.since(began, "home", "unreachable").await;
        assert_eq!(told.text("reachability"), "carrier-nat");
        assert!(told.text("advice").contains("ask the provider for a public address"), "{}", told.fields);
        assert_eq!(lab.record().await["reachability"], "carrier-nat");
    });
}
