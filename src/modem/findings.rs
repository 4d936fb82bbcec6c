//! What a probe found, as a table for people and as JSON for programs.

use std::path::PathBuf;
use std::sync::Arc;

use hayes::line::Signals;
use hayes::narrator::{classes, explain_report, register_name};
use hayes::profile::{DEFAULT_ID, Evidence, Identification, Profile};
use serde_json::{Value, json};

use super::table::Table;

/// How many lines of an answer to `ATI` are shown: the first ones name the modem, the rest are its settings.
const LINES_SHOWN: usize = 3;

/// All that was found.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) port: PathBuf,
    /// The rate it was found at, in bit/s.
    pub(super) rate: u32,
    pub(super) wanted_rate: u32,
    /// It did not answer at once: it was in data state, or at another rate.
    pub(super) searched: bool,
    pub(super) profile: Arc<Profile>,
    /// What the kind was recognised by; `None`: the configuration names it.
    pub(super) evidence: Option<Evidence>,
    pub(super) seen: Identification,
    pub(super) caller_id: CallerIdFindings,
    pub(super) registers: Vec<(&'static str, u32)>,
    pub(super) country: Option<Vec<String>>,
    pub(super) blacklist: Option<Vec<String>>,
    pub(super) calls: Option<Vec<String>>,
    pub(super) cellular: Vec<(&'static str, Vec<String>)>,
    pub(super) signals: Signals,
    /// What ringup tells it.
    pub(super) told: Vec<String>,
}

/// Whether caller identification is on; `None` where the modem does not tell, or was not reset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallerIdFindings {
    pub(super) before: Option<bool>,
    pub(super) after_reset: Option<bool>,
    pub(super) turned_on: Option<bool>,
}

