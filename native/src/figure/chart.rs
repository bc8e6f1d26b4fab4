//! Curves and points over two axes.

use anyhow::Result;
use plotters::prelude::DrawingBackend;

use super::canvas::{Align, Canvas, Font, Stroke};
use super::palette::{self, GREY, GRID, INK, Rgb};
use super::ticks;

const TITLE: Font = font(15.0, true, INK);
const LABEL: Font = font(12.5, false, INK);
const TICK: Font = font(11.5, false, GREY);
const AXIS: Stroke = Stroke {
    width: 1.0,
    color: INK,
};
const GRIDLINE: Stroke = Stroke {
    width: 0.8,
    color: GRID,
};
/// Space around a figure.
const MARGIN: f64 = 14.0;
/// Radius of a point.
const RADIUS: f64 = 3.6;
/// Length of a series' line in the legend.
const KEY: f64 = 26.0;
/// Points with error bars of several series stand so far apart where they have the same x.
const APART: f64 = 5.0;
/// Part of the range that stays free at both ends of an axis.
const PAD: f64 = 0.05;

/// Scales of an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    #[default]
    Linear,
    /// Logarithmic; values that are not positive are left out.
    Log,
}

/// Where an axis has ticks.
#[derive(Clone, Debug, Default)]
pub enum Ticks {
    /// At round numbers.
    #[default]
    Round,
    /// At these values and nowhere else; numbers.
    At(Vec<f64>),
    /// Between neighbouring bounds: the first value is the lower bound of the first part, with its name.
    Parts(Vec<(f64, String)>),
}

/// An axis.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    pub scale: Scale,
    pub ticks: Ticks,
}

impl Axis {
    /// Linear, with round ticks.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_string(),
            ..Self::default()
        }
    }
}

/// A value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// Standard deviation of y; 0 where it is a single value.
    pub deviation: f64,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Points with error bars, joined by a line.
    #[default]
    Measured,
    /// A line, with a band for the deviation.
    Curve,
    /// Small points, joined by a thin line: many of them.
    Profile,
}

/// A series.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    pub style: Style,
    /// By x.
    pub points: Vec<Point>,
}

/// A chart.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    pub title: String,
    /// What else a reader must know, in smaller letters under the title.
    pub note: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// The rectangle of the axes and how values lie in it.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Map,
    y: Map,
}

impl Frame {
    /// The same, moved to the right.
    fn moved(&self, by: f64) -> Self {
        Self {
            left: self.left + by,
            right: self.right + by,
            ..*self
        }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.of(x) * (self.right - self.left),
            self.bottom - self.y.of(y) * (self.bottom - self.top),
        )
    }
}

/// Maps the range of an axis to 0 to 1.
#[derive(Clone, Copy)]
struct Map {
    from: f64,
    to: f64,
    log: bool,
}

impl Map {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let log = axis.scale == Scale::Log;
        let mut ends = values
            .filter(|value| value.is_finite() && (!log || *value > 0.0))
            .fold(None, |ends: Option<(f64, f64)>, value| {
                let (low, high) = ends.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            })
            .unwrap_or((1.0, 2.0));
        if log {
            ends = (ends.0.log10(), ends.1.log10());
        }
        let pad = match ends.1 - ends.0 {
            span if span > 0.0 => span * PAD,
            _ => ends.0.abs().max(1.0) * PAD,
        };
        let ends = (ends.0 - pad, ends.1 + pad);
        match log {
            true => Self {
                from: 10f64.powf(ends.0),
                to: 10f64.powf(ends.1),
                log,
            },
            false => Self {
                from: ends.0,
                to: ends.1,
                log,
            },
        }
    }

    fn of(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    fn ticks(&self, ticks: &Ticks) -> Vec<(f64, String)> {
        match ticks {
            Ticks::Round if self.log => ticks::logarithmic(self.from, self.to),
            Ticks::Round => ticks::linear(self.from, self.to),
            Ticks::At(values) => values.iter().map(|x| (*x, ticks::number(*x))).collect(),
            Ticks::Parts(_) => Vec::new(),
        }
    }
}

