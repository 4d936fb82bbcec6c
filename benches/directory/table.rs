//! One table: a line a figure, a column a server.

use std::fmt;

use super::server::Kind;

/// Figures in the order in which they were first set.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, [String; Kind::ALL.len()])>);

impl Table {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(&mut self, label: &str, kind: Kind, figure: String) {
        let at = self.0.iter().position(|(known, _)| known == label).unwrap_or_else(|| {
            self.0.push((label.to_owned(), Default::default()));
            self.0.len() - 1
        });
        self.0[at].1[kind as usize] = figure;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:LABEL$}", "")?;
        for kind in Kind::ALL {
            write!(f, "{:>CELL$}", kind.name())?;
        }
        writeln!(f)?;
        for (label, figures) in &self.0 {
            let line = figures.iter().fold(format!("{label:LABEL$}"), |line, figure| format!("{line}{figure:>CELL$}"));
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)
    }
}

const LABEL: usize = 42;
const CELL: usize = 24;
