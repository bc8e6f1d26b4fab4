//! The weight gradient of Winograd convolution: 16 multiplications for 2x2 outputs instead of 36.
//!
//! The forward pass is `y = A^T [(G g G^T) * (B^T d B)] A` for every tile, so the weight gradient is
//! `G^T [sum over tiles of (A dy A^T) * (B^T d B)] G`: 16 matrix products of inputs by outputs, each a sum over all tiles.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::super::buffers::{Scratch, buffer};
use super::super::threads;
use super::super::tile::{FEW, load, outer_in_order, rows, store};
use super::inverse::inverse_weight;
use super::layout::Layout;
use super::transform::{Grads, Grid, Inputs, tiles, transform};
use crate::shape::ConvShape;

/// Values of both operands' transformed tiles that are multiplied at once: about the size of L1.
const TILE_BLOCK: usize = 1 << 15;
/// Split-K: groups of tiles that are summed separately where there are many tiles and few channels.
const SPLITS: usize = 8;
/// Sums of the 16 products that such a group may have.
const SPLIT_SUMS: usize = 1 << 18;
/// Inputs whose sums are computed at once where all tasks share the transformed tiles.
const INPUTS: usize = 128;

/// See [`crate::backend::cpu::conv2d_grad_weight`].
pub fn grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Gradient::new(shape, x, grad))
}

/// What all tasks share.
struct Gradient<'a> {
    shape: &'a ConvShape,
    patches: Grid<'a>,
    grads: Grid<'a>,
    /// Tiles of the batch, and of a block, which is transformed at once.
    tiles: usize,
    block: usize,
}

impl<'a> Gradient<'a> {
    fn new(shape: &'a ConvShape, x: &'a [f32], grad: &'a [f32]) -> Self {
        let [down, across] = tiles(shape.out_size());
        let tiles = shape.batch * down * across;
        let block = TILE_BLOCK / 16 / (shape.inputs + shape.outputs);
        Self {
            shape,
            patches: Grid {
                values: x,
                size: shape.size,
                channels: shape.inputs,
                before: shape.padding,
                tiles: [down, across],
            },
            grads: Grid {
                values: grad,
                size: shape.out_size(),
                channels: shape.outputs,
                before: [0; 2],
                tiles: [down, across],
            },
            tiles,
            block: block.clamp(16, 256).min(tiles),
        }
    }

    /// Whether groups of tiles are summed separately, or all tasks share the tiles: a function of the shape alone.
    fn is_split(&self) -> bool {
        16 * self.shape.inputs * self.shape.outputs <= SPLIT_SUMS
            && self.tiles >= 2 * SPLITS * self.block
    }

    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let layout = Layout::new::<S, P, V>(self.shape, self.block);
        let ConvShape {
            inputs, outputs, ..
        } = *self.shape;
        let work = 16 * self.tiles * inputs * outputs;
        let mut gradient = buffer(self.shape.weight_len());
        if self.is_split() {
            let len = 16 * layout.panels * layout.panel_sums(layout.groups);
            let mut sums = Scratch::new(SPLITS * len);
            let share = self.tiles.div_ceil(SPLITS);
            threads::each(work, sums.chunks_mut(len), |split, sums| {
                let tiles = split * share..((split + 1) * share).min(self.tiles);
                simd.vectorize(Split::<P, V> {
                    gradient: self,
                    layout: &layout,
                    tiles,
                    sums,
                });
            });
            let rows = gradient.chunks_mut(layout.width * inputs * 9);
            threads::each(work, rows, |panel, rows| {
                simd.vectorize(Inverse::<P, V> {
                    layout: &layout,
                    sums: &sums,
                    split_len: len,
                    panel: (panel, layout.panels),
                    inputs: (0..inputs, inputs),
                    rows,
                });
            });
            return gradient;
        }

