//! Operands brought into the order in which the tiles read them.

use std::ops::Range;

use super::scratch::Scratch;
use super::tile::Segment;

/// The right-hand operand of a product, cut into panels of `width` columns: `[panel][depth][width]`.
/// What stands in the columns that the last panel has too many is never used.
pub struct Panels {
    pub values: Scratch,
    pub depth: usize,
    pub width: usize,
}

impl Panels {
    /// Room for `depth` x `columns` values.
    pub fn new(depth: usize, columns: usize, width: usize) -> Self {
        Self {
            values: Scratch::new(columns.div_ceil(width) * depth * width),
            depth,
            width,
        }
    }

    /// One panel, `[depth][width]`.
    pub fn panel(&self, number: usize) -> &[f32] {
        let len = self.depth * self.width;
        &self.values[number * len..(number + 1) * len]
    }
}

/// A border of zeros around images, so that no tap needs to ask whether it is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border {
    /// Height and width inside.
    pub size: [usize; 2],
    /// Values a pixel.
    pub channels: usize,
    /// Rows above, columns to the left.
    pub before: [usize; 2],
    /// Rows below, columns to the right.
    pub after: [usize; 2],
}

impl Border {
    /// Height and width with the border.
    pub fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.before[axis] + self.size[axis] + self.after[axis])
    }

    /// Values of an image with its border.
    pub fn padded_len(&self) -> usize {
        let [height, width] = self.padded();
        height * width * self.channels
    }

    /// Values of an image without it.
    pub fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Copies one image into its frame, with zeros around it.
    pub fn copy(&self, image: &[f32], out: &mut [f32]) {
        let row = self.size[1] * self.channels;
        let padded_row = self.padded()[1] * self.channels;
        let before = self.before[1] * self.channels;
        let rows = out.chunks_exact_mut(padded_row).enumerate();
        for (number, out) in rows {
            let number = number.wrapping_sub(self.before[0]);
            match image.get(number.wrapping_mul(row)..number.wrapping_add(1).wrapping_mul(row)) {
                Some(values) if number < self.size[0] => {
                    out[..before].fill(0.0);
                    out[before..before + row].copy_from_slice(values);
                    out[before + row..].fill(0.0);
                }
                _ => out.fill(0.0),
            }
        }
    }

    /// Copies up to `ROOM` channels of one image into a frame of their own, `[height][width][ROOM]`. What `out` has
    /// beside them must be zero already.
    pub fn copy_channels<const ROOM: usize>(
        &self,
        image: &[f32],
        channels: Range<usize>,
        out: &mut [f32],
    ) {
        let width = self.padded()[1];
        let rows = image.chunks_exact(self.size[1] * self.channels);
        for (y, row) in rows.enumerate() {
            let first = ((self.before[0] + y) * width + self.before[1]) * ROOM;
            let (pixels, _) = out[first..].as_chunks_mut::<ROOM>();
            for (to, from) in pixels.iter_mut().zip(row.chunks_exact(self.channels)) {
                let from = &from[channels.clone()];
                match from.as_array::<ROOM>() {
                    Some(from) => *to = *from,
                    None => to[..from.len()].copy_from_slice(from),
                }
            }
        }
    }
}

/// Cuts segments into groups of `limit` values: what stays in the nearest cache while many pixels pass by.
pub fn blocks(segments: &[Segment], limit: usize) -> Vec<Vec<Segment>> {
    let mut blocks: Vec<Vec<Segment>> = vec![Vec::new()];
    let mut room = limit;
    for &segment in segments {
        let Segment {
            mut offset,
            len: mut rest,
        } = segment;
        while rest > 0 {
            if room == 0 {
                blocks.push(Vec::new());
                room = limit;
            }
            let len = rest.min(room);
            if let Some(block) = blocks.last_mut() {
                block.push(Segment { offset, len });
            }
            (offset, rest, room) = (offset + len, rest - len, room - len);
        }
    }
    blocks
}
