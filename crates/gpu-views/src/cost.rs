//! What the kernels of a batch move, whatever the device.

use parallax_views::Taps;

use crate::batch::ViewBatch;
use crate::kernels::{CELLS, ROWS, TILE};
use crate::program::inputs;

/// Figures of a batch. A cube reads its pixels once, and what neighbouring cubes read too counts for each; weights and
/// tables, which fit into any cache, count once a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Launches of a kernel.
    pub dispatches: u64,
    /// Bytes that go to the device.
    pub uploaded: u64,
    /// Bytes that kernels read.
    pub read: u64,
    /// Bytes that kernels write.
    pub written: u64,
    /// Bytes that any implementation reads and writes: the pixels that each view is made of, and its normalised
    /// numbers.
    pub minimum: u64,
    /// Shared memory of the largest cube.
    pub shared: u64,
}

impl ViewBatch {
    /// The figures of making all views normalised.
    pub fn cost(&self) -> Cost {
        let (width, height) = (u64::from(self.size.0), u64::from(self.size.1));
        let pixels = width * height;
        let mut cost = Cost {
            dispatches: 0,
            uploaded: 0,
            read: 0,
            written: 0,
            minimum: 0,
            shared: u64::from(4 * (2 * CELLS).max(ROWS * TILE)),
        };
        let mut taps = Taps::default();
        for part in &self.parts {
            let stages = part.stages.len() as u64;
            cost.dispatches += stages + self.views as u64;
            let program = 4 * part.program.len() as u64;
            cost.uploaded += 4 * part.source.len() as u64 + program;
            // Weights and tables, in each dispatch.
            cost.read += (stages + 1) * program;
            for plan in &part.plans {
                let (columns, tiled_columns) = inputs(&plan.along, &mut taps);
                let (rows, tiled_rows) = inputs(&plan.down, &mut taps);
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

/// Pixels along a side that tiles read with their margins inside the image.
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
