//! A convolution's weight as the right-hand operand of a matrix product.

use std::ops::Range;

use super::pack::Panels;
use super::threads;

/// Channels that are packed together: with a 3x3 kernel they fill whole cache lines.
const CHANNELS: usize = 16;

/// A weight tensor as a matrix of taps and channels by columns.
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
        let tasks = panels.values.chunks_mut(depth.max(1) * width);
        threads::each(depth * columns, tasks, |number, panel| {
            let begin = number * width;
            self.pack(taps, begin..(begin + width).min(columns), width, panel);
        });
        panels
    }

    /// Some columns of the packed matrix.
    pub fn pack(&self, taps: &[usize], columns: Range<usize>, width: usize, panel: &mut [f32]) {
        let row = |number: usize, channel: usize| (number * self.channels + channel) * width;
        let first = columns.start * self.column_stride;
        if self.column_stride < self.channel_stride {
            for channel in 0..self.channels {
                let values = &self.values[first + channel * self.channel_stride..];
                for (number, &tap) in taps.iter().enumerate() {
                    let to = &mut panel[row(number, channel)..][..columns.len()];
                    let values = values[tap..].iter().step_by(self.column_stride);
                    for (to, &value) in to.iter_mut().zip(values) {
                        *to = value;
                    }
                }
            }
            return;
        }
        // A column's channels are contiguous; columns are powers of two apart and so map to the same few sets of L1: each
        // cache line is used up before the next column.
        for begin in (0..self.channels).step_by(CHANNELS) {
            let channels = begin..(begin + CHANNELS).min(self.channels);
            for column in 0..columns.len() {
                let values = &self.values[first + column * self.column_stride..];
                let values = &values[channels.start * self.channel_stride..];
                for (number, &tap) in taps.iter().enumerate() {
                    let to = panel[row(number, channels.start) + column..].iter_mut();
                    let to = to.step_by(width).take(channels.len());
                    let values = values[tap..].iter().step_by(self.channel_stride);
                    to.zip(values).for_each(|(to, &value)| *to = value);
                }
            }
        }
    }
}
