//! Statements in words.

use std::fmt;

use super::statement::{Content, Statement};
use crate::caller::{CallerId, CallerNumber, Checksum, DataMessage, MessageKind};
use crate::reply::{
    CallDirection, CallMode, CallState, CarrierReport, Compression, Connect, ErrorControl, ListedCall, ResultCode,
    RingInfo, RingVariant,
};

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { meaning: None, further: true, .. } => Ok(()),
            Self::Answer { meaning: Some(meaning), .. } => f.write_str(meaning),
            Self::Answer { command, meaning: None, further: false } => write!(f, "the answer to AT{command}"),
            Self::CallWaiting(caller) => write!(f, "another call waits; {}", who(caller)),
            Self::CallListed(call) => listed(call, f),
            Self::CallOver => f.write_str("the call is over"),
            Self::Caller { caller, message } => {
                f.write_str(&who(caller))?;
                message.iter().try_for_each(|message| write!(f, " ({})", told_of(message)))
            }
            Self::Carrier(report) => write!(f, "being connected: {}", carrier(report)),
            Self::Command { meaning } => f.write_str(meaning),
            Self::CommandState => f.write_str("back in command state; the call still stands (ATO goes on with it)"),
            Self::Connected { data: false, .. } => f.write_str("the voice call is answered; no data follows"),
            Self::Connected { connect, .. } => connected(connect, f),
            Self::Data { bytes, content } => {
                let what = match content {
                    Content::Binary => "binary data",
                    Content::Ppp => "PPP",
                    Content::Text => "text of the other end",
                };
                write!(f, "{what}, {bytes} {}", if *bytes == 1 { "byte" } else { "bytes" })
            }
            Self::Digits { dialled: true } => f.write_str("the digits that it dials"),
            Self::Digits { dialled: false } => {
                f.write_str("a number: a caller's while it rings, a dialled one while it dials")
            }
            Self::Echo { command: Some(command) } => write!(f, "it was asked: {command}"),
            Self::Echo { command: None } => f.write_str("echo of what it was sent"),
            Self::Escape => f.write_str("escape: asks for command state in the midst of a call"),
            Self::Garbage => f.write_str("garbage: no modem says this"),
            Self::Message(Some(message)) => f.write_str(&told_of(message)),
            Self::Message(None) => f.write_str("caller identification in hexadecimal, cut short: nothing to be read"),
            Self::MessageWaiting => f.write_str("messages wait in a mailbox; nobody calls"),
            Self::Modem { id, name } => write!(f, "this is a modem of the kind {name} (profile {id})"),
            Self::Overlong => f.write_str("a line without end; its tail was left out"),
            Self::Ppp { announced: true } => f.write_str("LCP: PPP has begun"),
            Self::Ppp { announced: false } => f.write_str("LCP: PPP, in a call whose CONNECT is not here"),
            Self::Progress("") => f.write_str("progress of the call"),
            Self::Progress(meaning) => f.write_str(meaning),
            Self::Repeat => f.write_str("the last command again"),
            Self::Report { meaning } => f.write_str(meaning),
            Self::Result { code, numeric, cause, dialled } => {
                if *numeric {
                    write!(f, "{code}: ")?;
                }
                f.write_str(result(code, *dialled))?;
                cause.iter().try_for_each(|cause| write!(f, " ({cause})"))
            }
            Self::Ring { info, caller, count } => ring(info, caller.as_ref(), *count, f),
            Self::Typed { bytes } => {
                write!(f, "{bytes} {} to the other end", if *bytes == 1 { "byte" } else { "bytes" })
            }
            Self::Unfinished => f.write_str("cut off by the end of the capture"),
            Self::Unknown => f.write_str("not understood"),
            Self::VendorCode => f.write_str("a number that each maker uses for another result code"),
            Self::Voice => f.write_str("a person, an answering machine or a fax answered: no data"),
        }
    }
}

