//! One table of figures: a line a phase, a column a peer, least, median and greatest of what was measured in each cell.

use std::fmt;

/// Wide enough for the longest phase.
const LABEL: usize = 30;
/// Wide enough for three figures below 100 s.
const CELL: usize = 19;

/// How many peers there are.
const PEERS: usize = 6;

/// A table of all peers.
pub(crate) struct Table {
    peers: [&'static str; PEERS],
    lines: Vec<Line>,
}

enum Line {
    Heading(&'static str),
    Row(&'static str, [Vec<f64>; PEERS]),
}

impl Table {
    pub(crate) fn new(peers: [&'static str; PEERS]) -> Self {
        Self { peers, lines: Vec::new() }
    }

    pub(crate) fn heading(&mut self, text: &'static str) {
        self.lines.push(Line::Heading(text));
    }

    /// Adds a phase; a peer that has no such phase has no figures.
    pub(crate) fn row(&mut self, label: &'static str, figures: [Vec<f64>; PEERS]) {
        self.lines.push(Line::Row(label, figures));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{:LABEL$}", "");
        for peer in self.peers {
            text.push_str(&format!("{peer:>CELL$}"));
        }
        writeln!(f, "{}", text.trim_end())?;
        for line in &self.lines {
            match line {
                Line::Heading(heading) => writeln!(f, "{heading}")?,
                Line::Row(label, figures) => {
                    let label = format!("  {label}");
                    let mut text = format!("{label:LABEL$}");
                    for figures in figures {
                        text.push_str(&format!("{:>CELL$}", cell(figures)));
                    }
                    writeln!(f, "{}", text.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

fn cell(figures: &[f64]) -> String {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(median), Some(greatest)) = (sorted.first(), median(&sorted), sorted.last()) else {
        return String::new();
    };
    format!("{least:.2} {median:5.2} {greatest:5.2}")
}

/// The median of sorted figures.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}
