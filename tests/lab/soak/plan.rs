//! What a round does, drawn from a seed: the same seed draws the same rounds.

use std::fmt;
use std::time::Duration;

use super::point::{self, Point};

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

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) victim: Victim,
    /// The moment after which it is killed.
    pub(super) point: Point,
    /// How long after.
    pub(super) delay: Duration,
    /// Whether the lease is waited for before the next call, where the record still says online.
    pub(super) patient: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { victim, point, delay, patient } = self;
        let then = if *patient { ", then wait for the lease" } else { "" };
        write!(f, "kill {victim:?} {} ms after {point}{then}", delay.as_millis())
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

    /// Draws round number `round`. Every point is the listener's last in turn, so that thirty of its rounds meet all of them,
    /// and a few rounds points of every kind.
    pub(super) fn plan(&mut self, round: usize) -> Plan {
        let victim = match self.below(10) {
            0..=4 => Victim::Listener,
            5..=7 => Victim::Pppd,
            8 => Victim::Directory,
            _ => Victim::Provider,
        };
        let points = point::all();
        let point = match victim {
            Victim::Listener => points[round * STRIDE % points.len()],
            Victim::Pppd => self.one_of(&point::of_pppd()),
            Victim::Directory | Victim::Provider => self.one_of(&points),
        };
        // At once as often as later: most of what is written is written right after an event, and what is being written is
        // not yet durable.
        let (soon, later) = match point {
            Point::Event(_) => (40, 800),
            Point::Step(_) | Point::Row(_) | Point::Seq(_) | Point::Budget(_) => (1, 40),
        };
        let delay = if self.below(2) == 0 { self.below(soon) } else { self.below(later) };
        Plan { victim, point, delay: Duration::from_millis(delay), patient: self.below(8) == 0 }
    }
}

/// Has no factor in common with the number of points.
const STRIDE: usize = 7;