fn result(code: &ResultCode, dialled: bool) -> &'static str {
    match code {
        ResultCode::Ok => "done",
        ResultCode::Connect(_) => "connected",
        ResultCode::Ring => "a call comes in",
        ResultCode::NoCarrier if dialled => "no connection came about",
        ResultCode::NoCarrier => "the call ended, or none came about",
        ResultCode::Error => "refused",
        ResultCode::NoDialTone => "the line is dead, or another telephone on it is off hook",
        ResultCode::Busy => "the number is busy",
        ResultCode::NoAnswer => "nobody answered within S7 seconds",
        ResultCode::Ringing => "it rings at the other end",
        ResultCode::Delayed => "the modem will not dial this number for now",
        ResultCode::Blacklisted => "the modem will not dial this number any more",
        ResultCode::BlacklistFull => "the modem's list of refused numbers is full",
    }
}

fn ring(info: &RingInfo, caller: Option<&CallerNumber>, count: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "a call comes in: ring {count}")?;
    match &info.variant {
        RingVariant::Plain => {}
        RingVariant::Distinctive(name) => write!(f, ", distinctive cadence {name}")?,
        RingVariant::Service(service) => write!(f, ", kind {service}")?,
    }
    if let Some(called) = &info.called {
        write!(f, ", for {called}")?;
    }
    caller.iter().try_for_each(|number| write!(f, ", from {}", number_of(number)))
}

fn number_of(number: &CallerNumber) -> &str {
    match number {
        CallerNumber::Known(digits) => digits,
        CallerNumber::Withheld => "somebody who withholds the number",
        CallerNumber::Unavailable => "somebody whose number is not available",
    }
}

fn who(caller: &CallerId) -> String {
    let mut words = Vec::new();
    match (&caller.number, &caller.name) {
        (Some(number), Some(name)) => words.push(format!("caller: {}, {name}", number_of(number))),
        (Some(number), None) => words.push(format!("caller: {}", number_of(number))),
        (None, Some(name)) => words.push(format!("caller: {name}, without a number")),
        (None, None) => {}
    }
    let moment = [caller.date.as_deref().map(date), caller.time.as_deref().map(time)];
    let moment: Vec<String> = moment.into_iter().flatten().collect();
    if !moment.is_empty() {
        words.push(moment.join(" "));
    }
    words.extend(caller.called.iter().map(|called| format!("called {called}")));
    words.extend(caller.diverted_from.iter().map(|from| format!("diverted from {from}")));
    if words.is_empty() { "caller identification that says nothing".to_owned() } else { words.join(", ") }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `1123` as 23 Nov; as it is where it is no date.
fn date(text: &str) -> String {
    let parts = text.split_at_checked(2).filter(|_| text.len() == 4);
    let read = parts.and_then(|(month, day)| {
        let month: usize = month.parse().ok()?;
        let day: u8 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
        Some(format!("{day} {}", MONTHS.get(month.checked_sub(1)?)?))
    });
    read.unwrap_or_else(|| format!("date {text}"))
}

/// `1405` as 14:05.
fn time(text: &str) -> String {
    match text.split_at_checked(2).filter(|_| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())) {
        Some((hour, minute)) => format!("{hour}:{minute}"),
        None => format!("time {text}"),
    }
}

fn told_of(message: &DataMessage) -> String {
    let kind = match message.kind {
        MessageKind::CallSdmf => "SDMF",
        MessageKind::CallMdmf => "MDMF",
        MessageKind::WaitingSdmf | MessageKind::WaitingMdmf => "messages wait in a mailbox; nobody calls",
        MessageKind::Charge => "advice of charge",
        MessageKind::ShortMessage => "a short message",
    };
    let verdict = match message.checksum {
        Checksum::Right => "checksum right",
        Checksum::Absent => "without its checksum",
        Checksum::Wrong => "checksum wrong: garbled on the line, not to be believed",
    };
    if message.parameters.is_empty() {
        return format!("{kind}, {verdict}");
    }
    let parameters: Vec<String> = message.parameters.iter().map(|kind| format!("{kind:02X}")).collect();
    format!("{kind}, parameters {}, {verdict}", parameters.join(" "))
}

