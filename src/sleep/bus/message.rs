//! Messages of the D-Bus wire protocol, version 1: calls written, replies and signals read. Pure: bytes in, bytes out.
//!
//! Only the types that logind's methods have here: strings, booleans, numbers of 32 bits, file descriptors, and arrays
//! of structures of those. Whatever is malformed or longer than [`LONGEST`] is refused.

/// The longest message taken in, in bytes; the specification allows 128 MiB, logind's lists of locks are some kilobytes.
pub(in crate::sleep) const LONGEST: usize = 1 << 20;

/// How many bytes say how long a message is.
pub(in crate::sleep) const PREFIX: usize = 16;

/// A method call, to be written.
#[derive(Clone, Debug)]
pub(in crate::sleep) struct Call<'text> {
    pub(in crate::sleep) destination: &'text str,
    pub(in crate::sleep) path: &'text str,
    pub(in crate::sleep) interface: &'text str,
    pub(in crate::sleep) member: &'text str,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(in crate::sleep) enum Argument<'text> {
    Text(&'text str),
    Flag(bool),
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sleep) enum Kind {
    /// The reply to the call of this serial number.
    Reply(u32),
    /// The refusal of the call of this serial number, by the error's name.
    Error(u32, String),
    /// A signal of this name, of this interface.
    Signal { interface: String, member: String },
    /// A call of one of our methods, of which we have none.
    Call,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sleep) struct Message {
    pub(in crate::sleep) kind: Kind,
    pub(in crate::sleep) body: Body,
}

/// The values of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sleep) struct Body {
    bytes: Vec<u8>,
    big_endian: bool,
}

/// The message says something that the protocol does not allow, or that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed D-Bus message")]
pub(in crate::sleep) struct Malformed;

impl Call<'_> {
    /// Writes the call under a serial number, which is not 0.
    pub(in crate::sleep) fn write(&self, serial: u32, arguments: &[Argument<'_>]) -> Vec<u8> {
        let mut body = Writer::default();
        let mut signature = String::new();
        for argument in arguments {
            match argument {
                Argument::Text(text) => {
                    body.text(text);
                    signature.push('s');
                }
                Argument::Flag(flag) => {
                    body.number(u32::from(*flag));
                    signature.push('b');
                }
            }
        }
        let mut fields = Writer::default();
        for (code, kind, text) in
            [(1, 'o', self.path), (2, 's', self.interface), (3, 's', self.member), (6, 's', self.destination)]
        {
            fields.field(code, kind);
            fields.text(text);
        }
        if !signature.is_empty() {
            fields.field(8, 'g');
            fields.signature(&signature);
        }
        let mut message = Writer { bytes: vec![b'l', METHOD_CALL, 0, 1] };
        message.number(length(body.bytes.len()));
        message.number(serial);
        message.number(length(fields.bytes.len()));
        message.bytes.extend_from_slice(&fields.bytes);
        message.align(8);
        message.bytes.extend_from_slice(&body.bytes);
        message.bytes
    }
}

/// Tells how long the message is whose first bytes these are.
pub(in crate::sleep) fn whole_length(prefix: &[u8; PREFIX]) -> Result<usize, Malformed> {
    let big_endian = match prefix[0] {
        b'l' => false,
        b'B' => true,
        _ => return Err(Malformed),
    };
    let mut reader = Reader { bytes: prefix, at: 4, big_endian };
    let body = usize::try_from(reader.number()?).map_err(|_huge| Malformed)?;
    let _serial = reader.number()?;
    let fields = usize::try_from(reader.number()?).map_err(|_huge| Malformed)?;
    if body > LONGEST || fields > LONGEST {
        return Err(Malformed);
    }
    Ok((PREFIX + fields).next_multiple_of(8) + body)
}

