//! docs/outcomes.md says of every exit status what the program does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; clippy exempts only the tests themselves")]

use ringup::exit::Status;

#[test]
fn the_table_of_outcomes_is_the_programs() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outcomes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("| status | cause |")).skip(2).collect();
    let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    let expected = Status::ALL.map(|status| {
        format!("| {} | `{}` | {} | {} |", status.code(), status.name(), status.meaning(), status.remedy())
    });
    assert_eq!(rows, expected);
}
