//! How a kind of modem answers and what it says of calls, for the emulator to do the same.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The modem's side of a profile.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Emulation {
    /// The information text of commands, by the command without `AT` (`I3`, `+GMM`, `+FCLASS=?`), line by line.
    pub answers: BTreeMap<String, Vec<String>>,
    /// The settings that turn caller identification on, any of them: `+VCID=1`, `#CID=1`, `S40.2=1`, `+CLIP=1`. Empty:
    /// it is on from the start, as with ISDN adapters.
    pub caller_id_by: Vec<String>,
    /// The settings that turn it on as hexadecimal messages: `+VCID=2`, `#CID=2`.
    pub caller_id_hex_by: Vec<String>,
    /// How caller identification is written.
    pub caller_id: CallerIdStyle,
    /// When it is written.
    pub caller_id_moment: CallerIdMoment,
    /// How a ring is written.
    pub ring: RingStyle,
    /// The settings that make distinctive rings differ, any of them: `-SDR=7`, `S41=1`. Empty: they never do.
    pub distinctive_ring_by: Vec<String>,
    /// What stands after `CONNECT` with `X1` and up; `{rate}` is the rate of the line, `{dte}` that of the terminal.
    /// Empty: `CONNECT` stands alone.
    pub connect: String,
    /// Registers that leave the factory with another value than usual, by their number.
    pub registers: BTreeMap<String, u8>,
    /// Whether it refuses to go on dialling a number that fails; `None` for a modem of a country without such rules.
    pub blacklisting: Option<Blacklisting>,
}

/// How caller identification is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CallerIdStyle {
    /// `NMBR = 5551234`: Rockwell, Conexant.
    #[default]
    Spaced,
    /// `NMBR=5551234`: U.S. Robotics, Lucent.
    Compact,
    /// `TIME: 11-23 12:10`, `CALLER NUMBER: 5551234`, `CALLER NAME: …`: ZyXEL, Motorola.
    Zyxel,
    /// `FM:5551234 TO:5550002`: ISDN adapters of ZyXEL.
    FromTo,
    /// `RING;5551234;5550002` in place of `RING`: ISDN adapters of ELSA.
    ElsaRing,
    /// `RING/5550002`, and `CALLER NUMBER: 5551234` under it: isdn4linux.
    Isdn4linux,
    /// `RING 5551234` in place of `RING`: ISDN adapters of U.S. Robotics.
    RingNumber,
    /// `+CLIP: "+441234",145`: GSM (3GPP TS 27.007 7.6).
    Clip,
}

/// When caller identification is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CallerIdMoment {
    /// As the telephone line sends it: after the first ring or before it.
    #[default]
    AsReceived,
    /// With every ring, first to last: an ISDN or cellular network tells it as it offers the call.
    EveryRing,
}

/// How a ring is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RingStyle {
    /// `RING`; distinctive ones `RING 1`, `RING 2`: Rockwell, Conexant.
    #[default]
    Numbered,
    /// Distinctive ones `RING A`, `RING B`: U.S. Robotics.
    Lettered,
    /// Distinctive ones by their cadence in tenths of a second before `RING`, `DRON=20`, `DROF=40`: Lucent (V.253).
    Cadence,
    /// `+CRING: VOICE` once `+CRC=1` is set (3GPP TS 27.007 6.11).
    Cring,
}

/// A country's rules for calls that fail, as modems kept to them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blacklisting {
    /// How many calls to one number may fail before it is blacklisted.
    pub attempts: u32,
    /// How long after a failed call the same number is `DELAYED`, in seconds.
    pub delay: u64,
    /// How long a number stays `BLACKLISTED`, in seconds; 0 until the modem is switched off.
    pub lasts: u64,
    /// How many numbers the list holds; when it is full, new ones get `BLACKLISTFULL`.
    pub numbers: usize,
}

impl Default for Emulation {
    fn default() -> Self {
        Self {
            answers: BTreeMap::new(),
            caller_id_by: vec!["+VCID=1".to_owned(), "#CID=1".to_owned()],
            caller_id_hex_by: vec!["+VCID=2".to_owned(), "#CID=2".to_owned()],
            caller_id: CallerIdStyle::default(),
            caller_id_moment: CallerIdMoment::default(),
            ring: RingStyle::default(),
            distinctive_ring_by: vec!["-SDR=7".to_owned()],
            connect: "{rate}".to_owned(),
            registers: BTreeMap::new(),
            blacklisting: None,
        }
    }
}
