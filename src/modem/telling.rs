//! What a narrator tells, as lines for people and for programs.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use hayes::caller::{CallerId, CallerNumber, Checksum};
use hayes::narrator::{Content, Place, Side, Statement, Told};
use hayes::reply::CarrierReport;
use serde_json::{Map, Value, json};

/// How wide the column of what was said is; longer texts have a line of their own.
const SAID_WIDTH: usize = 32;
/// How much of one line is shown.
const SAID_LIMIT: usize = 160;

/// Writes what is told to standard output.
#[derive(Debug)]
pub(super) struct Telling {
    json: bool,
    /// The hints given so far: each is given once.
    advised: HashSet<&'static str>,
    /// Nobody reads any more.
    closed: Cell<bool>,
    /// How wide the column before it all is: places, or the time of day.
    place_width: usize,
}

impl Telling {
    pub(super) fn new(json: bool, place_width: usize) -> Self {
        Self { json, advised: HashSet::new(), closed: Cell::new(false), place_width }
    }

    /// The time: of day for people, the whole date for programs.
    pub(super) fn time(&self) -> String {
        let now = crate::clock::local();
        if self.json {
            now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
        } else {
            now.strftime("%H:%M:%S%.3f").to_string()
        }
    }

    /// Reports whether whoever read the output has had enough of it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Writes the heads of the columns; programs need none.
    pub(super) fn head(&self, place: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let width = self.place_width;
        self.write(&format!("{place:>width$}  {:<SAID_WIDTH$}  it means\n", "said"))
    }

    /// Writes one event; `time` stands in place of where it was said.
    pub(super) fn tell(&mut self, told: &Told, time: Option<&str>) -> io::Result<()> {
        let text = if self.json { as_json(told, time) } else { self.as_text(told, time) };
        self.write(&text)
    }

    /// Writes something that no modem said: the line itself changed.
    pub(super) fn remark(&self, event: &str, text: &str, time: &str, fields: Value) -> io::Result<()> {
        if self.json {
            let mut object = json!({ "event": event, "time": time, "meaning": text });
            if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
                object.extend(fields);
            }
            return self.write(&format!("{object}\n"));
        }
        let width = self.place_width;
        self.write(&format!("{time:>width$}  -- {text}\n"))
    }

    fn as_text(&mut self, told: &Told, time: Option<&str>) -> String {
        let mut text = String::new();
        let mark = match told.by {
            Side::Modem => "",
            Side::Terminal => "> ",
        };
        let width = self.place_width;
        let (last, before) = match told.said.split_last() {
            Some((last, before)) => (Some(last), before),
            None => (None, &[][..]),
        };
        let place = |at: Place| time.map_or_else(|| number(at).to_string(), str::to_owned);
        for said in before {
            put(&mut text, format_args!("{:>width$}  {mark}{}\n", place(said.at), cut(&said.text)));
        }
        let at = last.map_or_else(String::new, |said| place(said.at));
        let said = last.map_or_else(String::new, |said| format!("{mark}{}", cut(&said.text)));
        let meaning = &told.statement;
        if said.chars().count() > SAID_WIDTH {
            put(&mut text, format_args!("{at:>width$}  {said}\n{:>width$}  {:<SAID_WIDTH$}  {meaning}\n", "", ""));
        } else {
            let line = format!("{at:>width$}  {said:<SAID_WIDTH$}  {meaning}");
            put(&mut text, format_args!("{}\n", line.trim_end()));
        }
        if let Some(advice) = meaning.advice().filter(|advice| self.advised.insert(advice)) {
            put(&mut text, format_args!("{:>width$}  {:<SAID_WIDTH$}  hint: {advice}\n", "", ""));
        }
        text
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            other => other,
        }
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    #[expect(clippy::expect_used, reason = "a String takes whatever is written")]
    text.write_fmt(arguments).expect("a String takes whatever is written");
}

fn number(at: Place) -> u64 {
    match at {
        Place::Byte(at) | Place::Line(at) => at,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SAID_LIMIT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn as_json(told: &Told, time: Option<&str>) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    };
    put("event", told.statement.name().into());
    match (time, told.said.first().map(|said| said.at)) {
        (Some(time), _) => put("time", time.into()),
        (None, Some(Place::Byte(at))) => put("byte", at.into()),
        (None, Some(Place::Line(at))) => put("line", at.into()),
        (None, None) => {}
    }
    put("by", if told.by == Side::Modem { "modem" } else { "terminal" }.into());
    put("said", told.said.iter().map(|said| said.text.as_str()).collect());
    put("meaning", told.statement.to_string().into());
    put("hint", told.statement.advice().map_or(Value::Null, Into::into));
    details(&told.statement, &mut put);
    format!("{}\n", Value::Object(object))
}

