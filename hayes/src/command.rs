//! Command lines as a modem reads them (V.250 5.2 to 5.4 and 6.3.1, with the Hayes and vendor families).
//!
//! Owns the grammar only, and the values after `=` ([`values`]): it turns the body of a line (what stands between `AT` and S3) into [`Command`]s, one at a
//! time, and refuses to know what any of them does. A command it cannot read ends the line; a long name such as
//! `+VCID` or `#CID` is always one command, never a string of letters.

use std::collections::VecDeque;

/// One command of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A letter with an optional family character before it and a number after it: `E1`, `&C1`, `\N3`, `%C0`, `*B`.
    Basic {
        /// The family character (`&`, `\`, `%`, ...), if any.
        family: Option<char>,
        /// The letter, in upper case.
        letter: char,
        /// The number, 0 when left out (V.250 5.3.1).
        value: u32,
    },
    /// `D`: dial.
    Dial(DialString),
    /// `Sn?`: read a register (V.250 5.3.2).
    ReadRegister(u8),
    /// `Sn.b?`: read one bit of a register.
    ReadRegisterBit {
        /// The register's number.
        register: u8,
        /// The bit, 0 to 7.
        bit: u8,
    },
    /// `Sn=v`: write a register; an empty value is 0.
    SetRegister {
        /// The register's number.
        register: u8,
        /// Its new value.
        value: u8,
    },
    /// `Sn.b=v`: write one bit of a register.
    SetRegisterBit {
        /// The register's number.
        register: u8,
        /// The bit, 0 to 7.
        bit: u8,
        /// Its new state.
        on: bool,
    },
    /// `&Zn=...`: store a telephone number; it takes the rest of the line.
    StoreNumber {
        /// Its place.
        place: u8,
        /// What to dial, as typed.
        number: String,
    },
    /// `&Zn?`: tell the telephone number stored there.
    ReadNumber(u8),
    /// `+NAME`, `#NAME`, `-NAME` and the like (V.250 5.4).
    Extended {
        /// The name in upper case, with its first character: `+VCID`.
        name: String,
        /// What is asked of it.
        action: Action,
    },
}

/// What an extended command asks (V.250 5.4.2 to 5.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `+X`: do it.
    Execute,
    /// `+X=...`: set it; the text up to the next `;` outside quotes, as typed but without blanks outside quotes.
    Set(String),
    /// `+X?`: tell the present value.
    Read,
    /// `+X=?`: tell the possible values.
    Test,
}

/// The string after `D` (V.250 6.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialString {
    /// What to do on the line, in order.
    pub steps: VecDeque<DialStep>,
    /// Whether it ended with `;`: return to command state after dialling instead of waiting for a carrier.
    pub voice: bool,
    /// Whether it was `DL`: dial the last number again; `steps` is then empty.
    pub redial: bool,
    /// Whether `R` stands in it: the caller sends the answer tone, to reach a modem that can only originate.
    pub reverse: bool,
}

/// One step of dialling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialStep {
    /// Send these digits (`0`-`9`, `*`, `#`, `+`, `A`-`D`).
    Digits(String),
    /// `P`: pulse dialling from here on.
    Pulse,
    /// `T`: tone dialling from here on.
    Tone,
    /// `W`: wait for dial tone.
    DialTone,
    /// `,`: pause for S8 seconds.
    Pause,
    /// `@`: wait for a quiet answer.
    QuietAnswer,
    /// `!`: register recall, a short on-hook.
    Flash,
    /// `$`: wait for the tone after which a calling card's number is dialled.
    CardTone,
    /// `S=n`: the number stored there.
    Stored(u8),
}

/// One of the values after the `=` of an extended command (V.250 5.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Left out: it stays as it was.
    Omitted,
    /// A number or a bare word, in upper case.
    Plain(String),
    /// A string constant, without its quotes and with its escapes resolved.
    Quoted(String),
}

/// The command line cannot be read any further: the modem answers `ERROR` (V.250 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed command")]
pub struct Malformed;

/// The longest name of an extended command with its `+` (V.250 5.4.1).
const LONGEST_NAME: usize = 17;

/// Reads the commands of the body of a line, without its `AT` and S3.
///
/// Yields each command before it looks at the next, so that what stands before a mistake is still carried out
/// (V.250 5.8). After a [`Malformed`] it yields nothing more.
#[must_use]
pub fn commands(body: &[u8]) -> Commands<'_> {
    Commands { rest: body, selected: 0 }
}

