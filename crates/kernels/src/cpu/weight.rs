//! A convolution's weight as the right operand of a product.

use std::ops::Range;

use super::pack::Panels;
use super::scratch::Scratch;
use super::threads;

/// A weight tensor seen as a matrix of taps and channels by columns.
pub struct Weight<'a> {
    pub values: &'a [f32],
    pub channels: usize,
    pub channel_stride: usize,
    pub column_stride: usize,
}

impl Weight<'_> {
    /// The packed matrix: its rows are the channels of the first of `taps`, then those of the next.
    pub fn panels(&self, taps: &[usize], columns: usize, width: usize) -> Panels {
        let depth = taps.len() * self.channels;
        let mut panels = Panels::new(depth, columns, width);
        let pieces = panels.values.chunks_mut(depth.max(1) * width);
        threads::each(depth * columns, pieces, |number, panel| {
            let begin = number * width;
            self.pack(taps, begin..(begin + width).min(columns), width, panel);
        });
        panels
    }

    /// Some columns of the packed matrix.
    pub fn pack(&self, taps: &[usize], columns: Range<usize>, width: usize, panel: &mut [f32]) {
        // What one channel has for these columns is brought together first, because its places in the weight
        // and those in the panel lie powers of two apart: on the same few lines of the nearest cache.
        let mut together = Scratch::new(columns.len() * taps.len());
        for channel in 0..self.channels {
            let first = channel * self.channel_stride + columns.start * self.column_stride;
            for (column, together) in together.chunks_exact_mut(taps.len()).enumerate() {
                let values = &self.values[first + column * self.column_stride..];
                for (value, &tap) in together.iter_mut().zip(taps) {
                    *value = values[tap];
                }
            }
            for turn in 0..taps.len() {
                let row = (turn * self.channels + channel) * width;
                let values = together[turn..].iter().step_by(taps.len());
                for (to, &value) in panel[row..row + columns.len()].iter_mut().zip(values) {
                    *to = value;
                }
            }
        }
    }
}
