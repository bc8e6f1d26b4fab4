//! Figures: one description, drawn as SVG and as PNG.

mod canvas;
mod chart;
mod matrix;
mod palette;
mod ticks;

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use image::RgbImage;
use image::imageops::{FilterType, resize};
use parallax_views::Image;
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};

use crate::png;
use crate::usage::BadArgument;
use crate::whole::write_whole;
use canvas::Canvas;
pub use chart::{Axis, Chart, Point, Scale, Series, Style, Ticks};
pub use matrix::Matrix;
pub use palette::{DARK, color};

/// Canvas units of an SVG for each unit of a figure: the backend rounds coordinates to whole numbers.
const SVG_SCALE: u32 = 10;
/// Pixels of a PNG for each unit of a figure, for print and for dense screens.
const PNG_SCALE: u32 = 2;
/// A PNG is drawn so many times larger and scaled down, which smooths every edge.
const SUPERSAMPLING: u32 = 3;

/// A figure.
#[derive(Clone, Debug)]
pub enum Figure {
    /// Curves or points over an axis.
    Chart(Chart),
    /// A matrix of fractions.
    Matrix(Matrix),
}

impl Figure {
    /// Its title.
    pub fn title(&self) -> &str {
        match self {
            Self::Chart(chart) => &chart.title,
            Self::Matrix(matrix) => &matrix.title,
        }
    }

    /// Width and height in units; a unit is a CSS pixel of the SVG.
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Chart(chart) => chart.size(),
            Self::Matrix(matrix) => matrix.size(),
        }
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<()> {
        match self {
            Self::Chart(chart) => chart.draw(canvas),
            Self::Matrix(matrix) => matrix.draw(canvas),
        }
    }

    /// As SVG: text stays text, in the viewer's own sans-serif font.
    pub fn svg(&self) -> Result<String> {
        let (width, height) = self.size();
        let large = (width * SVG_SCALE, height * SVG_SCALE);
        let mut text = String::new();
        let backend = SVGBackend::with_string(&mut text, large);
        let canvas = Canvas::new(backend, f64::from(SVG_SCALE), Canvas::<SVGBackend>::SVG)?;
        self.draw(&canvas)?;
        canvas.finish()?;
        drop(canvas);
        // The backend writes the size of its own coordinates; the view box keeps those.
        let own = format!("<svg width=\"{}\" height=\"{}\"", large.0, large.1);
        let title = escaped(self.title());
        let wanted = format!(
            "<svg role=\"img\" aria-label=\"{title}\" width=\"{width}\" height=\"{height}\""
        );
        match text.contains(&own) {
            true => Ok(text.replacen(&own, &wanted, 1)),
            false => Err(anyhow!("the SVG has another header than expected")),
        }
    }

    /// As PNG, with two pixels a unit.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = self.size();
        let scale = PNG_SCALE * SUPERSAMPLING;
        let large = (width * scale, height * scale);
        let mut pixels = vec![0; large.0 as usize * large.1 as usize * 3];
        let backend = BitMapBackend::with_buffer(&mut pixels, large);
        let canvas = Canvas::new(backend, f64::from(scale), Canvas::<BitMapBackend>::PIXELS)?;
        self.draw(&canvas)?;
        canvas.finish()?;
        drop(canvas);
        let drawn = RgbImage::from_raw(large.0, large.1, pixels).context("size of a figure")?;
        let (width, height) = (width * PNG_SCALE, height * PNG_SCALE);
        let smooth = resize(&drawn, width, height, FilterType::Triangle);
        png::encode(&Image {
            width,
            height,
            data: smooth.into_raw(),
        })
    }

    /// Writes the figure whole or not at all, as what the name's ending says.
    pub fn write(&self, path: &Path) -> Result<()> {
        match Ending::of(path)? {
            Ending::Svg => write_whole(path, self.svg()?.as_bytes()),
            Ending::Png => write_whole(path, &self.png()?),
        }
    }
}

/// The formats of a figure's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Svg,
    Png,
}

impl Ending {
    /// By the name of a file.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default();
        match ending.to_string_lossy().to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            _ => {
                let path = path.display();
                let message =
                    format!("a figure's file ends in .svg or .png, which {path} does not");
                Err(BadArgument(message).into())
            }
        }
    }
}

/// A text for XML and HTML.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::palette::PALETTE;
    use super::*;

    fn figure() -> Figure {
        let point = |x: f64, y: f64| Point {
            x,
            y,
            deviation: 1.5,
        };
        let series = |label: &str, points: Vec<Point>| Series {
            label: label.to_string(),
            style: Style::Measured,
            points,
        };
        Figure::Chart(Chart {
            title: "Accuracy & <length>".to_string(),
            x: Axis::new("epochs"),
            y: Axis::new("accuracy, %"),
            series: vec![
                series("MoCo v2+", vec![point(1.0, 30.0), point(2.0, 35.0)]),
                series("BYOL", vec![point(1.0, 28.0), point(2.0, 36.0)]),
            ],
            ..Chart::default()
        })
    }

    #[test]
    fn an_svg_names_its_axes_and_series_and_is_escaped() {
        let svg = figure().svg().unwrap();
        for text in [
            "MoCo v2+",
            "BYOL",
            "epochs",
            "accuracy, %",
            "Accuracy &amp; &lt;length&gt;",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.starts_with("<svg role=\"img\"") && !svg.contains("<length>"));
    }

    #[test]
    fn a_png_has_two_pixels_a_unit_and_the_colours_of_its_series() {
        let (width, height) = figure().size();
        let image = image::load_from_memory(&figure().png().unwrap())
            .unwrap()
            .to_rgb8();
        assert_eq!(image.dimensions(), (2 * width, 2 * height));
        for (red, green, blue) in &PALETTE[..2] {
            let same = |pixel: &&image::Rgb<u8>| pixel.0 == [*red, *green, *blue];
            assert!(image.pixels().filter(same).count() > 100);
        }
    }

    #[test]
    fn files_are_named_by_their_format() {
        assert_eq!(Ending::of(Path::new("a.SVG")).unwrap(), Ending::Svg);
        assert!(Ending::of(Path::new("a.pdf")).is_err());
    }
}