/// What programs want to know of a statement beyond its name.
fn details(statement: &Statement, put: &mut dyn FnMut(&str, Value)) {
    match statement {
        Statement::Answer { command, .. } => put("command", command.as_str().into()),
        Statement::CallWaiting(caller) => caller_details(caller, put),
        Statement::Caller { caller, message } => {
            caller_details(caller, put);
            if let Some(message) = message {
                put("checksum", checksum(message.checksum).into());
            }
        }
        Statement::CallListed(call) => {
            put("index", call.index.into());
            put("number", number_value(call.number.as_ref()));
            put("reason", reason(call.number.as_ref()));
        }
        Statement::Carrier(report) => carrier_details(report, put),
        Statement::Connected { connect, numeric, data } => {
            put("numeric", (*numeric).into());
            put("data", (*data).into());
            put("text", connect.text.as_str().into());
            put("speed", connect.speed.map_or(Value::Null, Into::into));
            carrier_details(&connect.carrier, put);
        }
        Statement::Data { bytes, content } => {
            put("bytes", (*bytes).into());
            let content = match content {
                Content::Binary => "binary",
                Content::Ppp => "ppp",
                Content::Text => "text",
            };
            put("content", content.into());
        }
        Statement::Message(Some(message)) => put("checksum", checksum(message.checksum).into()),
        Statement::Modem { id, name } => {
            put("profile", id.as_str().into());
            put("name", name.as_str().into());
        }
        Statement::Result { code, numeric, cause, .. } => {
            put("code", code.to_string().into());
            put("numeric", (*numeric).into());
            put("cause", cause.as_deref().map_or(Value::Null, Into::into));
        }
        Statement::Ring { info, caller, count } => {
            put("count", (*count).into());
            match &info.variant {
                hayes::reply::RingVariant::Plain => {}
                hayes::reply::RingVariant::Distinctive(cadence) => put("cadence", cadence.as_str().into()),
                hayes::reply::RingVariant::Service(service) => put("service", service.as_str().into()),
            }
            put("called", info.called.as_deref().map_or(Value::Null, Into::into));
            put("number", number_value(caller.as_ref()));
            put("reason", reason(caller.as_ref()));
        }
        Statement::Typed { bytes } => put("bytes", (*bytes).into()),
        Statement::CallOver
        | Statement::Command { .. }
        | Statement::CommandState
        | Statement::Digits { .. }
        | Statement::Echo { .. }
        | Statement::Escape
        | Statement::Garbage
        | Statement::Message(None)
        | Statement::MessageWaiting
        | Statement::Overlong
        | Statement::Ppp { .. }
        | Statement::Progress(_)
        | Statement::Repeat
        | Statement::Report { .. }
        | Statement::Unfinished
        | Statement::Unknown
        | Statement::VendorCode
        | Statement::Voice => {}
    }
}

fn caller_details(caller: &CallerId, put: &mut dyn FnMut(&str, Value)) {
    put("number", number_value(caller.number.as_ref()));
    put("reason", reason(caller.number.as_ref()));
    for (name, text) in [
        ("name", &caller.name),
        ("date", &caller.date),
        ("clock", &caller.time),
        ("called", &caller.called),
        ("diverted-from", &caller.diverted_from),
    ] {
        put(name, text.as_deref().map_or(Value::Null, Into::into));
    }
}

fn carrier_details(report: &CarrierReport, put: &mut dyn FnMut(&str, Value)) {
    put("line-rate", report.line_rate.map_or(Value::Null, Into::into));
    put("tty-rate", report.tty_rate.map_or(Value::Null, Into::into));
    put("modulation", report.modulation.map_or(Value::Null, |modulation| modulation.to_string().into()));
    put("error-control", report.error_control.map_or(Value::Null, |control| control.to_string().into()));
    put("compression", report.compression.map_or(Value::Null, |compression| compression.to_string().into()));
}

fn number_value(number: Option<&CallerNumber>) -> Value {
    match number {
        Some(CallerNumber::Known(digits)) => digits.as_str().into(),
        Some(CallerNumber::Withheld | CallerNumber::Unavailable) | None => Value::Null,
    }
}

/// Why there is no number.
fn reason(number: Option<&CallerNumber>) -> Value {
    match number {
        Some(CallerNumber::Withheld) => "withheld".into(),
        Some(CallerNumber::Unavailable) => "unavailable".into(),
        Some(CallerNumber::Known(_)) | None => Value::Null,
    }
}

fn checksum(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::Right => "right",
        Checksum::Absent => "absent",
        Checksum::Wrong => "wrong",
    }
}
