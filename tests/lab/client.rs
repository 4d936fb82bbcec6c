//! The client as a newcomer and as a busy person meets it: set up by questions, and several hosts at once.

use std::path::Path;

use ringup::demo::{page_of, start_page};

use super::harness::{QUICK, in_lab};

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
        let answers = ["192.0.2.6", &port, "555-0199", "client", password, host, "", "555-0102", key];
        std::fs::write(folder.join("answers"), answers.join("\n") + "\n").unwrap();
        let mut setup = lab.world.command(Some("client"), Path::new("sh"));
        setup.args(["-c", "\"$0\" --config new.toml setup <answers"]).arg(lab.world.program());
        let ran = lab.world.run("setup", setup).await.unwrap();
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(ran.output.starts_with("new.toml: good for connect home\n"), "{}", ran.output);

        // In the test's own folders, and without a link that lingers.
        let new = std::fs::read_to_string(folder.join("new.toml")).unwrap().replace("linger = \"2m\"\n", "");
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
        assert_eq!(lines.next(), Some("cabin 192.0.2.6"));
        assert!(lines.next().is_some_and(|line| line.starts_with("home 203.0.113.")), "{}", ran.output);

        let arguments = ["connect", "home", "cabin", "--json", "--", "sh", "-c", "test {host} != home.dyn.example"];
        let ran = lab.world.run_role("client", "client", &arguments).await.unwrap();
        assert_eq!(ran.status, 1, "the first that fails: {}", ran.errors);
        let page = ["connect", "home", "--json", "--", "curl", "-s", "http://{}/"];
        let ran = lab.world.run_role("client", "client", &page).await.unwrap();
        assert_eq!((ran.status, ran.output), (0, page_of("home")));
    });
}
