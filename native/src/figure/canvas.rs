//! A canvas in units of a figure, whichever backend draws it.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{PathElement, Polygon};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontStyle, FontTransform, IntoFont as _, RGBColor, ShapeStyle, TextStyle,
    register_font,
};

use super::palette::{PAPER, Rgb};

const FAMILY: &str = "sans-serif";
/// Height of a line that the backends expect for a font size of one.
const LINE: f64 = 1.24;

/// Where a text lies at its position.
pub use plotters::style::text_anchor::HPos as Align;

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    /// Size in units.
    pub size: f64,
    pub bold: bool,
    pub color: Rgb,
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    /// Width in units.
    pub width: f64,
    pub color: Rgb,
}

/// Something to draw on, in units from the upper left corner.
pub struct Canvas<B: DrawingBackend> {
    area: DrawingArea<B, Shift>,
    scale: f64,
    /// What a text that is centred on a line must move down, in its size.
    lower: f64,
}

impl<B: DrawingBackend> Canvas<B> {
    /// [`Canvas::new`]'s correction of texts in an SVG: none.
    pub const SVG: f64 = 0.0;
    /// That of texts in pixels, which the backend draws too high.
    pub const PIXELS: f64 = 0.21;

    /// A white canvas.
    pub fn new(backend: B, scale: f64, lower: f64) -> Result<Self> {
        register_fonts()?;
        let area = backend.into_drawing_area();
        area.fill(&rgb(PAPER)).map_err(failed::<B>)?;
        Ok(Self { area, scale, lower })
    }

    /// Writes what was drawn.
    pub fn finish(&self) -> Result<()> {
        self.area.present().map_err(failed::<B>)
    }

    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)], stroke: Stroke) -> Result<()> {
        let width = (stroke.width * self.scale).round().max(1.0) as u32;
        let style = ShapeStyle::from(&rgb(stroke.color)).stroke_width(width);
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        self.area
            .draw(&PathElement::new(points, style))
            .map_err(failed::<B>)
    }

    /// A filled polygon; `opacity` from 0 to 1.
    pub fn polygon(&self, corners: &[(f64, f64)], color: Rgb, opacity: f64) -> Result<()> {
        let corners: Vec<_> = corners.iter().map(|point| self.at(*point)).collect();
        let style = rgb(color).mix(opacity).filled();
        self.area
            .draw(&Polygon::new(corners, style))
            .map_err(failed::<B>)
    }

    /// A text, centred on its line.
    pub fn text(&self, text: &str, at: (f64, f64), font: Font, align: Align) -> Result<()> {
        let at = (at.0, at.1 + self.lower * font.size);
        self.draw_text(text, at, font, align, FontTransform::None)
    }

    /// A text that is read upwards, centred on its vertical line.
    pub fn upright(&self, text: &str, at: (f64, f64), font: Font, align: Align) -> Result<()> {
        let at = (at.0 + self.lower * font.size, at.1);
        self.draw_text(text, at, font, align, FontTransform::Rotate270)
    }

    fn draw_text(
        &self,
        text: &str,
        at: (f64, f64),
        font: Font,
        align: HPos,
        turned: FontTransform,
    ) -> Result<()> {
        let style = self.style(font, turned).pos(Pos::new(align, VPos::Center));
        self.area
            .draw_text(text, &style, self.at(at))
            .map_err(failed::<B>)
    }

    /// Width of a text in units.
    pub fn width_of(&self, text: &str, font: Font) -> Result<f64> {
        let style = self.style(font, FontTransform::None);
        let (width, _) = self
            .area
            .estimate_text_size(text, &style)
            .map_err(failed::<B>)?;
        Ok(f64::from(width) / self.scale)
    }

    fn style(&self, font: Font, turned: FontTransform) -> TextStyle<'static> {
        let style = match font.bold {
            true => FontStyle::Bold,
            false => FontStyle::Normal,
        };
        (FAMILY, font.size * LINE * self.scale, style)
            .into_font()
            .transform(turned)
            .color(&rgb(font.color))
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let place = |value: f64| (value * self.scale).round() as i32;
        (place(x), place(y))
    }
}

fn rgb((red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

fn failed<B: DrawingBackend>(error: DrawingAreaErrorKind<B::ErrorType>) -> anyhow::Error {
    anyhow!("a figure could not be drawn: {error}")
}

/// The font of pixels, and of the measures of both backends.
fn register_fonts() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let fonts: [(FontStyle, &'static [u8]); 2] = [
            (FontStyle::Normal, include_bytes!("font/DejaVuSans.ttf")),
            (FontStyle::Bold, include_bytes!("font/DejaVuSans-Bold.ttf")),
        ];
        let mut fonts = fonts.into_iter();
        fonts.all(|(style, bytes)| register_font(FAMILY, style, bytes).is_ok())
    });
    match done {
        true => Ok(()),
        false => Err(anyhow!("the embedded font cannot be read")),
    }
}
