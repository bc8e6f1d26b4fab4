//! Which level of a feature pyramid a box is pooled from.

use crate::Corners;
use crate::iou::area;

/// The levels of a pyramid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelOptions {
    /// The finest level.
    pub min_level: i64,
    /// The coarsest level.
    pub max_level: i64,
    /// The side of a box that belongs to the canonical level, in pixels.
    pub canonical_size: f32,
    /// That level.
    pub canonical_level: i64,
}

impl Default for LevelOptions {
    fn default() -> Self {
        Self {
            min_level: 2,
            max_level: 5,
            canonical_size: 224.0,
            canonical_level: 4,
        }
    }
}

/// `floor(canonical_level + log2(sqrt(area) / canonical_size + 1e-8))` within the levels, in f32.
pub fn level(corners: Corners, options: &LevelOptions) -> i64 {
    let size = area(corners).sqrt();
    let level = options.canonical_level as f32 + (size / options.canonical_size + 1e-8).log2();
    (level.floor() as i64).clamp(options.min_level, options.max_level)
}
