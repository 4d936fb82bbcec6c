//! What a round does, drawn from a seed: the same seed draws the same rounds.

use std::fmt;
use std::time::Duration;

/// Whom a round kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    /// `ringup listen`.
    Listener,
    /// The pppd of its link.
    Pppd,
    /// `ringup directory`.
    Directory,
    /// `ringup provide`.
    Provider,
}

/// A moment of a wake, as the listener tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Ring,
    Accepted,
    Waking,
    Dialling,
    Connected,
    Up,
    Registered,
    Idle,
    Withdrawn,
    Ended,
}

impl Step {
    const ALL: [Self; 10] = [
        Self::Ring,
        Self::Accepted,
        Self::Waking,
        Self::Dialling,
        Self::Connected,
        Self::Up,
        Self::Registered,
        Self::Idle,
        Self::Withdrawn,
        Self::Ended,
    ];
    /// The steps within which a pppd lives.
    const OF_PPPD: [Self; 5] = [Self::Dialling, Self::Connected, Self::Up, Self::Registered, Self::Idle];

    /// The listener's event.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Accepted => "accepted",
            Self::Waking => "waking",
            Self::Dialling => "dialling",
            Self::Connected => "connected",
            Self::Up => "up",
            Self::Registered => "registered",
            Self::Idle => "idle",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) victim: Victim,
    /// The step after which it is killed.
    pub(super) step: Step,
    /// How long after.
    pub(super) delay: Duration,
    /// Whether the lease is waited for before the next call, where the record still says online.
    pub(super) patient: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { victim, step, delay, patient } = self;
        let then = if *patient { ", then wait for the lease" } else { "" };
        write!(f, "kill {victim:?} {} ms after {step:?}{then}", delay.as_millis())
    }
}

/// Random numbers: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(u64::try_from(choices.len()).unwrap());
        choices[usize::try_from(index).unwrap()]
    }

    /// Draws round number `round`. Every step is the listener's last in turn, so that ten of its rounds meet all of them.
    pub(super) fn plan(&mut self, round: usize) -> Plan {
        let victim = match self.below(10) {
            0..=4 => Victim::Listener,
            5..=7 => Victim::Pppd,
            8 => Victim::Directory,
            _ => Victim::Provider,
        };
        let step = match victim {
            Victim::Listener => Step::ALL[round % Step::ALL.len()],
            Victim::Pppd => self.one_of(&Step::OF_PPPD),
            Victim::Directory | Victim::Provider => self.one_of(&Step::ALL),
        };
        // At once as often as later: most of what is written is written right after an event.
        let delay = if self.below(2) == 0 { self.below(40) } else { self.below(800) };
        Plan { victim, step, delay: Duration::from_millis(delay), patient: self.below(8) == 0 }
    }
}
