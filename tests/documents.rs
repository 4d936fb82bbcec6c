//! What the documentation says of the tests is true.
#![allow(clippy::unwrap_used, reason = "helpers of tests; clippy exempts only the tests themselves")]

use std::collections::BTreeSet;
use std::path::Path;

/// Words in code quotes that are as long as this, and look like it, are tests' names.
const SHORTEST_NAME: usize = 15;

/// Everything in Rust below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_table_of_faults_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    ["src", "tests", "hayes/src", "hayes/tests"].iter().for_each(|folder| sources(&root.join(folder), &mut text));
    let faults = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let is_name =
        |word: &&str| word.len() >= SHORTEST_NAME && word.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    let named: BTreeSet<&str> = faults.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 20, "it names {}", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert_eq!(missing, Vec::<&str>::new(), "named in docs/faults.md, and no test");
}
