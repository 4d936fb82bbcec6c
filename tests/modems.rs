//! What docs/modems.md says of the kinds of modems: every one of them, and an example that works.
#![allow(clippy::unwrap_used, reason = "helpers of tests; clippy exempts only the tests themselves")]

use std::path::Path;

use hayes::profile::{Catalogue, Profile};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modems.md")).unwrap()
}

#[test]
fn every_kind_has_a_row_that_names_how_its_caller_identification_is_turned_on() {
    let page = page();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for kind in Catalogue::built_in().iter() {
        let named = |row: &&&str| row.split('|').nth(1).is_some_and(|entry| entry.contains(&format!("`{}`", kind.id)));
        let row = rows.iter().find(named);
        assert!(row.is_some(), "{} has no row", kind.id);
        let said = |setting: &String| row.is_some_and(|row| row.contains(setting) || row.contains("as `gsm`"));
        assert!(kind.setup.caller_id.iter().all(said), "{}: {row:?}", kind.id);
    }
}

#[test]
fn the_example_is_an_entry() {
    let page = page();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let profile = Profile::from_toml(example).unwrap();
    assert_eq!(profile.id, "cellar");
    let mut catalogue = Catalogue::built_in();
    catalogue.add(profile);
    assert!(catalogue.find("cellar").is_some());
}
