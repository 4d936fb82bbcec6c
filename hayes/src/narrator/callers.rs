//! Messages of caller identification out of their lines.

use super::{BLOCK_LINES, HEX_LIMIT, Narrator, Said, Statement};
use crate::caller::{CallerBlock, CallerField, CallerId, DataMessage};

impl Narrator {
    pub(super) fn add_fields(&mut self, text: &str, fields: Vec<CallerField>, said: Said) {
        if self.block.as_ref().is_some_and(|block| block.said.len() >= BLOCK_LINES) {
            self.close_block();
        }
        if let Some(message) = DataMessage::inspect(text) {
            self.close_block();
            self.tell_message(vec![said], fields, message);
            return;
        }
        let mut block = self.block.take().unwrap_or_default();
        if let [CallerField::Part(hexadecimal)] = fields.as_slice() {
            block.hexadecimal.clone_from(hexadecimal);
        }
        let mut current = Some(said);
        for field in fields {
            let last = field == CallerField::End;
            block.waiting |= field == CallerField::MessageWaiting;
            if last {
                block.said.extend(current.take());
            }
            if let Some(caller) = block.fields.add(field, self.now) {
                self.tell(std::mem::take(&mut block.said), Statement::Caller { caller, message: None });
            }
            block.said.extend(current.take());
        }
        block.said.extend(current.take());
        if !block.said.is_empty() {
            self.block = Some(block);
        }
    }

    fn tell_message(&mut self, said: Vec<Said>, fields: Vec<CallerField>, message: DataMessage) {
        let mut whole = CallerBlock::default();
        let mut caller = None;
        for field in fields {
            caller = whole.add(field, self.now).or(caller);
        }
        let statement = match caller.or_else(|| whole.close()) {
            Some(caller) => Statement::Caller { caller, message: Some(message) },
            None => Statement::Message(Some(message)),
        };
        self.tell(said, statement);
    }

    /// Reports whether a line is the next part of a message in hexadecimal.
    pub(super) fn continues_block(&self, text: &str) -> bool {
        self.block.as_ref().is_some_and(|block| block.fields.continues_with(text))
    }

    pub(super) fn add_hexadecimal(&mut self, text: &str, said: Said) {
        let Some(mut block) = self.block.take() else { return };
        block.said.push(said);
        block.hexadecimal.push_str(text);
        if let Some(message) = DataMessage::inspect(&block.hexadecimal) {
            let fields = CallerField::parse(&block.hexadecimal).unwrap_or_default();
            self.tell_message(block.said, fields, message);
        } else if block.hexadecimal.len() > HEX_LIMIT || block.said.len() >= BLOCK_LINES {
            self.tell(block.said, Statement::Message(None));
        } else {
            // Keeps its own account of what is still to come.
            let whole = block.fields.add_part(text, self.now);
            debug_assert!(whole.is_none(), "a message that is whole has been inspected");
            self.block = Some(block);
        }
    }

    pub(super) fn close_block(&mut self) {
        let Some(mut block) = self.block.take() else { return };
        let statement = match block.fields.close() {
            Some(caller) => Statement::Caller { caller, message: None },
            None if block.waiting => Statement::MessageWaiting,
            None if !block.hexadecimal.is_empty() => Statement::Message(None),
            None => Statement::Caller { caller: CallerId::default(), message: None },
        };
        self.tell(block.said, statement);
    }
}