fn listed(call: &ListedCall, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let state = match call.state {
        CallState::Active => "connected",
        CallState::Held => "on hold",
        CallState::Dialling => "being dialled",
        CallState::Alerting => "ringing there",
        CallState::Incoming => "ringing here",
        CallState::Waiting => "waiting",
    };
    let mode = match call.mode {
        CallMode::Voice => "voice",
        CallMode::Data => "data",
        CallMode::Fax => "fax",
        CallMode::Other => "other",
    };
    let way = match call.direction {
        CallDirection::Outgoing => "to",
        CallDirection::Incoming => "from",
    };
    let number = call.number.as_ref().map_or("an unknown number", number_of);
    write!(f, "call {}: {mode} {way} {number}, {state}", call.index)
}

fn connected(connect: &Connect, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let known = carrier(&connect.carrier);
    match (connect.speed, known.as_str()) {
        (None, "") => f.write_str("connected; the modem does not say how"),
        (Some(speed), "") => write!(f, "connected: {speed} bit/s, of the line or of the tty"),
        _ => write!(f, "connected: {known}"),
    }
}

fn carrier(report: &CarrierReport) -> String {
    let words = [
        report.line_rate.map(|rate| format!("line {rate} bit/s")),
        report.tty_rate.map(|rate| format!("tty {rate} bit/s")),
        report.modulation.map(|modulation| modulation.to_string()),
        report.error_control.map(error_control),
        report.compression.map(compressed),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn error_control(control: ErrorControl) -> String {
    match control {
        ErrorControl::None => "no error control".to_owned(),
        ErrorControl::Unnamed => "error control".to_owned(),
        ErrorControl::Lapm | ErrorControl::Mnp | ErrorControl::Rlp => format!("error control {control}"),
    }
}

fn compressed(compression: Compression) -> String {
    match compression {
        Compression::None => "no compression".to_owned(),
        Compression::Unnamed => "compression".to_owned(),
        Compression::Mnp5 | Compression::V42Bis | Compression::V44 => format!("compression {compression}"),
    }
}

/// In words what a line of progress says; empty where it is not known.
pub(super) fn progress(line: &str) -> &'static str {
    const WORDS: [(&str, &str); 16] = [
        ("DIALING", "it dials"),
        ("RRING", "it rings at the other end"),
        ("RINGBACK", "it rings at the other end"),
        ("CED", "a fax's answer tone is heard"),
        ("DATA", "a data modem answers"),
        ("DTMF", "somebody keys tones"),
        ("MESSAGE-WAITING", "the stuttering dial tone of a mailbox with messages"),
        ("STAS", "a stuttering dial tone"),
        ("POLARITY REVERSAL", "the exchange reversed the line: the other end answered, or hung up"),
        ("NO POLARITY REVERSAL", "the exchange did not reverse the line"),
        ("CARRIER", "a carrier is heard"),
        ("\u{10}h", "the handset was put down"),
        ("\u{10}H", "the handset was lifted"),
        ("\u{10}P", "another telephone on the line is off hook"),
        ("\u{10}p", "the other telephone on the line is on hook again"),
        ("\u{10}\u{3}", "end of fax or voice data"),
    ];
    const STARTS: [(&str, &str); 9] = [
        ("+A8", "V.8 call tones"),
        ("+F34:", "V.34 fax rates"),
        ("+FDB:", "a fax's debugging message"),
        ("+F4", "fax: the carrier is of another kind"),
        ("+ER", "error control is agreed"),
        ("DRON=", "the bell sounded, in tenths of a second"),
        ("DROF=", "the bell was silent, in tenths of a second"),
        ("+", "about the connection that is being made"),
        ("\u{10}", "an event of voice mode"),
    ];
    let word = WORDS.iter().find(|(word, _)| *word == line);
    let start = || STARTS.iter().find(|(start, _)| line.starts_with(start));
    word.or_else(start).map_or("", |(_, meaning)| meaning)
}

/// How many of a line's characters no modem says, before it is garbage: one in four.
const GARBAGE: usize = 4;

pub(super) fn is_garbage(line: &str) -> bool {
    let strange = line.chars().filter(|c| c.is_control() || *c == char::REPLACEMENT_CHARACTER).count();
    strange > 0 && strange * GARBAGE >= line.chars().count()
}