/// Reads the values of [`Action::Set`], separated by commas (V.250 5.4.2).
///
/// # Errors
///
/// [`Malformed`] if a quote is not closed, something stands beside a string constant, or a backslash in one is not
/// followed by two hexadecimal digits (V.250 5.4.2.2).
pub fn values(text: &str) -> Result<Vec<Value>, Malformed> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let value;
        (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, after) = quoted.split_once('"').ok_or(Malformed)?;
            (Value::Quoted(unescape(inside)?), after)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (plain, after) = rest.split_at(end);
            if plain.contains('"') {
                return Err(Malformed);
            }
            let omitted = plain.is_empty();
            (if omitted { Value::Omitted } else { Value::Plain(plain.to_ascii_uppercase()) }, after)
        };
        values.push(value);
        if rest.is_empty() {
            return Ok(values);
        }
        rest = rest.strip_prefix(',').ok_or(Malformed)?;
    }
}

/// Resolves `\22` and the like, the only way to put a quote or a backslash into a string constant.
fn unescape(text: &str) -> Result<String, Malformed> {
    let mut resolved = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            resolved.push(c);
            continue;
        }
        let mut nibble = || rest.next().and_then(|digit| digit.to_digit(16)).ok_or(Malformed);
        let code = nibble()? * 16 + nibble()?;
        resolved.push(char::from_u32(code).ok_or(Malformed)?);
    }
    Ok(resolved)
}

/// Iterator over the commands of a line, see [`commands`].
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    rest: &'a [u8],
    /// The register that a bare `=` or `?` speaks of.
    selected: u8,
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.take()?;
            let read = match first {
                b';' => continue,
                b'D' => self.dial(),
                b'S' => match self.register() {
                    Ok(None) => continue,
                    Ok(Some(command)) => Ok(command),
                    Err(e) => Err(e),
                },
                b'=' | b'?' => self.register_action(first),
                letter if letter.is_ascii_uppercase() => Ok(self.basic(None, letter)),
                b'&' => match self.take() {
                    Some(b'Z') => self.stored_number(),
                    Some(letter) if letter.is_ascii_uppercase() => Ok(self.basic(Some('&'), letter)),
                    Some(_) | None => Err(Malformed),
                },
                b'+' => self.extended('+'),
                b'#' | b'-' | b'*' | b'$' | b'!' | b'^' | b'~' | b'%' | b'\\' => self.vendor(char::from(first)),
                _ => Err(Malformed),
            };
            if read.is_err() {
                self.rest = &[];
            }
            return Some(read);
        }
    }
}

