//! Calls that are answered, made twice, or made by nobody in particular: what each does by the doorman's rules.

use ringup::demo::Timings;
use ringup::exit::Status;
use ringup::record::Identity;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::harness::{Lab, QUICK, code, in_lab, program};

/// The exchange's door for people, who come in by telnet.
const DOOR: &str = "127.0.0.1:5190";
/// How long anything said may take on a slow machine under load.
const BOUND: std::time::Duration = std::time::Duration::from_secs(120);

/// Has home answer calls by this rule's `number`, and lets the client's key and codes wake it.
fn answers(lab: &Lab, number: &str) {
    let identity = Identity::create(&lab.world.folder().join("laptop.identity")).unwrap();
    lab.edit("home", "callers = [\"555-0101\"]", "codes = \"home.codes\"\npause-after-answer = \"1s\"");
    append(
        lab,
        "home",
        &format!(
            "\n[[listen.caller]]\nnumber = {number}\ndo = \"answer\"\n\n[[listen.key]]\nname = \"laptop\"\nkey = \"{}\"\n",
            identity.public_key()
        ),
    );
    lab.edit("exchange", "training = \"200ms\"", &format!("training = \"200ms\"\ntrunk-listen = \"{DOOR}\""));
}

fn append(lab: &Lab, machine: &str, text: &str) {
    let path = lab.world.folder().join(format!("{machine}.toml"));
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, before + text).unwrap();
}

/// The next codes, as `ringup code` prints them for home.
async fn codes(lab: &mut Lab) -> Vec<String> {
    let mut command = lab.world.command(None, &program());
    command.args(["--config", "home.toml", "code", "3"]);
    let ran = lab.world.run("code", command).await.unwrap();
    assert_eq!(ran.status, 0, "{}", ran.errors);
    ran.output.lines().map(|line| line.trim().split_once("  ").unwrap().1.to_owned()).collect()
}

/// Somebody with a modem and a terminal program.
struct Telephone {
    stream: TcpStream,
    heard: String,
}

impl Telephone {
    /// Calls home, and waits until the modems have agreed.
    async fn call_home() -> Self {
        let mut telephone = Self { stream: TcpStream::connect(DOOR).await.unwrap(), heard: String::new() };
        telephone.hears("hayes trunk").await;
        telephone.types("call 5550102 from 5559876").await;
        telephone.hears("connected").await;
        telephone
    }

