//! The client as a newcomer and as a busy person meets it: set up by questions, and several hosts at once.

use std::path::Path;

use ringup::demo::{Heard, page_of, start_page};
use ringup::exit::Status;

use super::harness::{Lab, QUICK, code, in_lab, wake_up_calls};

#[test]
fn a_client_that_was_set_up_by_questions_alone_wakes_home() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        let folder = lab.world.folder().to_owned();
        let client = std::fs::read_to_string(folder.join("client.toml")).unwrap();
        let key = client.lines().find_map(|line| line.strip_prefix("identity = \"")?.strip_suffix('"')).unwrap();
        let password = std::fs::read_to_string(folder.join("client.secret")).unwrap();
        let port = folder.join("lines/client").display().to_string();
        let (password, host) = (password.trim(), "home.dyn.example");
        // The port is tried, and its line then dials the provider for want of another way.
        let answers = ["192.0.2.6", &port, "555-0199", "client", password, host, "", "555-0102", "", key];
        std::fs::write(folder.join("answers"), answers.join("\n") + "\n").unwrap();
        let mut setup = lab.world.command(Some("client"), Path::new("sh"));
        setup.args(["-c", "\"$0\" --config new.toml setup <answers"]).arg(lab.world.program());
        let ran = lab.world.run("setup", setup).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(ran.output.contains("new.toml: good for connect home\n"), "{}", ran.output);

        // In the test's own folders, and without a link that lingers.
        let new = std::fs::read_to_string(folder.join("new.toml")).unwrap().replace("linger = \"2m\"\n", "");
        let is_folder = |line: &&str| line.starts_with("state-directory") || line.starts_with("runtime-directory");
        let new: String = new.lines().filter(|line| !is_folder(line)).map(|line| format!("{line}\n")).collect();
        let folders = "state-directory = \"client-state\"\nruntime-directory = \"client-run\"\n";
        std::fs::write(folder.join("client.toml"), format!("{folders}{new}")).unwrap();
        lab.fetch().await;
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn several_hosts_are_reached_by_one_command_and_over_one_line() {
    in_lab(QUICK, async |lab| {
        lab.edit("cabin", "interface = \"cable0\"", "interface = \"to-internet\"");
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        lab.world.start_role("cabin", Some("directory"), "watch").unwrap();
        lab.until("cabin", "registered").await;
        let arguments = ["connect", "cabin", "home", "--json"];
        let ran = lab.world.run_role("client", "client", &arguments).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        let mut lines = ran.output.lines();
        // The cabin is there at once, but over the link that has to go for the call: it waits, and proves itself again.
        assert!(lines.next().is_some_and(|line| line.starts_with("home 203.0.113.")), "{}", ran.output);
        assert_eq!(lines.next(), Some("cabin 192.0.2.6"));

        let arguments = ["connect", "home", "cabin", "--json", "--", "sh", "-c", "test {host} != home.dyn.example"];
        let ran = lab.world.run_role("client", "client", &arguments).await.unwrap();
        assert_eq!(ran.status, 1, "the first that fails: {}", ran.errors);
        let page = ["connect", "home", "--json", "--", "curl", "-s", "http://{}/"];
        let ran = lab.world.run_role("client", "client", &page).await.unwrap();
        assert_eq!((ran.status, ran.output), (0, page_of("home")));
    });
}

#[test]
fn a_host_that_is_reached_is_used_over_our_own_link_whatever_becomes_of_the_others() {
    in_lab(QUICK, async |lab| {
        lab.edit("cabin", "interface = \"cable0\"", "interface = \"to-internet\"");
        lab.edit("client", "wait = \"60s\"", "wait = \"10s\"");
        lab.start().await;
        lab.world.stop("home").await;
        lab.world.start_role("cabin", Some("directory"), "watch").unwrap();
        lab.until("cabin", "registered").await;
        let began = lab.moment();
        // The directory answers at the cabin's address, over TCP too.
        let knock = "exec 3<>/dev/tcp/$0/53 && echo reached";
        let arguments = ["connect", "cabin", "home", "--json", "--", "bash", "-c", knock, "{}"];
        let ran = lab.world.run_role("client", "client", &arguments).await.unwrap();
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::NotRegistered), "reached\n"), "{}", ran.errors);
        assert!(ran.errors.contains("ringup: home.dyn.example was rung, but did not come online"), "{}", ran.errors);
        let steps = lab.names(began, "client");
        let at = |name: &str| steps.iter().position(|step| step == name);
        assert!(at("queued").is_some() && at("queued") < at("ringing") && at("ringing") < at("online"), "{steps:?}");
    });
}

#[test]
fn two_commands_over_one_line_that_is_their_way_to_the_internet_too_wake_the_host_by_one_call() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        let began = lab.moment();
        for name in ["client", "other"] {
            lab.start_connect_as(name, &[]);
        }
        for name in ["client", "other"] {
            lab.since(began, name, "online").await;
            assert_eq!(lab.world.ended(name).await.unwrap(), 0, "{name}");
        }
        lab.free_line().await;
        let exchange = lab.heard(began, "exchange");
        assert_eq!(wake_up_calls(&exchange).len(), 1);
        let of_client = |heard: &&Heard| heard.event == "dialled" && heard.text("from") == "client";
        assert_eq!(exchange.iter().filter(of_client).count(), 3, "our provider, home, our provider");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn every_call_of_a_client_is_paid_from_one_budget_and_the_one_too_many_is_not_made() {
    in_lab(QUICK, async |lab| {
        // The provider, home, and the provider again.
        allow(lab, "calls-a-day = 3");
        lab.start().await;
        start_page(&mut lab.world, "home").unwrap();
        lab.fetch().await;
        lab.free_line().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::Budget), "{}", ran.errors);
        let told = "no call was made: today's calls are used up (connect.budget.calls-a-day): 3 of 3";
        assert!(ran.errors.contains(told), "{}", ran.errors);
        let failed = lab.heard(began, "client").pop().unwrap();
        assert_eq!([failed.text("cause"), failed.text("callee")], ["budget", "provider"]);
        assert_eq!(lab.heard(began, "exchange").iter().filter(|heard| heard.event == "dialled").count(), 0);
        let status = lab.world.run_role("client", "client", &["status", "--json"]).await.unwrap();
        let standing: serde_json::Value = serde_json::from_str(&status.output).unwrap();
        assert_eq!(standing["client"]["calls-today"]["used"], 3, "{standing}");
        assert!(standing["client"]["minutes-today"]["used"].as_u64().unwrap() >= 1, "our own link is charged for");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn our_own_link_ends_when_its_minutes_have_run_out_whoever_uses_it() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.bring_home_online().await;
        allow(lab, "minutes-a-day = 1");
        let began = lab.moment();
        lab.start_connect_as("client", &["--", "sleep", "1000"]);
        lab.since(began, "client", "online").await;
        while !lab.ppp_interfaces("client").await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        lab.world.signal("client", nix::sys::signal::Signal::SIGINT);
        lab.world.ended("client").await.unwrap();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::Budget), "{}", ran.errors);
        assert!(ran.errors.contains("today's minutes are used up (connect.budget.minutes-a-day)"), "{}", ran.errors);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

/// Caps what the client may spend.
fn allow(lab: &Lab, caps: &str) {
    let path = lab.world.folder().join("client.toml");
    let client = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{client}\n[connect.budget]\n{caps}\n")).unwrap();
}
