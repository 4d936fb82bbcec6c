//! The events of a dialogue, each with its name for programs.

use crate::caller::{CallerId, CallerNumber, DataMessage};
use crate::reply::{CarrierReport, Connect, ListedCall, ResultCode, RingInfo};

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The modem.
    Modem,
    /// The computer.
    Terminal,
}

/// What the bytes of a call look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Neither of the others.
    Binary,
    /// PPP.
    Ppp,
    /// Nothing but characters for people.
    Text,
}

/// What something means. [`Display`](std::fmt::Display) says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The answer to a command, or a part of it.
    Answer {
        /// The command, without `AT`.
        command: String,
        /// What it says, where that is known beyond its own words.
        meaning: Option<String>,
        /// It is not the first line of the answer.
        further: bool,
    },
    /// A waiting call is announced while another one stands.
    CallWaiting(CallerId),
    /// A call in a list that was asked for.
    CallListed(ListedCall),
    /// The call that carried data is over.
    CallOver,
    /// Caller identification.
    Caller {
        /// Who calls; without any field where the message says nothing.
        caller: CallerId,
        /// The message it came in, where the modem printed that as it is.
        message: Option<DataMessage>,
    },
    /// Something about the connection that is being made.
    Carrier(CarrierReport),
    /// The terminal gave a command.
    Command {
        /// What it asks for.
        meaning: String,
    },
    /// The modem is back in command state, the call still stands.
    CommandState,
    /// A connection stands.
    Connected {
        /// What is known of it.
        connect: Connect,
        /// It was told by a number.
        numeric: bool,
        /// What follows is data; not so for a voice call.
        data: bool,
    },
    /// Data went over the call.
    Data {
        /// How many bytes came in.
        bytes: u64,
        /// What they look like.
        content: Content,
    },
    /// Digits and nothing else.
    Digits {
        /// They are those that the modem dials.
        dialled: bool,
    },
    /// The modem repeats what it was sent.
    Echo {
        /// What the command asks for, where only the echo tells of it.
        command: Option<String>,
    },
    /// The terminal asks for command state: `+++`.
    Escape,
    /// Bytes that no modem says.
    Garbage,
    /// A data message that is about no call, is garbled, or (`None`) was cut short.
    Message(Option<DataMessage>),
    /// Messages wait in a mailbox; nobody calls.
    MessageWaiting,
    /// The modem has shown what kind it is.
    Modem {
        /// Its profile's short name.
        id: String,
        /// Its profile's name.
        name: String,
    },
    /// A line longer than any that means something.
    Overlong,
    /// PPP has begun.
    Ppp {
        /// After a `CONNECT`.
        announced: bool,
    },
    /// Progress of a call, in words; empty where it is not known what it means.
    Progress(&'static str),
    /// The terminal has the last command repeated: `A/`.
    Repeat,
    /// A cellular modem reports something unasked.
    Report {
        /// In words.
        meaning: String,
    },
    /// A result code.
    Result {
        /// Which.
        code: ResultCode,
        /// It was told by a number.
        numeric: bool,
        /// Why, where the modem says.
        cause: Option<String>,
        /// It ends a dial.
        dialled: bool,
    },
    /// An incoming call alerts.
    Ring {
        /// How.
        info: RingInfo,
        /// Who calls, where the modem says so in the same breath.
        caller: Option<CallerNumber>,
        /// The how many-th ring it is.
        count: u32,
    },
    /// The terminal sent data, or something that is no command.
    Typed {
        /// How many bytes.
        bytes: usize,
    },
    /// A line that the capture cuts off.
    Unfinished,
    /// A line that is not understood.
    Unknown,
    /// A number that makers use for different result codes.
    VendorCode,
    /// Something answered that is no data modem.
    Voice,
}

impl Statement {
    /// The event's name for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::CallWaiting(_) => "call-waiting",
            Self::CallListed(_) => "call-listed",
            Self::CallOver => "call-over",
            Self::Caller { .. } => "caller",
            Self::Carrier(_) => "carrier",
            Self::Command { .. } => "command",
            Self::CommandState => "command-state",
            Self::Connected { .. } => "connected",
            Self::Data { .. } => "data",
            Self::Digits { .. } => "digits",
            Self::Echo { .. } => "echo",
            Self::Escape => "escape",
            Self::Garbage => "garbage",
            Self::Message(_) => "message",
            Self::MessageWaiting => "message-waiting",
            Self::Modem { .. } => "modem",
            Self::Overlong => "overlong",
            Self::Ppp { .. } => "ppp",
            Self::Progress(_) => "progress",
            Self::Repeat => "repeat",
            Self::Report { .. } => "report",
            Self::Result { .. } => "result",
            Self::Ring { .. } => "ring",
            Self::Typed { .. } => "typed",
            Self::Unfinished => "unfinished",
            Self::Unknown => "unknown",
            Self::VendorCode => "vendor-code",
            Self::Voice => "voice",
        }
    }

    /// What to do about it, where something is wrong.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Result { code, dialled, .. } => result_advice(code, *dialled),
            Self::Garbage => Some("is the tty's rate the modem's? does another program read the line, too?"),
            Self::Overlong => Some("no modem says that much in a line: is this a capture of a modem in command state?"),
            Self::Message(Some(message)) if message.checksum == crate::caller::Checksum::Wrong => {
                Some("noise on the line, or two modems on it that answer each other: try another cable or filter")
            }
            Self::Ppp { announced: false } => Some("the capture begins within a call, or the modem has Q1 set"),
            Self::Voice => Some("is this the number of a modem? call it by ear"),
            Self::VendorCode => Some("have it say result codes in words: ATV1"),
            Self::Answer { .. }
            | Self::CallWaiting(_)
            | Self::CallListed(_)
            | Self::CallOver
            | Self::Caller { .. }
            | Self::Carrier(_)
            | Self::Command { .. }
            | Self::CommandState
            | Self::Connected { .. }
            | Self::Data { .. }
            | Self::Digits { .. }
            | Self::Echo { .. }
            | Self::Escape
            | Self::Message(_)
            | Self::MessageWaiting
            | Self::Modem { .. }
            | Self::Ppp { .. }
            | Self::Progress(_)
            | Self::Repeat
            | Self::Report { .. }
            | Self::Ring { .. }
            | Self::Typed { .. }
            | Self::Unfinished
            | Self::Unknown => None,
        }
    }
}

fn result_advice(code: &ResultCode, dialled: bool) -> Option<&'static str> {
    Some(match code {
        ResultCode::NoDialTone => {
            "is the cable in the wall, and no other telephone off hook? behind a PBX or on VoIP: ATX3"
        }
        ResultCode::NoCarrier if dialled => {
            "is it a modem that answers there? call it by ear; give it longer by ATS7=90, or a lower rate"
        }
        ResultCode::Busy => {
            "dial again later, not at once: many countries' modems blacklist a number after a few tries"
        }
        ResultCode::NoAnswer => "give it longer by ATS7=90; does anything pick up there?",
        ResultCode::Delayed => "wait: the modem's own timer forbids this number for now; AT*B lists it on some",
        ResultCode::Blacklisted | ResultCode::BlacklistFull => {
            "the modem refuses this number after too many tries: power-cycle it, or wait; AT*B or AT%B lists them"
        }
        ResultCode::Error if dialled => "the modem does not dial this: check the number and what stands before it",
        ResultCode::Error => "it knows no such command, or not this value: compare with its manual",
        ResultCode::NoCarrier | ResultCode::Ok | ResultCode::Connect(_) | ResultCode::Ring | ResultCode::Ringing => {
            return None;
        }
    })
}
