//! Memory traffic of a batch, independent of the device.

use parallax_views::Taps;

use crate::batch::ViewBatch;
use crate::encode::inputs;
use crate::kernels::{PADDED_PIXELS, SHARED_ROWS, TILE};

/// Launches and memory traffic of a batch. A workgroup reads its pixels once, and what neighbouring workgroups read as well
/// counts for each; weights and tables, which fit into any cache, count once a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Kernel launches.
    pub dispatches: u64,
    /// Bytes uploaded to the device.
    pub uploaded: u64,
    /// Bytes that kernels read.
    pub read: u64,
    /// Bytes that kernels write.
    pub written: u64,
    /// Bytes that any implementation reads and writes: the source pixels of each view, and its normalised values.
    pub minimum: u64,
    /// Shared memory of the largest workgroup in bytes.
    pub shared: u64,
}

impl ViewBatch {
    /// The cost of [`ViewBatch::normalized`].
    pub fn cost(&self) -> Cost {
        let (width, height) = (u64::from(self.size.0), u64::from(self.size.1));
        let pixels = width * height;
        let mut cost = Cost {
            dispatches: 0,
            uploaded: 0,
            read: 0,
            written: 0,
            minimum: 0,
            shared: u64::from(4 * (2 * PADDED_PIXELS).max(SHARED_ROWS * TILE)),
        };
        let mut taps = Taps::default();
        for chunk in &self.chunks {
            let stages = chunk.encoded.stages.len() as u64;
            cost.dispatches += stages + self.views as u64;
            let encoded = 4 * chunk.encoded.words.len() as u64;
            cost.uploaded += chunk.source.len() as u64 + encoded;
            // Weights and tables, in each launch.
            cost.read += (stages + 1) * encoded;
            for plan in &chunk.plans {
                let (columns, tiled_columns) = inputs(&plan.horizontal, &mut taps);
                let (rows, tiled_rows) = inputs(&plan.vertical, &mut taps);
                cost.read += 3 * tiled_columns * tiled_rows;
                cost.written += 4 * pixels * stages + 12 * pixels;
                cost.minimum += 3 * columns * rows + 12 * pixels;
                for number in 0..stages as usize {
                    let blurred = plan
                        .stages
                        .get(number)
                        .is_some_and(|stage| stage.blur.is_some());
                    let read = match blurred {
                        true => with_margins(width) * with_margins(height),
                        false => pixels,
                    };
                    cost.read += 4 * read;
                }
            }
        }
        cost
    }
}

/// Pixels along a side that tiles read, with their margins inside the image.
fn with_margins(side: u64) -> u64 {
    let margin = 3 * u64::from(crate::plan::MAX_REACH);
    let tile = u64::from(TILE);
    (0..side.div_ceil(tile))
        .map(|number| {
            let begin = (number * tile).saturating_sub(margin);
            ((number + 1) * tile + margin).min(side) - begin
        })
        .sum()
}
