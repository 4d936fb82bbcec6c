//! A line a figure, a column a size; least, median and greatest in each cell.

use std::fmt;

pub(crate) struct Table {
    columns: [String; 4],
    rows: Vec<(&'static str, [Vec<f64>; 4])>,
}

impl Table {
    pub(crate) fn new(columns: [String; 4]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, label: &'static str, figures: [Vec<f64>; 4]) {
        self.rows.push((label, figures));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = &self.columns;
        writeln!(f, "{:32}{a:>22}{b:>22}{c:>22}{d:>22}", "")?;
        for (label, figures) in &self.rows {
            let [a, b, c, d] = figures.each_ref().map(|figures| cell(figures));
            writeln!(f, "  {label:30}{a:>22}{b:>22}{c:>22}{d:>22}")?;
        }
        Ok(())
    }
}

fn cell(figures: &[f64]) -> String {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let figure = |at: usize| sorted.get(at).map_or(String::new(), |figure| format!("{figure:.2}"));
    format!("{} {} {}", figure(0), figure(sorted.len() / 2), figure(sorted.len().saturating_sub(1)))
}