        let (left_len, right_len) = (layout.left_len(), layout.right_len());
        let blocks = self.tiles.div_ceil(self.block);
        let mut left = Scratch::new(blocks * left_len);
        let mut right = Scratch::new(blocks * right_len);
        let pairs = left.chunks_mut(left_len).zip(right.chunks_mut(right_len));
        threads::each(work, pairs, |block, (left, right)| {
            let begin = block * self.block;
            simd.vectorize(Transform {
                gradient: self,
                layout: &layout,
                tiles: begin..(begin + self.block).min(self.tiles),
                left,
                right,
            });
        });
        // A task owns some outputs.
        let panels = (if outputs < 256 { 32 } else { 64 } / layout.width).max(1);
        let rows = gradient.chunks_mut(panels * layout.width * inputs * 9);
        threads::each(work, rows, |task, rows| {
            let first = task * panels;
            simd.vectorize(Columns::<P, V> {
                gradient: self,
                layout: &layout,
                left: &left,
                right: &right,
                panels: first..(first + panels).min(layout.panels),
                rows,
            });
        });
        gradient
    }
}

impl WithSimd for Gradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let one_vector = self.shape.outputs <= S::F32_LANES;
        match (rows::<S>(), one_vector) {
            (8, true) => self.with::<S, 16, 1>(simd),
            (8, false) => self.with::<S, 8, 2>(simd),
            (_, true) => self.with::<S, FEW, 1>(simd),
            (_, false) => self.with::<S, FEW, 2>(simd),
        }
    }
}

/// Transforms one block of tiles.
struct Transform<'a, 'b> {
    gradient: &'a Gradient<'b>,
    layout: &'a Layout,
    tiles: Range<usize>,
    left: &'a mut [f32],
    right: &'a mut [f32],
}

impl WithSimd for Transform<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            layout,
            tiles,
            left,
            right,
        } = self;
        let panels = (layout.block, layout.left_width);
        transform::<S, Inputs>(simd, &gradient.patches, tiles.clone(), panels, left);
        let panels = (layout.block, layout.width);
        transform::<S, Grads>(simd, &gradient.grads, tiles, panels, right);
    }
}

/// The sums over a group of tiles, for all inputs and outputs.
struct Split<'a, 'b, const P: usize, const V: usize> {
    gradient: &'a Gradient<'b>,
    layout: &'a Layout,
    tiles: Range<usize>,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Split<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            layout,
            tiles,
            sums,
        } = self;
        let mut left = Scratch::new(layout.left_len());
        let mut right = Scratch::new(layout.right_len());
        if tiles.is_empty() {
            sums.fill(0.0);
        }
        for begin in tiles.clone().step_by(layout.block) {
            let now = begin..(begin + layout.block).min(tiles.end);
            Transform {
                gradient,
                layout,
                tiles: now.clone(),
                left: &mut left,
                right: &mut right,
            }
            .with_simd(simd);
            multiply::<S, P, V>(
                simd,
                layout,
                (&left, &right),
                now.len(),
                (0..layout.panels, 0..layout.groups),
                begin > tiles.start,
                sums,
            );
        }
    }
}

/// The gradient of some outputs, over all tiles.
struct Columns<'a, 'b, const P: usize, const V: usize> {
    gradient: &'a Gradient<'b>,
    layout: &'a Layout,
    left: &'a [f32],
    right: &'a [f32],
    panels: Range<usize>,
    rows: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Columns<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            layout,
            left,
            right,
            panels,
            rows,
        } = self;
        let inputs = gradient.shape.inputs;
        let step = (INPUTS / P).max(1);
        let mut sums = Scratch::new(16 * panels.len() * layout.panel_sums(step));
        for first in (0..layout.groups).step_by(step) {
            let groups = first..(first + step).min(layout.groups);
            let sums = &mut sums[..16 * panels.len() * layout.panel_sums(groups.len())];
            let blocks = left
                .chunks(layout.left_len())
                .zip(right.chunks(layout.right_len()));
            for (block, operands) in blocks.enumerate() {
                let count = layout.block.min(gradient.tiles - block * layout.block);
                multiply::<S, P, V>(
                    simd,
                    layout,
                    operands,
                    count,
                    (panels.clone(), groups.clone()),
                    block > 0,
                    sums,
                );
            }
            let of = groups.start * P..(groups.end * P).min(inputs);
            for (panel, rows) in rows.chunks_mut(layout.width * inputs * 9).enumerate() {
                Inverse::<P, V> {
                    layout,
                    sums: &*sums,
                    split_len: sums.len(),
                    panel: (panel, panels.len()),
                    inputs: (of.clone(), inputs),
                    rows,
                }
                .with_simd(simd);
            }
        }
    }
}