impl Commands<'_> {
    /// The next character in upper case, left in place; blanks and control characters do not count (V.250 5.2.2).
    fn peek(&mut self) -> Option<u8> {
        while let Some((first, after)) = self.rest.split_first() {
            if *first > b' ' && *first < 0x7f {
                return Some(first.to_ascii_uppercase());
            }
            self.rest = after;
        }
        None
    }

    fn take(&mut self) -> Option<u8> {
        let first = self.peek()?;
        self.rest = self.rest.split_first().map_or(&[], |(_, after)| after);
        Some(first)
    }

    fn take_if(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        self.peek().filter(|c| wanted(*c))?;
        self.take()
    }

    /// A decimal number, if one stands here; too large ones stay at the largest.
    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.take_if(|c| c.is_ascii_digit()) {
            number = Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(u32::from(digit - b'0')));
        }
        number
    }

    fn octet(&mut self) -> Result<Option<u8>, Malformed> {
        self.number().map(u8::try_from).transpose().map_err(|_too_large| Malformed)
    }

    fn basic(&mut self, family: Option<char>, letter: u8) -> Command {
        Command::Basic { family, letter: char::from(letter), value: self.number().unwrap_or(0) }
    }

    /// After `S`: selects the register, and reads or writes it if that is asked; `None` when it is only selected.
    fn register(&mut self) -> Result<Option<Command>, Malformed> {
        self.selected = self.octet()?.unwrap_or(0);
        let Some(next) = self.take_if(|c| matches!(c, b'=' | b'?' | b'.')) else { return Ok(None) };
        if next != b'.' {
            return self.register_action(next).map(Some);
        }
        let bit = self.octet()?.filter(|bit| *bit < 8).ok_or(Malformed)?;
        if self.take_if(|c| c == b'?').is_some() {
            return Ok(Some(Command::ReadRegisterBit { register: self.selected, bit }));
        }
        self.take_if(|c| c == b'=').ok_or(Malformed)?;
        let on = match self.octet()?.unwrap_or(0) {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        Ok(Some(Command::SetRegisterBit { register: self.selected, bit, on }))
    }

    fn register_action(&mut self, sign: u8) -> Result<Command, Malformed> {
        let register = self.selected;
        if sign == b'?' {
            return Ok(Command::ReadRegister(register));
        }
        Ok(Command::SetRegister { register, value: self.octet()?.unwrap_or(0) })
    }

    /// After `&Z`: a place, then `=` and the rest of the line, or `?`.
    fn stored_number(&mut self) -> Result<Command, Malformed> {
        let place = self.octet()?.unwrap_or(0);
        match self.take() {
            Some(b'?') => Ok(Command::ReadNumber(place)),
            Some(b'=') => {
                let mut number = String::new();
                while let Some(c) = self.take() {
                    number.push(char::from(c));
                }
                Ok(Command::StoreNumber { place, number })
            }
            Some(_) | None => Err(Malformed),
        }
    }

    /// After `D`: the rest of the line, or up to a `;`. What is neither a digit nor a modifier is left out, so that
    /// numbers may be written as people write them (V.250 6.3.1).
    fn dial(&mut self) -> Result<Command, Malformed> {
        let mut string = DialString::default();
        let mut digits = String::new();
        while let Some(c) = self.take() {
            let step = match c {
                b'0'..=b'9' | b'*' | b'#' | b'+' | b'A'..=b'D' => {
                    digits.push(char::from(c));
                    continue;
                }
                b'L' if string.steps.is_empty() && digits.is_empty() => {
                    string.redial = true;
                    continue;
                }
                b';' => {
                    string.voice = true;
                    break;
                }
                b'P' => DialStep::Pulse,
                b'T' => DialStep::Tone,
                b'W' => DialStep::DialTone,
                b',' => DialStep::Pause,
                b'@' => DialStep::QuietAnswer,
                b'!' => DialStep::Flash,
                b'$' => DialStep::CardTone,
                b'R' => {
                    string.reverse = true;
                    continue;
                }
                b'S' => {
                    self.take_if(|c| c == b'=');
                    DialStep::Stored(self.octet()?.unwrap_or(0))
                }
                _ => continue,
            };
            if !digits.is_empty() {
                string.steps.push_back(DialStep::Digits(std::mem::take(&mut digits)));
            }
            string.steps.push_back(step);
        }
        if !digits.is_empty() {
            string.steps.push_back(DialStep::Digits(digits));
        }
        Ok(Command::Dial(string))
    }

    /// After `+`: a name that begins with a letter, then what is asked, then `;` or the end (V.250 5.4.1).
    fn extended(&mut self, first: char) -> Result<Command, Malformed> {
        let mut name = String::from(first);
        name.push(char::from(self.take_if(|c| c.is_ascii_uppercase()).ok_or(Malformed)?));
        while let Some(c) = self.take_if(|c| c.is_ascii_alphanumeric() || b"!%-./:_".contains(&c)) {
            name.push(char::from(c));
        }
        if name.len() > LONGEST_NAME {
            return Err(Malformed);
        }
        self.action(name)
    }

    /// After a vendor's family character: `\N3` and `%C1` are a letter and a number; `#CID=1`, `-STE=3`, `*ID1` and
    /// `%CCID=1` are names.
    fn vendor(&mut self, family: char) -> Result<Command, Malformed> {
        let mut ahead = self.clone();
        let mut run = String::new();
        while let Some(c) = ahead.take_if(|c| c.is_ascii_uppercase()) {
            run.push(char::from(c));
        }
        let asks = ahead.peek().is_some_and(|c| matches!(c, b'=' | b'?'));
        let Some(letter) = run.bytes().next() else { return Err(Malformed) };
        let letters_only = matches!(family, '\\' | '%') && !asks;
        if (run.len() == 1 && !asks) || letters_only {
            self.take();
            return Ok(self.basic(Some(family), letter));
        }
        self.rest = ahead.rest;
        let name = format!("{family}{run}");
        match self.number() {
            Some(value) => Ok(Command::Extended { name, action: Action::Set(value.to_string()) }),
            None => self.action(name),
        }
    }

    fn action(&mut self, name: String) -> Result<Command, Malformed> {
        let action = match self.take() {
            None => return Ok(Command::Extended { name, action: Action::Execute }),
            Some(b';') => return Ok(Command::Extended { name, action: Action::Execute }),
            Some(b'?') => Action::Read,
            Some(b'=') if self.peek() == Some(b'?') => {
                self.take();
                Action::Test
            }
            Some(b'=') => return Ok(Command::Extended { name, action: Action::Set(self.value()) }),
            Some(_) => return Err(Malformed),
        };
        match self.take() {
            None | Some(b';') => Ok(Command::Extended { name, action }),
            Some(_) => Err(Malformed),
        }
    }

    /// A value up to `;` or the end; a `;` or blank inside quotes belongs to it (V.250 5.4.2.2).
    fn value(&mut self) -> String {
        let mut value = String::new();
        let mut quoted = false;
        while let Some((first, after)) = self.rest.split_first() {
            self.rest = after;
            match *first {
                b'"' => quoted = !quoted,
                b';' if !quoted => break,
                c if c <= b' ' && !quoted => continue,
                _ => {}
            }
            value.push(char::from(*first & 0x7f));
        }
        value
    }
}

#[cfg(test)]
mod tests;
