//! Tables, written as Markdown, CSV, LaTeX and HTML.

use crate::csv;
use crate::figure::escaped;

use super::stats::Summary;

/// A cell.
#[derive(Clone, Debug)]
pub enum Cell {
    Text(String),
    /// A number with one decimal.
    Number(f64),
    Count(usize),
    /// Mean and standard deviation.
    Summary(Summary),
    Nothing,
}

impl Cell {
    /// A summary, if there is one.
    pub fn of(summary: Option<Summary>) -> Self {
        summary.map_or(Self::Nothing, Self::Summary)
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => format!("{number:.1}"),
            Self::Count(count) => count.to_string(),
            Self::Summary(summary) => summary.text(),
            Self::Nothing => "–".to_string(),
        }
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// Whether it holds summaries: three columns of a CSV.
    pub measured: bool,
}

impl Column {
    /// Of texts or numbers.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            measured: false,
        }
    }

    /// Of summaries.
    pub fn measured(name: String) -> Self {
        Self {
            name,
            measured: true,
        }
    }
}

/// A table. Its first column holds texts.
#[derive(Clone, Debug)]
pub struct Table {
    /// Name of its files, without ending.
    pub name: String,
    pub title: String,
    /// What a reader must know: sources, units.
    pub note: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let escape = |text: String| text.replace('|', "\\|");
        let names = self
            .columns
            .iter()
            .map(|column| escape(column.name.clone()));
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.note);
        text += &format!("| {} |\n", names.collect::<Vec<_>>().join(" | "));
        let rules = (0..self.columns.len()).map(|at| if self.is_text(at) { "---" } else { "---:" });
        text += &format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            let cells = row.iter().map(|cell| escape(cell.text()));
            text += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        }
        text
    }

    /// As CSV; a summary is a mean, a standard deviation and the number of seeds.
    pub fn csv(&self) -> String {
        let head = self
            .columns
            .iter()
            .flat_map(|column| match column.measured {
                true => ["mean", "std", "n"]
                    .map(|part| format!("{} {part}", column.name))
                    .to_vec(),
                false => vec![column.name.clone()],
            });
        let mut text = csv::line(head);
        for row in &self.rows {
            let cells = self.columns.iter().zip(row);
            text += &csv::line(
                cells.flat_map(|(column, cell)| match (cell, column.measured) {
                    (Cell::Summary(s), _) => vec![
                        format!("{:.4}", s.mean),
                        format!("{:.4}", s.deviation),
                        s.count.to_string(),
                    ],
                    (_, true) => vec![String::new(); 3],
                    (Cell::Nothing, false) => vec![String::new()],
                    (cell, false) => vec![cell.text()],
                }),
            );
        }
        text
    }

    /// As LaTeX, for the package booktabs.
    pub fn latex(&self) -> String {
        let kinds = (0..self.columns.len()).map(|at| if self.is_text(at) { 'l' } else { 'r' });
        let line = |cells: Vec<String>| {
            let cells: Vec<String> = cells.into_iter().map(|cell| tex(&cell)).collect();
            format!("{} \\\\\n", cells.join(" & "))
        };
        let head = self
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let mut text = format!(
            "% Needs \\usepackage{{booktabs}}.\n\\begin{{table}}\n\\centering\n\\caption{{{}. {}}}\n\\label{{tab:{}}}\n\
             \\begin{{tabular}}{{{}}}\n\\toprule\n{}\\midrule\n",
            tex(&self.title),
            tex(&self.note),
            self.name,
            kinds.collect::<String>(),
            line(head),
        );
        for row in &self.rows {
            text += &line(row.iter().map(Cell::text).collect());
        }
        text + "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    }

    /// As HTML.
    pub fn html(&self) -> String {
        let tag = |name: &str, at: usize, text: &str| {
            let class = if self.is_text(at) {
                " class=\"text\""
            } else {
                ""
            };
            format!("<{name}{class}>{}</{name}>", escaped(text))
        };
        let head = self.columns.iter().enumerate();
        let head: String = head
            .map(|(at, column)| tag("th", at, &column.name))
            .collect();
        let mut text = format!("<div class=\"scroll\"><table>\n<tr>{head}</tr>\n");
        for row in &self.rows {
            let cells = row.iter().enumerate();
            let cells: String = cells
                .map(|(at, cell)| tag("td", at, &cell.text()))
                .collect();
            text += &format!("<tr>{cells}</tr>\n");
        }
        text + "</table></div>\n"
    }

    /// Whether a column holds texts, and is aligned at the left.
    fn is_text(&self, column: usize) -> bool {
        let cell = |row: &Vec<Cell>| matches!(row.get(column), Some(Cell::Text(_)));
        column == 0 || self.rows.iter().any(cell)
    }
}

/// A text for LaTeX.
fn tex(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' | '%' | '#' | '_' | '$' | '{' | '}' => out.extend(['\\', letter]),
            '±' => out += "$\\pm$",
            '–' => out += "--",
            '×' => out += "$\\times$",
            '\\' => out += "\\textbackslash{}",
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let summary = Summary {
            mean: 42.04,
            deviation: 0.46,
            count: 3,
        };
        Table {
            name: "t".to_string(),
            title: "A & B".to_string(),
            note: "100 %".to_string(),
            columns: vec![
                Column::new("model"),
                Column::new("paper"),
                Column::measured("ours".to_string()),
            ],
            rows: vec![
                vec![
                    Cell::Text("MoCo_v2|+".to_string()),
                    Cell::Number(69.1),
                    Cell::Summary(summary),
                ],
                vec![Cell::Text("BYOL".to_string()), Cell::Nothing, Cell::Nothing],
            ],
        }
    }

    #[test]
    fn every_format_escapes_its_own_signs() {
        let table = table();
        let markdown = table.markdown();
        assert!(
            markdown.contains("| MoCo_v2\\|+ | 69.1 | 42.0 ± 0.5 |\n| BYOL | – | – |"),
            "{markdown}"
        );
        assert!(markdown.contains("|---|---:|---:|"));
        let latex = table.latex();
        assert!(
            latex.contains("MoCo\\_v2|+ & 69.1 & 42.0 $\\pm$ 0.5 \\\\"),
            "{latex}"
        );
        assert!(latex.contains("A \\& B. 100 \\%") && latex.contains("{lrr}"));
        assert!(
            table
                .html()
                .contains("<td class=\"text\">BYOL</td><td>–</td>")
        );
    }

    #[test]
    fn csv_has_means_and_deviations_apart() {
        let expected =
            "model,paper,ours mean,ours std,ours n\nMoCo_v2|+,69.1,42.0400,0.4600,3\nBYOL,,,,\n";
        assert_eq!(table().csv(), expected);
    }
}