/// Adds the products of `count` tiles to the sums of some panels and groups.
#[inline(always)]
fn multiply<S: Simd, const P: usize, const V: usize>(
    simd: S,
    layout: &Layout,
    (left, right): (&[f32], &[f32]),
    tiles: usize,
    (panels, groups): (Range<usize>, Range<usize>),
    accumulate: bool,
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    let mut tiles_of_sums = sums.chunks_exact_mut(P * width);
    for number in 0..16 {
        let left = &left[number * layout.left_plane()..][..layout.left_plane()];
        let right = &right[number * layout.right_plane()..][..layout.right_plane()];
        for panel in panels.clone() {
            let panel = &right[panel * layout.block * width..];
            for group in groups.clone() {
                let Some(sums) = tiles_of_sums.next() else {
                    return;
                };
                let mut acc = [[simd.splat_f32s(0.0); V]; P];
                if accumulate {
                    for (p, acc) in acc.iter_mut().enumerate() {
                        *acc = load(simd, &sums[p * width..(p + 1) * width]);
                    }
                }
                let rows = (&left[layout.group(group)..], layout.left_width);
                let acc = outer_in_order(simd, rows, tiles, panel, acc);
                for (p, acc) in acc.iter().enumerate() {
                    store(simd, acc, &mut sums[p * width..(p + 1) * width]);
                }
            }
        }
    }
}

/// `G^T m G` for one panel of outputs and some inputs.
struct Inverse<'a, const P: usize, const V: usize> {
    layout: &'a Layout,
    /// As [`Layout`] says, for each group of tiles.
    sums: &'a [f32],
    split_len: usize,
    /// The number of the panel, and of how many.
    panel: (usize, usize),
    /// The inputs of the sums, and the number of inputs of a row.
    inputs: (Range<usize>, usize),
    /// `[width][inputs][9]`, fewer outputs at the end.
    rows: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Inverse<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            layout,
            sums,
            split_len,
            panel: (panel, panels),
            inputs: (inputs, all),
            rows,
        } = self;
        let (lanes, width) = (S::F32_LANES, V * S::F32_LANES);
        let panel_sums = layout.panel_sums(inputs.len().div_ceil(P));
        let mut taps = [0.0; 9 * 16];
        for (number, input) in inputs.enumerate() {
            for begin in (0..width).step_by(lanes) {
                let mut m = [[simd.splat_f32s(0.0); 4]; 4];
                let first = panel * panel_sums + number * width + begin;
                for (product, m) in m.as_flattened_mut().iter_mut().enumerate() {
                    let at = product * panels * panel_sums + first;
                    for sums in sums.chunks_exact(split_len) {
                        let [value] = load(simd, &sums[at..at + lanes]);
                        *m = simd.add_f32s(*m, value);
                    }
                }
                let g = inverse_weight(simd, &m);
                for (tap, value) in g.as_flattened().iter().enumerate() {
                    store(simd, &[*value], &mut taps[tap * lanes..(tap + 1) * lanes]);
                }
                let outputs = rows.chunks_exact_mut(all * 9).skip(begin).take(lanes);
                for (lane, row) in outputs.enumerate() {
                    let row = &mut row[input * 9..input * 9 + 9];
                    for (tap, value) in row.iter_mut().enumerate() {
                        *value = taps[tap * lanes + lane];
                    }
                }
            }
        }
    }
}
