//! Rings and callers: what the modem says of a call that comes in.

use std::time::{Duration, Instant};

use super::{Dce, State};
use crate::caller::CallerId;
use crate::emulator::caller::{caller_id_hexadecimal, caller_id_lines, line_identification, ring_text};
use crate::emulator::registers::DtrDrop;
use crate::profile::{CallerIdMoment, CallerIdStyle, RingStyle};
use crate::reply::ResultCode;

/// Who rings, as the network told.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) id: CallerId,
    pub(super) called: String,
}

/// The ring count S1 is cleared this long after the last ring (Hayes).
const RING_MEMORY: Duration = Duration::from_secs(8);
/// The bursts of ring patterns and the silence behind each, in tenths of a second: the ordinary one, then the
/// distinctive ones (GR-506-CORE 14).
const CADENCES: [&[(u8, u8)]; 4] =
    [&[(20, 40)], &[(8, 4), (8, 40)], &[(4, 2), (4, 2), (8, 40)], &[(3, 2), (10, 2), (3, 40)]];

impl Dce {
    /// Takes a ring.
    pub(super) fn ring(&mut self, pattern: u8, now: Instant) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.incoming = true;
        self.last_ring = Some(now);
        let rings = self.settings.registers.read(1).unwrap_or(0).saturating_add(1);
        self.settings.registers.set(1, rings);
        self.tell_ring(pattern, rings == 1);
        let wanted = self.settings.registers.auto_answer_rings();
        let terminal_ready = self.dtr || self.settings.dtr_drop() == DtrDrop::Ignore;
        if wanted > 0 && rings >= wanted && terminal_ready {
            self.ordered_at = Some(now);
            self.answer(now);
        }
    }

    /// Takes caller identification, before the first ring or between rings.
    pub(super) fn take_caller(&mut self, id: CallerId, called: String, now: Instant) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.last_caller = Some(Box::new(id.clone()));
        if self.shows_caller_in_hexadecimal() {
            self.information(&[caller_id_hexadecimal(&id)]);
        } else if self.shows_caller() && self.kind.emulation.caller_id_moment == CallerIdMoment::AsReceived {
            self.tell_caller(&id, &called);
        }
        self.caller = Some(Box::new(Caller { id, called }));
        self.last_ring.get_or_insert(now);
    }

    /// A second caller on the line of a call: only a mobile telephone says so, and only where it takes commands.
    pub(super) fn tell_waiting(&mut self, caller: &CallerId) {
        let listening = matches!(self.state, State::OffHook { .. } | State::Escaped { .. });
        if listening && self.is_cellular() && self.settings.number("+CCWA", 0) == 1 {
            self.unasked(&format!("+CCWA: {}", line_identification(caller.number.as_ref(), "1,,")));
        }
    }

    /// `+VRID`: the last caller again, in words or in hexadecimal (V.253).
    pub(super) fn repeat_caller(&mut self, hexadecimal: bool) {
        let Some(caller) = self.last_caller.clone() else { return };
        if hexadecimal {
            self.information(&[caller_id_hexadecimal(&caller)]);
        } else {
            self.tell_caller(&caller, "");
        }
    }

    /// When the rings are forgotten.
    pub(super) fn ring_memory(&self) -> Option<Instant> {
        self.last_ring.map(|at| at + RING_MEMORY)
    }

    /// Forgets rings and caller when the bell has been silent for long.
    pub(super) fn forget_rings(&mut self, now: Instant) {
        if self.ring_memory().is_some_and(|at| at <= now) {
            self.last_ring = None;
            self.caller = None;
            self.settings.registers.set(1, 0);
        }
    }

    fn tell_ring(&mut self, pattern: u8, first: bool) {
        let emulation = &self.kind.emulation;
        let distinct = emulation.distinctive_ring_by.iter().any(|setting| self.settings.holds(setting));
        let shown = self.caller.clone().filter(|_| self.shows_caller());
        let plain = match &shown {
            Some(caller) => ring_text(emulation.caller_id, &caller.id, &caller.called),
            None => "RING".to_owned(),
        };
        let text = match emulation.ring {
            RingStyle::Numbered if distinct && pattern > 0 => format!("{plain} {pattern}"),
            RingStyle::Lettered if distinct && pattern > 0 => {
                format!("{plain} {}", char::from(b'A' + (pattern - 1).min(25)))
            }
            RingStyle::Cadence if distinct => {
                self.tell_cadence(pattern, first);
                plain
            }
            RingStyle::Cring if self.settings.number("+CRC", 0) == 1 => "+CRING: VOICE".to_owned(),
            RingStyle::Numbered | RingStyle::Lettered | RingStyle::Cadence | RingStyle::Cring => plain,
        };
        if text == "RING" {
            self.result(&ResultCode::Ring);
        } else {
            self.unasked(&text);
        }
        let every_ring = self.kind.emulation.caller_id_moment == CallerIdMoment::EveryRing;
        if let Some(caller) = shown.filter(|_| every_ring) {
            self.tell_caller(&caller.id, &caller.called);
        }
    }

    /// `DROF` the silence before a burst, `DRON` the burst, in tenths of a second (V.253).
    fn tell_cadence(&mut self, pattern: u8, first: bool) {
        let bursts = CADENCES.get(usize::from(pattern)).or(CADENCES.first()).copied().unwrap_or_default();
        let mut silence = if first { 0 } else { bursts.last().map_or(0, |(_, off)| *off) };
        for (on, off) in bursts {
            self.unasked(&format!("DROF={silence}"));
            self.unasked(&format!("DRON={on}"));
            silence = *off;
        }
    }

    fn tell_caller(&mut self, id: &CallerId, called: &str) {
        let style = self.kind.emulation.caller_id;
        let lines = caller_id_lines(style, id, called);
        match (style, lines.as_slice()) {
            (_, []) => {}
            (CallerIdStyle::Clip, [line]) => self.unasked(line),
            (_, lines) => self.information(lines),
        }
    }

    fn shows_caller(&self) -> bool {
        let by = &self.kind.emulation.caller_id_by;
        by.is_empty() || by.iter().any(|setting| self.settings.holds(setting))
    }

    fn shows_caller_in_hexadecimal(&self) -> bool {
        self.kind.emulation.caller_id_hex_by.iter().any(|setting| self.settings.holds(setting))
    }
}