    async fn types(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// Listens until these words come.
    async fn hears(&mut self, words: &str) {
        let mut read = [0; 256];
        while !self.heard.contains(words) {
            let count = timeout(BOUND, self.stream.read(&mut read)).await.unwrap().unwrap();
            assert!(count > 0, "hung up before {words:?}: {:?}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&read[..count]));
        }
    }

    /// Listens until the other end hangs up.
    async fn hears_the_end(&mut self) {
        let mut read = [0; 256];
        while let Ok(1..) = timeout(BOUND, self.stream.read(&mut read)).await.unwrap() {}
    }
}

#[test]
fn an_answered_client_wakes_by_its_key_and_a_stranger_is_refused() {
    in_lab(QUICK, async |lab| {
        answers(lab, "\"555-0101\"");
        lab.edit(
            "client",
            "number = \"555-0102\"",
            "number = \"555-0102\"\nwake = \"answer\"\nkey = \"cabin.identity\"",
        );
        codes(lab).await;
        lab.start().await;

        let began = lab.moment();
        let ran = lab.world.run_role("client", "client", &["wake", "home"]).await.unwrap();
        assert_eq!(ran.status, code(Status::WakeRefused), "{}", ran.errors);
        assert!(ran.errors.contains("does not know our key\nhint: put what"), "{}", ran.errors);
        let answered = lab.since(began, "home", "answered").await;
        assert_eq!(answered.text("ending"), "left");
        assert!(!lab.names(began, "home").contains(&"admitted".to_owned()));
        lab.since(began, "home", "listening").await;

        lab.edit("client", "cabin.identity", "laptop.identity");
        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, 0, "{}", ran.errors);
        assert!(lab.names(began, "client").contains(&"told".to_owned()), "{:?}", lab.names(began, "client"));
        let home = lab.heard(began, "home");
        let names: Vec<&str> = home.iter().map(|heard| heard.event.as_str()).collect();
        let answered = ["answering", "admitted", "answered", "listening", "waking", "dialling"];
        let from = names.iter().position(|name| *name == "answering").unwrap();
        assert_eq!(names[from..from + answered.len()], answered, "{names:?}");
        assert_eq!(home[from + 1].text("by"), "laptop");
        assert_eq!(home[from + 2].text("ending"), "waking");
        // The call is over before home goes off hook again.
        let exchange = lab.heard(began, "exchange");
        let at = |event: &str, field: &str, line: &str| {
            exchange.iter().position(|heard| heard.event == event && heard.text(field) == line)
        };
        let over = at("hung-up", "by", "client").or_else(|| at("hung-up", "by", "home")).unwrap();
        assert!(over < at("dialled", "from", "home").unwrap(), "{exchange:?}");

        // One entry a call: who it was, and what he was told.
        let calls = lab.journal(&["--kind", "call"]).await;
        let told: Vec<_> = calls.iter().map(|call| (&call["by"], &call["verdict"], &call["wake"])).collect();
        let stranger = (&Value::Null, &"answered-left".into(), &Value::Null);
        assert_eq!(told, [stranger, (&"laptop".into(), &"answered-waking".into(), &1.into())]);
        let shown = lab.at_home(&["journal", "--wake", "1", "--kind", "call"]).await.output;
        assert!(shown.contains("proven to be laptop: answered-waking"), "{shown}");
    });
}

#[test]
fn a_host_whose_budget_is_spent_says_so_to_whom_it_answers_and_only_its_journal_to_whom_it_does_not() {
    in_lab(QUICK, async |lab| {
        answers(lab, "\"555-0101\"");
        append(lab, "home", "\n[listen.budget]\ncalls-a-month = 1\n");
        lab.edit(
            "client",
            "number = \"555-0102\"",
            "number = \"555-0102\"\nwake = \"answer\"\nkey = \"laptop.identity\"",
        );
        lab.edit("client", "wait = \"60s\"", "wait = \"10s\"");
        codes(lab).await;
        lab.start().await;
        let began = lab.moment();
        lab.world.run_role("client", "client", &["wake", "home"]).await.unwrap();
        lab.since(began, "home", "registered").await;
        assert_eq!(lab.at_home(&["hangup"]).await.status, 0);
        lab.since(began, "home", "ended").await;
        if !lab.names(began, "home").ends_with(&["listening".to_owned()]) {
            lab.until("home", "listening").await;
        }

        let began = lab.moment();
        let ran = lab.connect(&[]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::WakeRefused), ""), "{}", ran.errors);
        let told = "ringup: home.dyn.example answered, and refused to wake: ";
        assert!(
            ran.errors.contains(told) && ran.errors.contains("\nhint: its owner's budget decides"),
            "{}",
            ran.errors
        );
        let failed = lab.heard(began, "client").pop().unwrap();
        assert_eq!((failed.event.as_str(), failed.text("cause").as_str()), ("failed", "wake-refused"));
        assert_eq!(lab.traces("client").await, Vec::<String>::new());

        // Rung, and not asked, it can say nothing.
        lab.world.signal("home", nix::sys::signal::Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        lab.edit("home", "\ndo = \"answer\"\n", "\n");
        lab.edit("client", "wake = \"answer\"\nkey = \"laptop.identity\"", "wake = \"ring\"");
        lab.start_home().await;
        let ran = lab.connect(&[]).await;
        assert_eq!((ran.status, ran.output.as_str()), (code(Status::NotRegistered), ""), "{}", ran.errors);
        let told = "ringup: home.dyn.example was rung, but did not come online in time\nhint: ";
        assert!(ran.errors.ends_with(&format!("{told}{}\n", Status::NotRegistered.remedy())), "{}", ran.errors);
        let journal = lab.at_home(&["journal"]).await.output;
        assert!(journal.lines().last().is_some_and(|line| line.contains("budget")), "{journal}");
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
    });
}

