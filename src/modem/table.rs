//! A table for people: columns as wide as what is in them, and notes that belong to the row above.

use std::fmt;

/// What stands between columns.
const GAP: &str = "  ";

/// Rows of columns, with notes in between.
#[derive(Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    lines: Vec<Line<COLUMNS>>,
}

#[derive(Debug)]
enum Line<const COLUMNS: usize> {
    Row([String; COLUMNS]),
    Note(String),
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Begins with the heads of the columns.
    pub(super) fn new(heads: [&str; COLUMNS]) -> Self {
        Self { lines: vec![Line::Row(heads.map(str::to_owned))] }
    }
    /// Begins without any.
    pub(super) fn plain() -> Self {
        Self { lines: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.lines.push(Line::Row(cells));
    }

    /// A line below the last row, indented.
    pub(super) fn note(&mut self, text: &str) {
        self.lines.push(Line::Note(text.to_owned()));
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; COLUMNS];
        for line in &self.lines {
            if let Line::Row(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.chars().count());
                }
            }
        }
        for line in &self.lines {
            match line {
                Line::Row(cells) => {
                    let padded = widths.iter().zip(cells).map(|(width, cell)| format!("{cell:<width$}"));
                    writeln!(f, "{}", padded.collect::<Vec<_>>().join(GAP).trim_end())?;
                }
                Line::Note(text) => writeln!(f, "{GAP}{text}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_notes_stand_below() {
        let mut table = Table::new(["PORT", "KIND"]);
        table.row(["/dev/ttyS0".to_owned(), "é".to_owned()]);
        table.note("hint: none");
        table.row(["x".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "PORT        KIND\n/dev/ttyS0  é\n  hint: none\nx\n");
    }
}
