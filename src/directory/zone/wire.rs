//! Names as they stand on the wire, lower case: what the index and the zone compare. Nothing here copies but into arrays.

/// The longest name, with its root (RFC 1035 section 2.3.4).
pub(in crate::directory) const LONGEST_NAME: usize = 255;

/// A name read from a message, in lower case and without its root.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Lowered {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

impl Lowered {
    /// Reads an uncompressed name, such as the first of a message is; gives it and what follows it.
    pub(in crate::directory) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut name = Self { bytes: [0; LONGEST_NAME], length: 0 };
        let mut rest = bytes;
        loop {
            let (&label, after) = rest.split_first()?;
            if label == 0 {
                return Some((name, after));
            }
            let (content, after) = (label < 64).then(|| after.split_at_checked(usize::from(label)))??;
            // The root takes the last of the octets.
            let to = name.bytes.get_mut(name.length..).filter(|left| left.len() > content.len() + 1)?;
            for (to, from) in to.iter_mut().zip(std::iter::once(&label).chain(content)) {
                *to = from.to_ascii_lowercase();
            }
            name.length += 1 + content.len();
            rest = after;
        }
    }

    pub(in crate::directory) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Gives the part of a name before a zone's; both without their roots. Empty for the zone itself.
pub(in crate::directory) fn before<'n>(name: &'n [u8], zone: &[u8]) -> Option<&'n [u8]> {
    let at = name.len().checked_sub(zone.len())?;
    let (before, suffix) = name.split_at_checked(at)?;
    // The suffix counts only where a label begins.
    let mut rest = before;
    while let Some((&label, after)) = rest.split_first() {
        rest = after.get(usize::from(label)..)?;
    }
    (suffix == zone).then_some(before)
}

/// Gives the names above one, up to and without the empty one.
pub(in crate::directory) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(name), |above| parent(above)).take_while(|above| !above.is_empty())
}

fn parent(name: &[u8]) -> Option<&[u8]> {
    let (&label, after) = name.split_first()?;
    after.get(usize::from(label)..)
}

/// Writes a name's labels, lower case, without its root.
pub(in crate::directory) fn from_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    bytes
}

/// Writes a name as text, without a final dot; `None` for what is not plain text.
pub(in crate::directory) fn to_text(name: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((&label, after)) = rest.split_first() {
        let (content, after) = after.split_at_checked(usize::from(label))?;
        if content.contains(&b'.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(std::str::from_utf8(content).ok()?);
        rest = after;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_any_case_and_what_follows_is_left() {
        let (name, rest) = Lowered::read(b"\x04HoMe\x03dyn\0\0\x01").unwrap();
        assert_eq!((name.as_slice(), rest), (&b"\x04home\x03dyn"[..], &b"\0\x01"[..]));
        assert!(Lowered::read(b"\xc0\x0c").is_none(), "there is nothing before it to point at");
        assert!(Lowered::read(b"\x04hom").is_none());
        assert!(Lowered::read(&[b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4)).is_none());
        let longest =
            [[b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(3), [b"\x3d".as_slice(), &[b'a'; 61]].concat()];
        let longest = [longest.concat(), vec![0]].concat();
        assert_eq!(longest.len(), LONGEST_NAME);
        assert!(Lowered::read(&longest).is_some());
    }

    #[test]
    fn a_zone_ends_a_name_where_a_label_begins() {
        assert_eq!(before(b"\x04home\x03dyn", b"\x03dyn"), Some(&b"\x04home"[..]));
        assert_eq!(before(b"\x03dyn", b"\x03dyn"), Some(&b""[..]));
        assert_eq!(before(b"\x08home\x03dyn", b"\x03dyn"), None);
        assert_eq!(before(b"\x03net", b"\x03dyn"), None);
        let above: Vec<_> = ancestors(b"\x01a\x01b\x01c").collect();
        assert_eq!(above, [&b"\x01b\x01c"[..], b"\x01c"]);
    }

    #[test]
    fn text_and_wire_are_one_name() {
        assert_eq!(to_text(&from_text("Home.dyn")).as_deref(), Some("home.dyn"));
        assert_eq!(to_text(b"\x03a.b"), None);
    }
}
