//! A matrix of fractions, such as a confusion matrix.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::canvas::{Align, Canvas, Font, Stroke};
use super::palette::{GREY, GRID, INK, PALETTE, Rgb};

const TITLE: Font = Font {
    size: 15.0,
    bold: true,
    color: INK,
};
const LABEL: Font = Font {
    size: 12.5,
    bold: false,
    color: INK,
};
const NAME: Font = Font {
    size: 11.0,
    bold: false,
    color: INK,
};
const NOTE: Font = Font {
    size: 11.5,
    bold: false,
    color: GREY,
};
const MARGIN: f64 = 14.0;
/// Side of the matrix.
const SIDE: f64 = 420.0;
/// Names longer than this are cut.
const LETTERS: usize = 14;
/// Width of a letter of a name, on average.
const LETTER: f64 = 6.6;
/// Cells keep their colours on a dark page, and so do the numbers in them.
const LIGHT: Rgb = (0xFE, 0xFE, 0xFE);
const DARK_TEXT: Rgb = (0x21, 0x21, 0x21);
/// Cells have numbers up to so many classes, names up to so many.
const WITH_NUMBERS: usize = 15;
const WITH_NAMES: usize = 40;

/// A matrix whose rows are distributions.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    pub title: String,
    /// What else a reader must know.
    pub note: String,
    /// What the rows are: `true class`.
    pub rows: String,
    /// What the columns are.
    pub columns: String,
    /// Names of rows and columns alike.
    pub names: Vec<String>,
    /// Row by row, each from 0 to 1.
    pub fractions: Vec<Vec<f64>>,
}

impl Matrix {
    /// Width and height in units.
    pub(super) fn size(&self) -> (u32, u32) {
        let left = 2.0 * MARGIN + LABEL.size + self.room();
        let above = 70.0;
        let below = self.room() + LABEL.size + 2.0 * MARGIN;
        ((left + SIDE + MARGIN) as u32, (above + SIDE + below) as u32)
    }

    /// Space for the names at the left and below.
    fn room(&self) -> f64 {
        if self.fractions.len() > WITH_NAMES {
            return 0.0;
        }
        let letters = self
            .names
            .iter()
            .map(|name| name.chars().count().min(LETTERS));
        letters.max().unwrap_or_default() as f64 * LETTER + 10.0
    }

    /// Draws everything.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<()> {
        canvas.text(&self.title, (MARGIN, MARGIN + 8.0), TITLE, Align::Left)?;
        canvas.text(&self.note, (MARGIN, MARGIN + 30.0), NOTE, Align::Left)?;
        let (left, top) = (2.0 * MARGIN + LABEL.size + self.room(), 70.0);
        let classes = self.fractions.len().max(1);
        let cell = SIDE / classes as f64;
        for (row, fractions) in self.fractions.iter().enumerate() {
            for (column, fraction) in fractions.iter().enumerate() {
                let (x, y) = (left + column as f64 * cell, top + row as f64 * cell);
                let corners = [(x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell)];
                canvas.polygon(&corners, shade(*fraction), 1.0)?;
                let percent = (100.0 * fraction).round();
                if classes <= WITH_NUMBERS && percent > 0.0 {
                    let color = match *fraction > 0.75 {
                        true => LIGHT,
                        false => DARK_TEXT,
                    };
                    let font = Font { color, ..NAME };
                    let middle = (x + cell / 2.0, y + cell / 2.0);
                    canvas.text(&format!("{percent}"), middle, font, Align::Center)?;
                }
            }
        }
        if classes <= WITH_NAMES {
            for (number, name) in self.names.iter().enumerate() {
                let name = cut(name);
                let middle = (number as f64 + 0.5) * cell;
                canvas.text(&name, (left - 6.0, top + middle), NAME, Align::Right)?;
                let below = (left + middle, top + SIDE + 6.0);
                canvas.upright(&name, below, NAME, Align::Right)?;
            }
        }
        let frame = Stroke {
            width: 1.0,
            color: GRID,
        };
        let (right, bottom) = (left + SIDE, top + SIDE);
        let corners = [
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ];
        canvas.line(&corners, frame)?;
        let (_, height) = self.size();
        let last = f64::from(height) - MARGIN - LABEL.size / 2.0;
        canvas.text(
            &self.columns,
            (left + SIDE / 2.0, last),
            LABEL,
            Align::Center,
        )?;
        let first = MARGIN + LABEL.size / 2.0;
        canvas.upright(&self.rows, (first, top + SIDE / 2.0), LABEL, Align::Center)
    }
}

/// From white to the first colour of series.
fn shade(fraction: f64) -> Rgb {
    let mix = |from: u8, to: u8| {
        let (from, to) = (f64::from(from), f64::from(to));
        (from + (to - from) * fraction.clamp(0.0, 1.0)).round() as u8
    };
    let (from, to) = (LIGHT, PALETTE[0]);
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

fn cut(name: &str) -> String {
    match name.chars().count() > LETTERS {
        true => name.chars().take(LETTERS - 1).chain(['…']).collect(),
        false => name.to_string(),
    }
}
