//! The image type that all crates share.

/// The longest side of an image that operations take or make, in pixels.
pub const MAX_SIDE: u32 = 1 << 16;

/// The most pixels of an image that operations take or make, intermediate results included.
pub const MAX_PIXELS: u64 = 1 << 26;

/// An 8-bit RGB image: rows from top to bottom, interleaved channels, `data.len() == 3 * width * height`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `R G B R G B ...`, row after row.
    pub data: Vec<u8>,
}
