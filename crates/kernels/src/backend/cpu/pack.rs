//! Operands packed into the order in which the register tiles read them.

use std::ops::Range;

use super::buffers::Scratch;
use super::tile::Segment;

/// The right-hand operand of a product, cut into panels of `width` columns: `[panel][depth][width]`.
/// The columns beyond the last are arbitrary and never used.
pub struct Panels {
    pub values: Scratch,
    pub depth: usize,
    pub width: usize,
}

impl Panels {
    /// Panels for `depth` x `columns` values, which are arbitrary at first.
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

/// Zero padding around images, so that no tap needs a bounds check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Height and width without the padding.
    pub size: [usize; 2],
    /// Values of a pixel.
    pub channels: usize,
    /// Rows above, columns to the left.
    pub before: [usize; 2],
    /// Rows below, columns to the right.
    pub after: [usize; 2],
}

impl Padding {
    /// Height and width with the padding.
    pub fn padded_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.before[axis] + self.size[axis] + self.after[axis])
    }

    /// Values of a padded image.
    pub fn padded_len(&self) -> usize {
        let [height, width] = self.padded_size();
        height * width * self.channels
    }

    /// Values of an image.
    pub fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Copies one image and pads it.
    pub fn copy(&self, image: &[f32], out: &mut [f32]) {
        let row = self.size[1] * self.channels;
        let padded_row = self.padded_size()[1] * self.channels;
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

    /// Copies up to `N` channels of one image into a padded image of `N` channels. All other values of `out` must be zero
    /// already.
    pub fn copy_channels<const N: usize>(
        &self,
        image: &[f32],
        channels: Range<usize>,
        out: &mut [f32],
    ) {
        let width = self.padded_size()[1];
        let rows = image.chunks_exact(self.size[1] * self.channels);
        for (y, row) in rows.enumerate() {
            let first = ((self.before[0] + y) * width + self.before[1]) * N;
            let (pixels, _) = out[first..].as_chunks_mut::<N>();
            for (to, from) in pixels.iter_mut().zip(row.chunks_exact(self.channels)) {
                let from = &from[channels.clone()];
                match from.as_array::<N>() {
                    Some(from) => *to = *from,
                    None => to[..from.len()].copy_from_slice(from),
                }
            }
        }
    }
}

/// Cuts segments into groups of `limit` values, which stay in L1 while many pixels pass.
pub fn blocks(segments: &[Segment], limit: usize) -> Vec<Vec<Segment>> {
    let mut blocks: Vec<Vec<Segment>> = vec![Vec::new()];
    let mut left = limit;
    for &segment in segments {
        let Segment {
            mut offset,
            len: mut rest,
        } = segment;
        while rest > 0 {
            if left == 0 {
                blocks.push(Vec::new());
                left = limit;
            }
            let len = rest.min(left);
            if let Some(block) = blocks.last_mut() {
                block.push(Segment { offset, len });
            }
            (offset, rest, left) = (offset + len, rest - len, left - len);
        }
    }
    blocks
}
