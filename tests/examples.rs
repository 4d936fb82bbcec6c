//! The annotated configurations under docs/examples: whole, and true about every default they state.
#![allow(
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use ringup::config::Config;
use toml::{Table, Value};

/// A key that no section has: what is refused with it names those that it has.
const UNKNOWN: &str = "no-such-key";

/// The examples by their files' names.
fn examples() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    named.map(|path| (name_of(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Reads a configuration from a file that is gone afterwards; gives it as it was understood, or the refusal.
fn understood(text: &str) -> Result<String, String> {
    let placed = std::env::temp_dir().join(format!("ringup-example-{}-{:p}.toml", std::process::id(), text));
    std::fs::write(&placed, text).unwrap();
    let config = Config::load(&placed);
    std::fs::remove_file(&placed).unwrap();
    config.map(|config| format!("{:?}", config.file())).map_err(|error| error.to_string())
}

/// The tables of a document by their sections' names, array tables taken together; `sites` has names for keys.
fn sections(table: &Table, name: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    found.entry(name.to_owned()).or_default().extend(table.keys().cloned());
    for (key, value) in table {
        let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        for table in tables_of(value) {
            if key == "sites" {
                table.values().flat_map(tables_of).for_each(|site| sections(site, "sites.*", found));
            } else {
                sections(table, &inner, found);
            }
        }
    }
}

fn tables_of(value: &Value) -> Vec<&Table> {
    match value {
        Value::Table(table) => vec![table],
        Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => Vec::new(),
    }
}

/// The keys that the program itself says a section may have.
fn known_keys(section: &str) -> BTreeSet<String> {
    let listed = [
        "directory.key",
        "directory.secondary",
        "host.directory",
        "listen.caller",
        "listen.key",
        "listen.line",
        "provide.line",
        "exchange.line",
        "exchange.hunt-group",
        "exchange.trunk",
    ];
    let around = section.rsplit_once('.').map(|(around, _)| around).filter(|around| listed.contains(around));
    let around = around.map(|around| format!("[[{around}]]\n")).unwrap_or_default();
    let header = match section {
        "" => String::new(),
        _ if listed.contains(&section) => format!("[[{section}]]\n"),
        _ => format!("{around}[{}]\n", section.replace('*', "one")),
    };
    let refusal = understood(&format!("{header}{UNKNOWN} = 1\n")).unwrap_err();
    let (_, expected) = refusal.split_once(", expected ").unwrap_or_else(|| panic!("[{section}]: {refusal}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_that_exists_is_shown_in_an_example() {
    let mut shown = BTreeMap::new();
    for text in examples().values() {
        sections(&text.parse().unwrap(), "", &mut shown);
    }
    // Each section that the examples show is asked for its keys, so a new section inside it is found as well.
    for (section, keys) in shown {
        let missing: Vec<String> = known_keys(&section).difference(&keys).cloned().collect();
        assert!(missing.is_empty(), "docs/examples says nothing of {missing:?} in [{section}]");
    }
}

#[test]
fn every_key_is_explained_above_where_it_stands_first() {
    let mut explained = BTreeSet::new();
    let mut shown = BTreeSet::new();
    for text in examples().values() {
        let mut section = String::new();
        let mut comment = false;
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').trim_start_matches('[').to_owned();
                if section.starts_with("sites.") {
                    "sites.*".clone_into(&mut section);
                }
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                let key = format!("{section}.{key}");
                if comment {
                    explained.insert(key.clone());
                }
                shown.insert(key);
            }
            comment = line.starts_with('#');
        }
    }
    let silent: Vec<&String> = shown.difference(&explained).collect();
    assert!(silent.is_empty(), "no comment says what {silent:?} means");
}

#[test]
fn every_default_that_an_example_states_is_the_programs() {
    let mut checked = 0;
    for (file, text) in examples() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let comment: Vec<&str> =
                lines[..index].iter().rev().take_while(|above| above.starts_with('#')).copied().collect();
            let comment: String =
                comment.iter().rev().map(|above| format!("{} ", above.trim_start_matches('#').trim())).collect();
            let Some((_, default)) = comment.split_once("Default: ").filter(|_| line.contains(" = ")) else { continue };
            let default = default.trim_end().trim_end_matches('.');
            let key = line.split(" = ").next().unwrap();
            let without =
                understood(&with_line(&lines, index, "")).unwrap_or_else(|told| panic!("{file}: {key}: {told}"));
            if default.starts_with("none") {
                assert!(without.contains(&format!("{}: None", key.replace('-', "_"))), "{file}: {key} has a default");
            } else {
                let stated = understood(&with_line(&lines, index, &format!("{key} = {default}")));
                assert_eq!(stated.unwrap(), without, "{file}: {key}: the default is not {default}");
            }
            checked += 1;
        }
    }
    assert!(checked > 25, "only {checked} defaults were found: do the comments still say \"Default: \"?");
}

fn with_line(lines: &[&str], index: usize, line: &str) -> String {
    let mut lines = lines.to_vec();
    if let Some(place) = lines.get_mut(index) {
        *place = line;
    }
    lines.join("\n")
}

#[test]
fn each_example_passes_the_programs_own_check() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("examples-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ringup = || Command::new(env!("CARGO_BIN_EXE_ringup"));
    let secret = |name: &str| {
        use std::os::unix::fs::OpenOptionsExt;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name));
        std::io::Write::write_all(&mut file.unwrap(), b"aW52ZW50ZWQgaW52ZW50ZWQ=\n").unwrap();
    };
    ["home.tsig", "friend.tsig", "cabin.tsig", "routers.tsig", "ns2.tsig"].into_iter().for_each(secret);
    ["home.isp-secret", "client.isp-secret", "administrator.token"].into_iter().for_each(secret);
    let mut keys = Vec::new();
    for host in ["home", "cabin", "client"] {
        let made = ringup().arg("identity").arg(folder.join(format!("{host}.identity"))).output().unwrap();
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        keys.push((format!("PUBLIC-KEY-OF-{}", host.to_uppercase()), key));
    }
    let host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH root@home\n";
    std::fs::write(folder.join("home.ssh-host-key.pub"), host_key).unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/exchange.scenario");
    std::fs::copy(scenario, folder.join("exchange.scenario")).unwrap();
    for (file, mut text) in examples() {
        for (placeholder, key) in &keys {
            text = text.replace(placeholder, key);
        }
        std::fs::write(folder.join(&file), text).unwrap();
    }
    let codes = ringup().arg("code").arg("--config").arg(folder.join("callers.toml")).output().unwrap();
    assert!(codes.status.success(), "{}", String::from_utf8_lossy(&codes.stderr));
    for file in examples().keys() {
        let checked = ringup().arg("check").arg("--config").arg(folder.join(file)).output().unwrap();
        assert!(checked.status.success(), "{file}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
