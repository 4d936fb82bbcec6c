//! Who gets nothing, and is told so: strangers, wrong secrets and keys, a full provider, a directory that is down.

use ringup::exit::Status;

use super::harness::{QUICK, code, in_lab};

#[test]
fn a_stranger_rings_and_wakes_nobody() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "callers = [\"555-0101\"]", "callers = [\"555-0777\"]");
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        let refused = lab.since(began, "home", "refused").await;
        assert_eq!(refused.text("reason"), "unknown-caller");
        let dialled = lab.heard(began, "exchange").into_iter().filter(|heard| heard.event == "dialled");
        assert_eq!(dialled.map(|heard| heard.text("from")).collect::<Vec<_>>(), ["client"], "home dials nobody");
    });
}

#[test]
fn a_wrong_secret_at_the_provider_is_named_and_nothing_is_left_of_the_call() {
    in_lab(QUICK, async |lab| {
        std::fs::write(lab.world.folder().join("client.secret"), "not the secret\n").unwrap();
        lab.start().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::LinkRefused), ""), "{}", ran.errors);
        let told: Vec<&str> = ran.errors.lines().collect();
        let [.., message, hint] = told[..] else { panic!("{told:?}") };
        assert_eq!(message, "ringup: the provider refused our name or secret");
        assert_eq!(hint, "hint: check isp.user and the file isp.secret");
        let failed = lab.heard(began, "client").pop().unwrap();
        assert_eq!(failed.text("callee"), "provider");
        let seen = failed.fields["evidence"].to_string();
        assert!(seen.contains("pppd: ") && seen.contains("authentication failed"), "{seen}");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
        lab.wake().await;
    });
}

#[test]
fn a_wrong_key_at_the_directory_leaves_the_host_online_but_unfound_and_both_say_so() {
    in_lab(QUICK, async |lab| {
        std::fs::copy(lab.world.folder().join("cabin.tsig"), lab.world.folder().join("wrong.tsig")).unwrap();
        lab.edit("home", "home.tsig", "wrong.tsig");
        lab.edit("client", "wait = \"60s\"", "wait = \"10s\"");
        lab.start().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::NotRegistered), "{}", ran.errors);
        assert!(
            ran.errors.contains("ringup: home.dyn.example was rung, but did not come online in time\nhint: "),
            "{}",
            ran.errors
        );
        lab.since(began, "home", "up").await;
        let failed = lab.since(began, "home", "failed").await;
        assert!(failed.text("cause").contains("another secret"), "{}", failed.fields);
        assert!(!lab.names(began, "home").contains(&"registered".to_owned()));
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn a_caller_who_gets_no_address_is_told_and_the_one_who_has_it_keeps_it() {
    in_lab(QUICK, async |lab| {
        lab.edit("provider", "203.0.113.10-203.0.113.15", "203.0.113.10");
        // It says to call again later: by then home would have gone back to sleep.
        lab.edit("client", "[isp]\n", "[isp]\ncalls = 1\n");
        lab.start().await;
        let seq = lab.bring_home_online().await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::NoLink), "{}", ran.errors);
        let told = ran.errors.lines().find(|line| line.starts_with("ringup: ")).unwrap();
        assert!(told.contains("no address is free"), "{told}");
        lab.since(began, "provider", "full").await;
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
        let record = lab.record().await;
        assert_eq!((&record["state"], &record["seq"]), (&"online".into(), &seq.into()));
        assert_eq!(record["addresses"], serde_json::json!(["203.0.113.10"]));
        assert_eq!(lab.names(began, "home"), Vec::<String>::new(), "the first caller is disturbed");
    });
}

#[test]
fn a_directory_that_is_down_is_named_and_our_own_link_goes_down_again() {
    in_lab(QUICK, async |lab| {
        lab.start().await;
        lab.world.stop("directory").await;
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::DirectoryUnreachable), "{}", ran.errors);
        assert!(ran.errors.contains("\nhint: check directory-servers"), "{}", ran.errors);
        assert_eq!(lab.names(began, "client"), ["own-link-dialling", "own-link-up", "asking", "failed"]);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}
