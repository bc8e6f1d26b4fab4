//! Widths and heights of many images in a line.

use std::fmt;

use serde::Serialize;

/// The shortest and the longest of the widths or of the heights, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sides {
    min: u32,
    max: u32,
}

impl Sides {
    /// Those of the widths and of the heights; `None` of no images.
    pub fn ranges<'a>(sizes: impl IntoIterator<Item = &'a (u32, u32)>) -> Option<[Self; 2]> {
        let mut sizes = sizes.into_iter();
        let of = |side: u32| Self {
            min: side,
            max: side,
        };
        let &(width, height) = sizes.next()?;
        let first = [of(width), of(height)];
        Some(sizes.fold(first, |[widths, heights], &(width, height)| {
            [widths.with(width), heights.with(height)]
        }))
    }

    fn with(self, side: u32) -> Self {
        Self {
            min: self.min.min(side),
            max: self.max.max(side),
        }
    }
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.min),
            false => write!(f, "{}..{}", self.min, self.max),
        }
    }
}