#[test]
fn a_persons_code_is_good_once_and_never_again() {
    in_lab(Timings { home_idle: 3, linger: 20 }, async |lab| {
        answers(lab, "\"any\"");
        let codes = codes(lab).await;
        lab.start().await;

        let began = lab.moment();
        let mut person = Telephone::call_home().await;
        person.types(&codes[0]).await;
        person.hears("waking: hang up now").await;
        person.hears_the_end().await;
        let admitted = lab.since(began, "home", "admitted").await;
        assert_eq!(admitted.text("by"), "code 1");
        lab.since(began, "home", "registered").await;
        lab.since(began, "home", "ended").await;
        if !lab.names(began, "home").ends_with(&["listening".to_owned()]) {
            lab.until("home", "listening").await;
        }

        for restarted in [false, true] {
            if restarted {
                lab.world.signal("home", nix::sys::signal::Signal::SIGKILL);
                lab.world.ended("home").await.unwrap();
                lab.start_home().await;
            }
            let began = lab.moment();
            let mut person = Telephone::call_home().await;
            person.types("RINGUP").await;
            person.hears("code: ").await;
            person.types(&codes[0]).await;
            person.hears("that was no code that is good now; tries left: 2").await;
            drop(person);
            let answered = lab.since(began, "home", "answered").await;
            assert_eq!(answered.text("ending"), "lost", "restarted: {restarted}");
            lab.since(began, "home", "listening").await;
        }

        let began = lab.moment();
        let mut person = Telephone::call_home().await;
        person.types(&codes[1]).await;
        person.hears("waking: hang up now").await;
        drop(person);
        assert_eq!(lab.since(began, "home", "admitted").await.text("by"), "code 2");
        lab.since(began, "home", "registered").await;
    });
}

#[test]
fn two_calls_wake_where_one_does_not() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "callers = [\"555-0101\"]\n", "");
        append(lab, "home", "\n[[listen.caller]]\nnumber = \"+1 212 555 0101\"\ncalls = 2\n");
        lab.edit("home", "rings = 1", "rings = 1\ncountry-code = \"1\"");
        lab.edit("client", "number = \"555-0102\"", "number = \"555-0102\"\nwake = \"two-calls\"");
        lab.edit("exchange", "name = \"client\"\nnumber = \"555-0101\"", "name = \"client\"\nnumber = \"12125550101\"");
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        lab.since(began, "home", "registered").await;
        let mut home = lab.heard(began, "home");
        home.retain(|heard| !["ring", "caller"].contains(&heard.event.as_str()));
        let names: Vec<&str> = home.iter().map(|heard| heard.event.as_str()).collect();
        assert_eq!(names[..3], ["refused", "accepted", "waking"]);
        assert_eq!(home[0].text("reason"), "first-of-two");
    });
}

#[test]
fn a_flood_of_strangers_is_one_line_in_the_log_and_a_withheld_number_has_a_rule_of_its_own() {
    in_lab(QUICK, async |lab| {
        lab.edit("home", "callers = [\"555-0101\"]\n", "");
        append(lab, "home", "\n[[listen.caller]]\nnumber = \"withheld\"\n");
        lab.edit("exchange", "training = \"200ms\"", "training = \"200ms\"\nscenario = \"flood.scenario\"");
        let flood = "[[step]]\nname = \"flood\"\non = { event = \"hung-up\" }\nafter = \"4s\"\ntimes = 4\n\
                     do.call = { to = \"5550102\", number = \"5550187\", rings = 2 }\n\
                     [[step]]\nname = \"unknown\"\non = { event = \"hung-up\", nth = 5 }\nafter = \"4s\"\n\
                     do.call = { to = \"5550102\", presentation = \"unavailable\", rings = 2 }\n\
                     [[step]]\nname = \"withheld\"\non = { event = \"hung-up\", nth = 6 }\nafter = \"4s\"\n\
                     do.call = { to = \"5550102\", presentation = \"withheld\", rings = 2 }\n";
        std::fs::write(lab.world.folder().join("flood.scenario"), flood).unwrap();
        lab.start().await;
        let began = lab.moment();
        lab.wake().await;
        lab.since(began, "home", "waking").await;
        let refused = lab.heard(began, "home").into_iter().filter(|heard| heard.event == "refused");
        let reasons: Vec<String> = refused.map(|heard| heard.text("reason")).collect();
        assert_eq!(reasons, [vec!["unknown-caller"; 5], vec!["no-caller-number"]].concat());
        let tails = lab.world.log_tails(200);
        let (_, log) = tails.iter().find(|(name, _)| name == "home").unwrap();
        let told = log.iter().filter(|line| line.contains("no wake: ")).count();
        assert_eq!(told, 2, "one line a reason: {log:?}");
        let mut above_debug = log.iter().filter(|line| !line.contains(" DEBUG "));
        assert!(!above_debug.any(|line| line.contains("5550187")), "a stranger's number is in the log: {log:?}");
    });
}
