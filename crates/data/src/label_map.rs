//! Label maps: PNG images whose values are ids.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Transformations};

use crate::error::DataError;

/// A map of ids, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// An id a pixel.
    pub ids: Vec<u8>,
}

impl LabelMap {
    /// Reads a PNG of one channel with up to eight bits: grey values, or indices into a palette, whose colours are ignored.
    ///
    /// # Errors
    /// When it is not such a PNG, or is damaged.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, DataError> {
        let wrong = |reason: String| DataError::Annotation {
            name: name.to_string(),
            reason,
        };
        let damaged = |error: png::DecodingError| wrong(format!("not a valid PNG: {error}"));
        let mut decoder = Decoder::new(Cursor::new(bytes));
        // Palette indices stay as they are.
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(damaged)?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        let (color, depth) = (info.color_type, info.bit_depth);
        if !matches!(color, ColorType::Grayscale | ColorType::Indexed) || depth == BitDepth::Sixteen
        {
            return Err(wrong(format!(
                "a label map must be a PNG of one channel with up to 8 bits, this is {color:?} with {depth:?} bits"
            )));
        }
        let size = reader.output_buffer_size();
        let mut packed = vec![0; size.ok_or_else(|| wrong("too large".to_string()))?];
        let frame = reader.next_frame(&mut packed).map_err(damaged)?;
        let bits = depth as usize;
        let id = |row: &[u8], x: usize| {
            let shift = 8 - bits - (x * bits) % 8;
            let value = row[x * bits / 8] >> shift;
            value & (0xff >> (8 - bits)) as u8
        };
        let ids = packed
            .chunks_exact(frame.line_size)
            .take(height as usize)
            .flat_map(|row| (0..width as usize).map(move |x| id(row, x)))
            .collect();
        Ok(Self { width, height, ids })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn encode(color: ColorType, depth: BitDepth, data: &[u8], width: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![9; 3 * 256]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn values_are_ids_whatever_the_palette_and_depth() {
        let ids = |color, depth, data: &[u8], width| {
            let bytes = encode(color, depth, data, width);
            LabelMap::decode("map.png", &bytes).unwrap().ids
        };
        let eight = [1, 2, 255, 7, 0, 33];
        assert_eq!(ids(ColorType::Grayscale, BitDepth::Eight, &eight, 3), eight);
        assert_eq!(ids(ColorType::Indexed, BitDepth::Eight, &eight, 3), eight);
        let four = [0x12, 0x30, 0xa0, 0xf0];
        let expected = [1, 2, 3, 10, 0, 15];
        assert_eq!(ids(ColorType::Indexed, BitDepth::Four, &four, 3), expected);
    }

    #[test]
    fn colours_and_damage_are_errors() {
        let rgb = encode(ColorType::Rgb, BitDepth::Eight, &[0; 18], 3);
        let error = LabelMap::decode("map.png", &rgb).unwrap_err().to_string();
        assert!(error.contains("one channel"), "{error}");
        let map = encode(ColorType::Grayscale, BitDepth::Eight, &[5; 600], 300);
        assert!(LabelMap::decode("map.png", &map[..map.len() / 2]).is_err());
        assert!(LabelMap::decode("map.png", b"GIF89a").is_err());
    }
}
