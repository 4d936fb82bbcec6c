//! The page on the exchange, held to the code: every event and field, every action, every example.
#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::path::Path;

use hayes::emulator::calllog::EVENTS;
use hayes::emulator::plan::Country;
use hayes::emulator::scenario::Scenario;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/exchange.md")).unwrap()
}

/// The row of a table that starts with this name.
fn row(page: &str, name: &str) -> String {
    let start = format!("| `{name}` |");
    page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row for `{name}`")).to_owned()
}

/// What a refusal says is possible: serde's words, or toml's.
fn expected(refusal: &str) -> Vec<String> {
    if let Some((_, list)) = refusal.split_once("available keys: ") {
        return list.split(", ").map(str::to_owned).collect();
    }
    let (_, list) = refusal.split_once(", expected ").unwrap_or_else(|| panic!("{refusal}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn refusal(text: &str) -> String {
    Scenario::from_toml(text).unwrap_err().to_string()
}

#[test]
fn every_event_of_the_log_is_described_with_its_fields() {
    let page = page();
    let (_, page) = page.split_once("## The log of calls").unwrap();
    for (event, fields) in EVENTS {
        let row = row(page, event);
        let described = row.split('|').nth(2).unwrap();
        let told: Vec<&str> = described.split('`').skip(1).step_by(2).collect();
        assert_eq!(told, fields, "{event}");
    }
}

#[test]
fn every_action_of_a_scenario_is_described_with_its_keys() {
    let page = page();
    let (page, _) = page.split_once("## The log of calls").unwrap();
    let actions = expected(&refusal("[[step]]\nat = \"1s\"\ndo.nothing = {}\n"));
    assert!(actions.len() >= 10, "{actions:?}");
    for action in actions {
        let row = row(page, &action);
        for key in expected(&refusal(&format!("[[step]]\nat = \"1s\"\ndo.{action} = {{ no-such-key = 1 }}\n"))) {
            assert!(row.contains(&format!("`{key}`")), "do.{action}: {key}");
        }
    }
    for table in ["step", "party"] {
        for key in expected(&refusal(&format!("[[{table}]]\nno-such-key = 1\n"))) {
            assert!(page.contains(&format!("`{key}`")), "{table}.{key}");
        }
    }
}

#[test]
fn every_country_is_listed() {
    let (_, known) = "??"
        .parse::<Country>()
        .unwrap_err()
        .to_string()
        .split_once("one of ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let page = page().replace('\n', " ");
    assert!(page.contains(&format!("`cadence`: {known}.")), "{known}");
}

#[test]
fn the_examples_are_scenarios() {
    let page = page();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let scenario = Scenario::from_toml(example).unwrap();
        assert!(!scenario.steps().is_empty() || scenario.party("800").is_some());
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/exchange.scenario");
    Scenario::from_toml(&std::fs::read_to_string(shipped).unwrap()).unwrap();
}