impl Findings {
    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut table = Table::plain();
        let mut row = |name: &str, text: String| table.row([name.to_owned(), text]);
        row("port", self.port.display().to_string());
        let elsewhere = if self.rate == self.wanted_rate { "" } else { ", and not at the rate that was wanted" };
        let searched = if self.searched { "; it was found in data state, or at another rate" } else { "" };
        row("rate", format!("answers at {} bit/s{elsewhere}{searched}", self.rate));
        let profile = &self.profile;
        row("kind", format!("{} (profile {})", profile.name, profile.id));
        row("recognised", in_words(self.evidence.as_ref(), profile));
        for (name, commands) in [
            ("maker", &["+GMI", "+CGMI", "+FMI", "+FMFR?"][..]),
            ("model", &["+GMM", "+CGMM", "+FMM", "+FMDL?"]),
            ("revision", &["+GMR", "+CGMR", "+FMR", "+FREV?"]),
        ] {
            if let Some(answer) = commands.iter().find_map(|command| self.answer(command)) {
                row(name, answer);
            }
        }
        for (command, lines) in &self.seen.answers {
            if command.starts_with('I') {
                for (index, line) in lines.iter().take(LINES_SHOWN).enumerate() {
                    row(if index == 0 { command_name(command) } else { "" }, line.clone());
                }
                if let more @ 1.. = lines.len().saturating_sub(LINES_SHOWN) {
                    row("", format!("… {more} more; --json has them all"));
                }
            }
        }
        if let Some(usb) = self.seen.usb {
            row("USB id", usb.to_string());
        }
        row("classes", self.answer("+FCLASS=?").map_or_else(|| "data".to_owned(), |line| classes(&line)));
        if let Some(answer) = self.answer("+GCAP") {
            row("capabilities", answer.trim_start_matches("+GCAP:").trim().to_owned());
        }
        row("caller id", self.caller_id_in_words());
        row("flow control", profile.setup.flow_control.as_ref().map_or_else(unknown, |by| format!("AT{by}")));
        let distinctive = &profile.setup.distinctive_ring;
        row("distinctive ring", if distinctive.is_empty() { unknown() } else { commands(distinctive) });
        if let Some(lines) = &self.country {
            row("country", lines.join(", ").trim_start_matches("+GCI:").trim().to_owned());
        }
        for (register, value) in &self.registers {
            let number = register.trim_start_matches('S').parse().unwrap_or(u8::MAX);
            row(register, format!("{value:<4} {}", register_name(number)));
        }
        let list = |lines: &Option<Vec<String>>| match lines.as_deref() {
            None => None,
            Some([]) => Some("none".to_owned()),
            Some(lines) => Some(lines.join(", ")),
        };
        list(&self.blacklist).into_iter().for_each(|text| row("blacklisted", text));
        list(&self.calls).into_iter().for_each(|text| row("calls now", text));
        for (command, lines) in &self.cellular {
            for line in lines {
                row(&format!("AT{command}"), explain_report(line).unwrap_or_else(|| line.clone()));
            }
        }
        row("signals", self.signals_in_words());
        row("ringup sends", commands(&self.told));
        if profile.quirks.caller_id_lost_by_call {
            row("mind", "a call turns caller identification off: ringup turns it on again after each".to_owned());
        }
        table.to_string()
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let profile = &self.profile;
        let recognised = match &self.evidence {
            None => json!({ "by": "configuration" }),
            Some(Evidence::Answers(answers)) => json!({
                "by": "answers",
                "answers": answers.iter().map(|(command, line)| json!({ "command": command, "line": line })).collect::<Value>(),
            }),
            Some(Evidence::Usb(id)) => json!({ "by": "usb", "id": id.to_string() }),
            Some(Evidence::None) => json!({ "by": "nothing" }),
        };
        let signal = |on: Option<bool>| on.map_or(Value::Null, Value::Bool);
        let [dcd, ri, dsr, cts] = self.signals.named().map(|(_, on)| on);
        json!({
            "port": self.port,
            "rate": self.rate,
            "searched": self.searched,
            "profile": profile.id,
            "name": profile.name,
            "recognised": recognised,
            "answers": answers(&self.seen),
            "usb": self.seen.usb.map(|usb| usb.to_string()),
            "caller-id": {
                "commands": profile.setup.caller_id,
                "before": self.caller_id.before,
                "after-reset": self.caller_id.after_reset,
                "turned-on": self.caller_id.turned_on,
                "lost-by-call": profile.quirks.caller_id_lost_by_call,
            },
            "flow-control": profile.setup.flow_control,
            "distinctive-ring": profile.setup.distinctive_ring,
            "country": self.country,
            "registers": self.registers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<std::collections::BTreeMap<_, _>>(),
            "blacklist": self.blacklist,
            "calls": self.calls,
            "cellular": self.cellular.iter().map(|(command, lines)| (format!("AT{command}"), lines)).collect::<std::collections::BTreeMap<_, _>>(),
            "signals": { "dcd": signal(dcd), "ri": signal(ri), "dsr": signal(dsr), "cts": signal(cts) },
            "sends": self.told,
        })
    }

    fn answer(&self, command: &str) -> Option<String> {
        let lines = self.seen.answers.get(command)?;
        Some(lines.join(", ")).filter(|text| !text.is_empty())
    }

    fn caller_id_in_words(&self) -> String {
        let by = &self.profile.setup.caller_id;
        let how = if by.is_empty() { "always on".to_owned() } else { format!("by {}", commands(by)) };
        let state = |on: Option<bool>, when: &str| on.map(|on| format!("{} {when}", if on { "on" } else { "off" }));
        let CallerIdFindings { before, after_reset, turned_on } = self.caller_id;
        let states = [
            state(before, "when found"),
            state(after_reset, "after a reset"),
            state(turned_on, "once ringup has turned it on"),
        ];
        std::iter::once(how).chain(states.into_iter().flatten()).collect::<Vec<_>>().join("; ")
    }

    fn signals_in_words(&self) -> String {
        let names = self.signals.named().into_iter();
        let told = names.filter_map(|(name, on)| Some(format!("{name} {}", if on? { "on" } else { "off" })));
        let told = told.collect::<Vec<_>>().join(", ");
        if told.is_empty() { "none: this tty has no modem lines".to_owned() } else { told }
    }
}

fn command_name(command: &str) -> &str {
    match command {
        "I" => "ATI",
        "I1" => "ATI1",
        "I2" => "ATI2",
        "I3" => "ATI3",
        "I4" => "ATI4",
        "I5" => "ATI5",
        "I6" => "ATI6",
        "I7" => "ATI7",
        other => other,
    }
}

fn commands(commands: &[String]) -> String {
    commands.iter().map(|command| format!("AT{command}")).collect::<Vec<_>>().join("  ")
}

fn unknown() -> String {
    "nothing known of this kind".to_owned()
}

/// What a modem was recognised by, in words.
fn in_words(evidence: Option<&Evidence>, profile: &Profile) -> String {
    match evidence {
        None => "as the configuration says".to_owned(),
        Some(Evidence::Answers(answers)) => {
            let said = answers.iter().map(|(command, line)| format!("AT{command} says {line:?}"));
            said.collect::<Vec<_>>().join(", ")
        }
        Some(Evidence::Usb(id)) => format!("by its USB id {id}"),
        Some(Evidence::None) if profile.id == DEFAULT_ID => "nothing it says names a known kind".to_owned(),
        Some(Evidence::None) => String::new(),
    }
}

/// The answers for programs: those it gave, by their commands.
fn answers(seen: &Identification) -> Value {
    json!(
        seen.answers
            .iter()
            .map(|(command, lines)| (format!("AT{command}"), lines))
            .collect::<std::collections::BTreeMap<_, _>>()
    )
}
