//! Host names as domain names on the wire, and the name under which a host's statement is kept.

use domain::base::Name;
use domain::base::name::ToName;

use crate::record::HostName;

/// The label put before a host's name to form the name of its statement.
pub const STATEMENT_LABEL: &str = "_ringup";

/// Gives a host's name in wire format.
#[must_use]
pub fn of_host(host: &HostName) -> Name<Vec<u8>> {
    from_labels(host.labels())
}

/// Gives the name of a host's statement, `_ringup.<host>`, in wire format.
#[must_use]
pub fn of_statement(host: &HostName) -> Name<Vec<u8>> {
    from_labels(std::iter::once(STATEMENT_LABEL).chain(host.labels()))
}

/// What of a host a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The host itself: its addresses.
    Host,
    /// Its statement.
    Statement,
}

/// Reads a host's name, or that of its statement, from the wire; `None` for a name that no host can have.
#[must_use]
pub fn read<N: ToName>(name: &N) -> Option<(HostName, Part)> {
    let text = text_of(name)?;
    match text.split_once('.') {
        Some((label, host)) if label.eq_ignore_ascii_case(STATEMENT_LABEL) => {
            Some((host.parse().ok()?, Part::Statement))
        }
        Some(_) | None => Some((text.parse().ok()?, Part::Host)),
    }
}

/// A dot inside a label would read as two labels, so such a name has no text.
fn text_of<N: ToName>(name: &N) -> Option<String> {
    let mut text = String::with_capacity(64);
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        let label = std::str::from_utf8(label.as_slice()).ok()?;
        if label.contains('.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(label);
    }
    Some(text)
}

#[expect(clippy::expect_used, reason = "a validated host name with one label before it is a valid domain name")]
fn from_labels<'t>(labels: impl Iterator<Item = &'t str>) -> Name<Vec<u8>> {
    let mut wire = Vec::with_capacity(64);
    for label in labels {
        wire.push(u8::try_from(label.len()).expect("a label has at most 63 characters"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    Name::from_octets(wire).expect("labels of a host name make a domain name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_wire() {
        let host: HostName = "home.dyn.test".parse().unwrap();
        assert_eq!(of_host(&host).as_slice(), b"\x04home\x03dyn\x04test\0");
        assert_eq!(read(&of_host(&host)), Some((host.clone(), Part::Host)));
        assert_eq!(read(&of_statement(&host)), Some((host, Part::Statement)));
    }

    #[test]
    fn the_longest_name_has_room_for_its_label() {
        let host: HostName = vec!["a"; 100].join(".").parse().unwrap();
        assert_eq!(read(&of_statement(&host)), Some((host, Part::Statement)));
    }

    #[test]
    fn a_dot_inside_a_label_is_no_separator() {
        let name = Name::from_octets(b"\x08home.dyn\x04test\0".to_vec()).unwrap();
        assert_eq!(read(&name), None);
    }
}