impl Message {
    /// Reads a whole message.
    pub(in crate::sleep) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let prefix = bytes.first_chunk::<PREFIX>().ok_or(Malformed)?;
        if whole_length(prefix)? != bytes.len() || prefix[3] != 1 {
            return Err(Malformed);
        }
        let big_endian = prefix[0] == b'B';
        let mut reader = Reader { bytes, at: 12, big_endian };
        let fields_end = PREFIX + usize::try_from(reader.number()?).map_err(|_huge| Malformed)?;
        let (mut interface, mut member, mut error, mut reply) = (None, None, None, None);
        while reader.at < fields_end {
            reader.align(8)?;
            let code = reader.byte()?;
            let kind = reader.signature()?;
            match (code, kind.as_str()) {
                (2, "s") => interface = Some(reader.text()?),
                (3, "s") => member = Some(reader.text()?),
                (4, "s") => error = Some(reader.text()?),
                (5, "u") => reply = Some(reader.number()?),
                (_, "s" | "o") => drop(reader.text()?),
                (_, "g") => drop(reader.signature()?),
                (_, "u") => {
                    let _number = reader.number()?;
                }
                _ => return Err(Malformed),
            }
        }
        let body_start = fields_end.next_multiple_of(8);
        let body = Body { bytes: bytes.get(body_start..).ok_or(Malformed)?.to_vec(), big_endian };
        let kind = match (prefix[1], reply, error, interface, member) {
            (METHOD_CALL, ..) => Kind::Call,
            (METHOD_RETURN, Some(serial), ..) => Kind::Reply(serial),
            (ERROR, Some(serial), Some(name), ..) => Kind::Error(serial, name),
            (SIGNAL, _, _, Some(interface), Some(member)) => Kind::Signal { interface, member },
            _ => return Err(Malformed),
        };
        Ok(Self { kind, body })
    }
}

impl Body {
    /// Reads the body as one string.
    pub(in crate::sleep) fn text(&self) -> Result<String, Malformed> {
        self.reader().text()
    }

    /// Reads the body as one truth value.
    pub(in crate::sleep) fn flag(&self) -> Result<bool, Malformed> {
        match self.reader().number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// Reads the body as a list of structures of four strings and two numbers: what `ListInhibitors` returns.
    pub(in crate::sleep) fn rows(&self) -> Result<Vec<([String; 4], [u32; 2])>, Malformed> {
        let mut reader = self.reader();
        let length = usize::try_from(reader.number()?).map_err(|_huge| Malformed)?;
        reader.align(8)?;
        let end = reader.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Malformed)?;
        let mut rows = Vec::new();
        while reader.at < end {
            reader.align(8)?;
            let texts = [reader.text()?, reader.text()?, reader.text()?, reader.text()?];
            rows.push((texts, [reader.number()?, reader.number()?]));
        }
        Ok(rows)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, at: 0, big_endian: self.big_endian }
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(length(text.len()));
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.bytes.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(signature.as_bytes());
        self.bytes.push(0);
    }

    /// Begins a header field: its code, and its value's type.
    fn field(&mut self, code: u8, kind: char) {
        self.align(8);
        self.bytes.push(code);
        self.signature(kind.encode_utf8(&mut [0; 4]));
    }
}

struct Reader<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
    big_endian: bool,
}

impl<'bytes> Reader<'bytes> {
    fn take(&mut self, length: usize) -> Result<&'bytes [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<(), Malformed> {
        let padding = self.at.next_multiple_of(to) - self.at;
        self.take(padding).map(drop)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed)
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        self.align(4)?;
        let bytes = *self.take(4)?.first_chunk().ok_or(Malformed)?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_huge| Malformed)?;
        self.ended_text(length)
    }

    fn signature(&mut self) -> Result<String, Malformed> {
        let length = usize::from(self.byte()?);
        self.ended_text(length)
    }

    fn ended_text(&mut self, length: usize) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_not_text| Malformed)?.to_owned();
        if self.byte()? == 0 { Ok(text) } else { Err(Malformed) }
    }
}

