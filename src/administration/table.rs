//! What the commands print for people.

use serde_json::Value;

use super::text;

/// The hosts, a line each.
pub(super) fn hosts(hosts: &Value) -> String {
    columns(
        &["HOST", "STATE", "RECORD", "SINCE", "ADDRESSES"],
        each(hosts).map(|host| {
            vec![
                text(host, "host").to_owned(),
                state(host),
                number(host, "seq"),
                when(host, "received"),
                addresses(host),
            ]
        }),
    )
}

/// One host, a line for each thing that is known.
pub(super) fn host(host: &Value) -> String {
    let mut lines = vec![format!("{} is {}", text(host, "host"), state(host))];
    for (label, said) in [
        ("addresses", addresses(host)),
        ("reachability", text(host, "reachability").to_owned()),
        ("record", number(host, "seq")),
        ("received", when(host, "received")),
        ("holds until", when(host, "expires")),
        ("identity", text(host, "identity").to_owned()),
    ] {
        if !said.is_empty() {
            lines.push(format!("{label:<13}{said}"));
        }
    }
    lines.join("\n")
}

/// A host's history, a line a change.
pub(super) fn history(past: &Value) -> String {
    columns(
        &["RECEIVED", "STATE", "RECORD", "BY", "ADDRESSES"],
        each(past).map(|one| {
            vec![when(one, "received"), state(one), number(one, "seq"), text(one, "by").to_owned(), addresses(one)]
        }),
    )
}

/// The credentials, a line each.
pub(super) fn credentials(found: &Value) -> String {
    columns(
        &["CREDENTIAL", "KIND", "MADE", "HOSTS"],
        each(found).map(|one| {
            let configured = one.get("configured").and_then(Value::as_bool).unwrap_or(false);
            let made = if configured { "in the configuration".to_owned() } else { when(one, "added") };
            vec![text(one, "name").to_owned(), text(one, "kind").to_owned(), made, list(one, "hosts")]
        }),
    )
}

/// A moment by this machine's clock.
pub(super) fn moment(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let local = timestamp.map(|timestamp| timestamp.to_zoned(jiff::tz::TimeZone::system()));
    local.map_or_else(|| format!("{seconds} s"), |local| local.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A record that nobody signed is never shown as if somebody had.
fn state(host: &Value) -> String {
    let state = text(host, "state");
    let certified = host.get("certified").and_then(Value::as_bool).unwrap_or(false);
    if certified || matches!(state, "unknown" | "removed") { state.to_owned() } else { format!("{state}, uncertified") }
}

fn addresses(host: &Value) -> String {
    list(host, "addresses")
}

fn list(value: &Value, key: &str) -> String {
    let items = value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(", ")
}

fn number(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default()
}

fn when(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_u64).map(moment).unwrap_or_default()
}

fn columns(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_signed_is_shown_as_such() {
        let uncertified = json!({ "host": "cam.dyn.test", "state": "online", "certified": false, "seq": 3,
            "addresses": ["203.0.113.9"] });
        assert!(host(&uncertified).contains("online, uncertified"));
        let listed = hosts(&json!([uncertified, { "host": "new.dyn.test", "state": "unknown", "certified": false }]));
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("online, uncertified") && lines[1].ends_with("203.0.113.9"), "{listed}");
        assert!(lines[2].ends_with("unknown"), "{listed}");
    }
}
