//! What the modem says, in the form that `E`, `V`, `Q`, S3 and S4 ask for (V.250 5.7.1, 6.2.5, 6.2.6).

use super::{Dce, DceOutput};
use crate::reply::ResultCode;

impl Dce {
    /// Sends a result code.
    pub(super) fn result(&mut self, code: &ResultCode) {
        let numeric = match code {
            ResultCode::Connect(text) => self.connect_number(text),
            ResultCode::Ok
            | ResultCode::Ring
            | ResultCode::NoCarrier
            | ResultCode::Error
            | ResultCode::NoDialTone
            | ResultCode::Busy
            | ResultCode::NoAnswer
            | ResultCode::Ringing
            | ResultCode::Delayed
            | ResultCode::Blacklisted
            | ResultCode::BlacklistFull => code.numeric(),
        };
        self.worded(&code.to_string(), Some(numeric));
    }

    /// Sends a result code without a number of its own: an extended one, or a vendor's.
    pub(super) fn unasked(&mut self, text: &str) {
        self.worded(text, None);
    }

    /// Sends a result code: in words, or as its number if it has one and words are off.
    pub(super) fn worded(&mut self, text: &str, number: Option<u8>) {
        if self.is_quiet() {
            return;
        }
        let (cr, lf) = self.framing();
        let bytes = match number {
            _ if self.settings.verbose() => [&[cr, lf], text.as_bytes(), &[cr, lf]].concat(),
            Some(number) => [number.to_string().as_bytes(), &[cr]].concat(),
            None => [text.as_bytes(), &[cr]].concat(),
        };
        self.send(bytes);
    }

    /// Sends lines of information text.
    pub(super) fn information<S: AsRef<str>>(&mut self, lines: &[S]) {
        if lines.is_empty() {
            return;
        }
        let (cr, lf) = self.framing();
        let mut bytes = if self.settings.verbose() { vec![cr, lf] } else { Vec::new() };
        for line in lines {
            bytes.extend(line.as_ref().bytes());
            bytes.extend([cr, lf]);
        }
        self.send(bytes);
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: Vec<u8>) {
        let bytes = self.over_the_cable(bytes);
        if let Some(DceOutput::Send(pending)) = self.outputs.back_mut() {
            pending.extend(bytes);
        } else {
            self.outputs.push_back(DceOutput::Send(bytes));
        }
    }

    /// `Q1`, and `Q2` in a call from outside: no result codes.
    fn is_quiet(&self) -> bool {
        match self.settings.letter(None, 'Q') {
            0 => false,
            1 => true,
            _ => self.incoming,
        }
    }

    fn framing(&self) -> (u8, u8) {
        (self.settings.registers.line_termination(), self.settings.registers.response_formatting())
    }
}
