//! The image type that every room shares.

/// An 8-bit RGB image: rows from the top, interleaved channels, `data.len() == 3 * width * height`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// `R G B R G B ...`, one row after the other.
    pub data: Vec<u8>,
}