impl Chart {
    /// Width and height in units.
    pub(super) fn size(&self) -> (u32, u32) {
        (720, 440)
    }

    /// Draws everything.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<()> {
        let (width, height) = self.size();
        let (width, height) = (f64::from(width), f64::from(height));
        let mut top = MARGIN + TITLE.size / 2.0;
        canvas.text(&self.title, (MARGIN, top), TITLE, Align::Left)?;
        if !self.note.is_empty() {
            top += 19.0;
            canvas.text(&self.note, (MARGIN, top), TICK, Align::Left)?;
        }
        top = self.legend(canvas, width, top + 22.0)?;

        let points = || self.series.iter().flat_map(|series| &series.points);
        let ends = points().flat_map(|point| {
            let deviation = point.deviation;
            [point.y - deviation, point.y, point.y + deviation]
        });
        let x = Map::new(&self.x, points().map(|point| point.x));
        let y = Map::new(&self.y, ends);
        let ticks = y.ticks(&self.y.ticks);
        let mut widest = 0.0f64;
        for (_, text) in &ticks {
            widest = widest.max(canvas.width_of(text, TICK)?);
        }
        let frame = Frame {
            left: MARGIN + LABEL.size + 10.0 + widest + 7.0,
            right: width - MARGIN - 6.0,
            top,
            bottom: height - MARGIN - LABEL.size - 8.0 - TICK.size - 8.0,
            x,
            y,
        };
        self.axes(canvas, &frame, &ticks, height)?;
        for (number, series) in self.series.iter().enumerate() {
            let middle = (self.series.len() - 1) as f64 / 2.0;
            let aside = match series.style {
                Style::Measured => (number as f64 - middle) * APART,
                Style::Curve | Style::Profile => 0.0,
            };
            series.draw(canvas, &frame.moved(aside), number)?;
        }
        Ok(())
    }

    /// Names of the series, in as many lines as they need; returns where the frame may begin.
    fn legend<B: DrawingBackend>(&self, canvas: &Canvas<B>, width: f64, top: f64) -> Result<f64> {
        let named = |series: &&Series| !series.label.is_empty();
        if self.series.iter().filter(named).count() == 0 {
            return Ok(top);
        }
        let (mut x, mut y) = (MARGIN, top);
        for (number, series) in self.series.iter().enumerate() {
            let entry = KEY + 6.0 + canvas.width_of(&series.label, LABEL)? + 20.0;
            if x > MARGIN && x + entry > width - MARGIN {
                (x, y) = (MARGIN, y + 18.0);
            }
            let color = palette::color(number);
            canvas.line(&[(x, y), (x + KEY, y)], series.stroke(color))?;
            if series.style != Style::Curve {
                point(canvas, (x + KEY / 2.0, y), number, RADIUS)?;
            }
            canvas.text(&series.label, (x + KEY + 6.0, y), LABEL, Align::Left)?;
            x += entry;
        }
        Ok(y + 18.0)
    }

    fn axes<B: DrawingBackend>(
        &self,
        canvas: &Canvas<B>,
        frame: &Frame,
        y_ticks: &[(f64, String)],
        height: f64,
    ) -> Result<()> {
        let Frame {
            left,
            right,
            top,
            bottom,
            ..
        } = *frame;
        for (value, text) in y_ticks {
            let (_, y) = frame.at(frame.x.from, *value);
            canvas.line(&[(left, y), (right, y)], GRIDLINE)?;
            canvas.text(text, (left - 7.0, y), TICK, Align::Right)?;
        }
        let below = bottom + 8.0 + TICK.size / 2.0;
        let mut free = f64::NEG_INFINITY;
        for (value, text) in frame.x.ticks(&self.x.ticks) {
            let (x, _) = frame.at(value, frame.y.from);
            canvas.line(&[(x, bottom), (x, bottom + 4.0)], AXIS)?;
            // A label that would touch the one before it is left out; its tick stays.
            let half = canvas.width_of(&text, TICK)? / 2.0;
            if x - half > free {
                canvas.text(&text, (x, below), TICK, Align::Center)?;
                free = x + half + 6.0;
            }
        }
        if let Ticks::Parts(parts) = &self.x.ticks {
            let ends = parts.iter().skip(1).map(|(from, _)| *from);
            for (number, ((from, name), to)) in
                parts.iter().zip(ends.chain([frame.x.to])).enumerate()
            {
                let begin = frame.at(*from, frame.y.from).0.max(left);
                let end = frame.at(to, frame.y.from).0.min(right);
                if number > 0 {
                    canvas.line(&[(begin, top), (begin, bottom + 4.0)], GRIDLINE)?;
                }
                let middle = (begin + end) / 2.0;
                let half = canvas.width_of(name, TICK)? / 2.0;
                if middle - half > free {
                    canvas.text(name, (middle, below), TICK, Align::Center)?;
                    free = middle + half + 6.0;
                }
            }
        }
        canvas.line(&[(left, top), (left, bottom), (right, bottom)], AXIS)?;
        let middle = (left + right) / 2.0;
        let last = height - MARGIN - LABEL.size / 2.0;
        canvas.text(&self.x.label, (middle, last), LABEL, Align::Center)?;
        let middle = (top + bottom) / 2.0;
        let first = MARGIN + LABEL.size / 2.0;
        canvas.upright(&self.y.label, (first, middle), LABEL, Align::Center)
    }
}