/// Lengths here are of our own short texts.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inhibit() -> Vec<u8> {
        let call = Call {
            destination: "org.freedesktop.login1",
            path: "/org/freedesktop/login1",
            interface: "org.freedesktop.login1.Manager",
            member: "Inhibit",
        };
        call.write(7, &[Argument::Text("sleep:idle"), Argument::Text("ringup"), Argument::Flag(true)])
    }

    /// A message as a bus sends it: of a kind, with fields already written.
    fn message(kind: u8, fields: &[(u8, char, &str)], body: &[u8]) -> Vec<u8> {
        let mut written = Writer::default();
        written.field(5, 'u');
        written.number(7);
        for (code, kind, text) in fields {
            written.field(*code, *kind);
            if *kind == 'g' { written.signature(text) } else { written.text(text) }
        }
        let mut message = Writer { bytes: vec![b'l', kind, 1, 1] };
        message.number(length(body.len()));
        message.number(99);
        message.number(length(written.bytes.len()));
        message.bytes.extend_from_slice(&written.bytes);
        message.align(8);
        message.bytes.extend_from_slice(body);
        message.bytes
    }

    #[test]
    fn a_call_is_written_as_the_specification_lays_it_out() {
        let written = inhibit();
        assert_eq!(written[..16], [b'l', 1, 0, 1, 32, 0, 0, 0, 7, 0, 0, 0, 129, 0, 0, 0]);
        let body = &written[written.len() - 32..];
        assert_eq!(body[..15], *b"\x0a\0\0\0sleep:idle\0");
        assert_eq!(body[16..27], *b"\x06\0\0\0ringup\0");
        assert_eq!(body[28..], [1, 0, 0, 0], "aligned to four");
        assert_eq!(whole_length(written.first_chunk().unwrap()), Ok(written.len()));
    }

    #[test]
    fn replies_errors_and_signals_are_told_apart() {
        let reply = Message::read(&message(METHOD_RETURN, &[(7, 's', ":1.2")], &[1, 0, 0, 0])).unwrap();
        assert_eq!((reply.kind, reply.body.flag()), (Kind::Reply(7), Ok(true)));
        let error =
            message(ERROR, &[(4, 's', "org.freedesktop.DBus.Error.AccessDenied"), (8, 'g', "s")], b"\x02\0\0\0no\0");
        let error = Message::read(&error).unwrap();
        assert_eq!(error.kind, Kind::Error(7, "org.freedesktop.DBus.Error.AccessDenied".to_owned()));
        assert_eq!(error.body.text().as_deref(), Ok("no"));
        let signal = message(SIGNAL, &[(1, 'o', "/a"), (2, 's', "b.c"), (3, 's', "PrepareForSleep")], &[0, 0, 0, 0]);
        let signal = Message::read(&signal).unwrap();
        let expected = Kind::Signal { interface: "b.c".to_owned(), member: "PrepareForSleep".to_owned() };
        assert_eq!((signal.kind, signal.body.flag()), (expected, Ok(false)));
        assert_eq!(Message::read(&inhibit()).unwrap().kind, Kind::Call);
    }

    #[test]
    fn a_list_of_locks_is_read_row_by_row() {
        let mut body = Writer::default();
        body.number(0);
        body.align(8);
        for (who, mode) in [("NetworkManager", "delay"), ("apt", "block")] {
            body.align(8);
            for text in ["sleep", who, "because", mode] {
                body.text(text);
            }
            body.number(0);
            body.number(42);
        }
        let array = length(body.bytes.len() - 8);
        body.bytes[..4].copy_from_slice(&array.to_le_bytes());
        let rows = Message::read(&message(METHOD_RETURN, &[], &body.bytes)).unwrap().body.rows().unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], (["sleep", "apt", "because", "block"].map(str::to_owned), [0, 42]));
    }

    #[test]
    fn a_message_too_long_is_refused_by_its_first_bytes() {
        let mut prefix = *inhibit().first_chunk::<PREFIX>().unwrap();
        prefix[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(whole_length(&prefix), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::read(&bytes) {
                let _text = message.body.text();
                let _rows = message.body.rows();
            }
        }

        #[test]
        fn a_message_with_one_byte_changed_never_panics(at in 0usize..180, byte: u8) {
            let mut bytes = message(SIGNAL, &[(2, 's', "b.c"), (3, 's', "PrepareForSleep")], &[8, 0, 0, 0, 0, 0, 0, 0]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Ok(message) = Message::read(&bytes) {
                let _flag = message.body.flag();
                let _rows = message.body.rows();
            }
        }
    }
}
