//! Figures as text.

use std::fmt;

/// A table that prints as Markdown and reads well as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<&'static str>,
    /// Columns at the left that hold words.
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns of words, then columns of figures.
    pub fn new(words: &[&'static str], figures: &[&'static str]) -> Self {
        Self {
            columns: [words, figures].concat(),
            words: words.len(),
            rows: Vec::new(),
        }
    }

    /// The columns' names.
    pub fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Adds a line of as many cells as there are columns.
    pub fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            cells.max(self.columns[column].len()).max(3)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(wide).collect();
        let names = self.columns.iter().map(|name| name.to_string()).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &Vec<String>| {
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                match column < self.words {
                    true => write!(f, "| {cell:<width$} ")?,
                    false => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(f, &names)?;
        for (column, width) in widths.iter().enumerate() {
            let end = if column < self.words { "-" } else { ":" };
            write!(f, "|{}{end}", "-".repeat(width + 1))?;
        }
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

/// Where there is no figure.
pub(crate) fn dash() -> String {
    "-".to_string()
}

/// With so many digits after the point.
pub(crate) fn number(value: f64, digits: usize) -> String {
    match value.is_finite() {
        true => format!("{value:.digits$}"),
        false => "-".to_string(),
    }
}

/// Millions, or thousandths: three digits that count.
pub(crate) fn million(value: f64) -> String {
    number(value / 1e6, if value < 1e7 { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn tables_are_markdown() {
        let mut table = Table::new(&["shape"], &["ms"]);
        table.push(vec!["3x3".to_string(), "0.12".to_string()]);
        assert_eq!(
            table.to_string(),
            "| shape |   ms |\n|-------|-----:|\n| 3x3   | 0.12 |\n"
        );
    }
}