impl Series {
    fn stroke(&self, color: Rgb) -> Stroke {
        let width = match self.style {
            Style::Measured => 2.0,
            Style::Curve => 1.6,
            Style::Profile => 1.2,
        };
        Stroke { width, color }
    }

    fn draw<B: DrawingBackend>(
        &self,
        canvas: &Canvas<B>,
        frame: &Frame,
        number: usize,
    ) -> Result<()> {
        let color = palette::color(number);
        let shown = |point: &&Point| point.y.is_finite() && (!frame.y.log || point.y > 0.0);
        let shown: Vec<&Point> = self.points.iter().filter(shown).collect();
        let place = |point: &&Point| frame.at(point.x, point.y);
        let line: Vec<_> = shown.iter().map(place).collect();
        let bar = |point: &Point, sign: f64| {
            let (x, y) = frame.at(point.x, point.y + sign * point.deviation);
            // Below a logarithmic axis there is nothing to map.
            (
                x,
                if y.is_finite() {
                    y.clamp(frame.top, frame.bottom)
                } else {
                    frame.bottom
                },
            )
        };
        match self.style {
            Style::Curve if shown.iter().any(|point| point.deviation > 0.0) => {
                let upper = shown.iter().map(|point| bar(point, 1.0));
                let lower = shown.iter().rev().map(|point| bar(point, -1.0));
                canvas.polygon(&upper.chain(lower).collect::<Vec<_>>(), color, 0.2)?;
            }
            Style::Measured => {
                let stroke = Stroke { width: 1.2, color };
                for point in shown.iter().filter(|point| point.deviation > 0.0) {
                    let ends = [bar(point, 1.0), bar(point, -1.0)];
                    canvas.line(&ends, stroke)?;
                    for (x, y) in ends {
                        canvas.line(&[(x - 4.0, y), (x + 4.0, y)], stroke)?;
                    }
                }
            }
            Style::Curve | Style::Profile => {}
        }
        if line.len() > 1 {
            canvas.line(&line, self.stroke(color))?;
        }
        let radius = match self.style {
            Style::Measured => RADIUS,
            Style::Profile => 2.4,
            Style::Curve if line.len() == 1 => RADIUS,
            Style::Curve => return Ok(()),
        };
        line.iter()
            .try_for_each(|at| point(canvas, *at, number, radius))
    }
}

fn point<B: DrawingBackend>(
    canvas: &Canvas<B>,
    (x, y): (f64, f64),
    number: usize,
    radius: f64,
) -> Result<()> {
    let corner = |(dx, dy): (f64, f64)| (x + radius * dx, y + radius * dy);
    let corners: Vec<_> = palette::marker(number).into_iter().map(corner).collect();
    canvas.polygon(&corners, palette::color(number), 1.0)
}

const fn font(size: f64, bold: bool, color: Rgb) -> Font {
    Font { size, bold, color }
}
