//! The digester of `atat`, as its documentation has it used: unasked reports by their names, the rest by itself.

use atat::digest::parser::urc_helper;
use atat::digest::{DigestResult, Digester, ParseError, Parser};
use atat::AtDigester;

use super::READ;

struct Reports;

impl Parser for Reports {
    fn parse(buffer: &[u8]) -> Result<(&[u8], usize), ParseError> {
        for name in ["RING", "+CRING", "+CLIP", "+CCWA"] {
            match urc_helper::<_, ()>(name)(buffer) {
                Ok((_, found)) => return Ok(found),
                Err(nom::Err::Incomplete(_)) => return Err(ParseError::Incomplete),
                Err(nom::Err::Error(()) | nom::Err::Failure(())) => {}
            }
        }
        Err(ParseError::NoMatch)
    }
}

/// What a firmware's buffer holds.
const BUFFER: usize = 1024;

/// Digests all of it; answers how many reports and responses there were.
pub fn digest(bytes: &[u8]) -> usize {
    let mut digester = AtDigester::<Reports>::new();
    let mut buffer = Vec::with_capacity(BUFFER + READ);
    let mut count = 0;
    for read in bytes.chunks(READ) {
        buffer.extend_from_slice(read);
        let mut done = 0;
        loop {
            let (result, taken) = digester.digest(&buffer[done..]);
            done += taken;
            match result {
                DigestResult::None => break,
                DigestResult::Urc(_) | DigestResult::Response(_) | DigestResult::Prompt(_) => count += 1,
            }
        }
        buffer.drain(..done);
    }
    count
}
