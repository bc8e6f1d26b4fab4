//! The weight gradient, Winograd's way: 16 products for each 2x2 outputs instead of 36.
//!
//! The forward pass is `y = A^T [(G g G^T) * (B^T d B)] A` for every tile, so the gradient is
//! `G^T [sum over tiles of (A dy A^T) * (B^T d B)] G`: each of the 16 places of a tile is a product of its own, of
//! inputs by outputs, summed over all tiles.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::super::scratch::{Scratch, buffer};
use super::super::threads;
use super::super::tile::{FEW, load, outer_in_order, rows, store};
use super::fits;
use super::join::join_weight;
use super::lay::Lay;
use super::transform::{Grads, Grid, Inputs, transform};
use crate::shape::{ConvShape, winograd_tiles};

/// Values of transformed tiles, of both operands, that are multiplied at once: few go far beyond the nearest cache.
const TILE_BLOCK: usize = 1 << 15;
/// Tiles are summed in as many parts where there are many tiles and few channels.
const PARTS: usize = 8;
/// Sums (of the 16 places) that such a part may hold.
const PART_SUMS: usize = 1 << 18;
/// Inputs whose sums are worked on at once where all tasks share the transformed tiles.
const INPUTS: usize = 128;

/// `x` `[batch, height, width, inputs]` and `grad` `[batch, out height, out width, outputs]` to the gradient
/// `[outputs, inputs, 3, 3]`, where this is a way to compute it and worth it.
pub fn grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Option<Vec<f32>> {
    fits(shape).then(|| Arch::new().dispatch(Gradient::new(shape, x, grad)))
}

/// What is the same for all tasks.
struct Gradient<'a> {
    shape: &'a ConvShape,
    patches: Grid<'a>,
    grads: Grid<'a>,
    /// Tiles of the batch, and how many are transformed together.
    tiles: usize,
    block: usize,
}

impl<'a> Gradient<'a> {
    fn new(shape: &'a ConvShape, x: &'a [f32], grad: &'a [f32]) -> Self {
        let [down, across] = winograd_tiles(shape.out_size());
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

    /// Whether parts of the tiles have sums of their own, or all tasks share the tiles: a rule of the shape alone.
    fn in_parts(&self) -> bool {
        16 * self.shape.inputs * self.shape.outputs <= PART_SUMS
            && self.tiles >= 2 * PARTS * self.block
    }

    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let lay = Lay::new::<S, P, V>(self.shape, self.block);
        let ConvShape {
            inputs, outputs, ..
        } = *self.shape;
        let work = 16 * self.tiles * inputs * outputs;
        let mut gradient = buffer(self.shape.weight_len());
        if self.in_parts() {
            let len = 16 * lay.panels * lay.panel_sums(lay.groups);
            let mut sums = Scratch::new(PARTS * len);
            let share = self.tiles.div_ceil(PARTS);
            threads::each(work, sums.chunks_mut(len), |part, sums| {
                let tiles = part * share..((part + 1) * share).min(self.tiles);
                simd.vectorize(Part::<P, V> {
                    gradient: self,
                    lay: &lay,
                    tiles,
                    sums,
                });
            });
            let rows = gradient.chunks_mut(lay.width * inputs * 9);
            threads::each(work, rows, |panel, rows| {
                simd.vectorize(Join::<P, V> {
                    lay: &lay,
                    sums: &sums,
                    part: len,
                    panel: (panel, lay.panels),
                    inputs: (0..inputs, inputs),
                    rows,
                });
            });
            return gradient;
        }

        let (left_len, right_len) = (lay.left_len(), lay.right_len());
        let blocks = self.tiles.div_ceil(self.block);
        let mut left = Scratch::new(blocks * left_len);
        let mut right = Scratch::new(blocks * right_len);
        let pairs = left.chunks_mut(left_len).zip(right.chunks_mut(right_len));
        threads::each(work, pairs, |block, (left, right)| {
            let begin = block * self.block;
            simd.vectorize(Spread {
                gradient: self,
                lay: &lay,
                tiles: begin..(begin + self.block).min(self.tiles),
                left,
                right,
            });
        });
        // A task owns some outputs.
        let panels = (if outputs < 256 { 32 } else { 64 } / lay.width).max(1);
        let rows = gradient.chunks_mut(panels * lay.width * inputs * 9);
        threads::each(work, rows, |task, rows| {
            let first = task * panels;
            simd.vectorize(Columns::<P, V> {
                gradient: self,
                lay: &lay,
                left: &left,
                right: &right,
                panels: first..(first + panels).min(lay.panels),
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
        let narrow = self.shape.outputs <= S::F32_LANES;
        match (rows::<S>(), narrow) {
            (8, true) => self.with::<S, 16, 1>(simd),
            (8, false) => self.with::<S, 8, 2>(simd),
            (_, true) => self.with::<S, FEW, 1>(simd),
            (_, false) => self.with::<S, FEW, 2>(simd),
        }
    }
}

/// Transforms one block of tiles.
struct Spread<'a, 'b> {
    gradient: &'a Gradient<'b>,
    lay: &'a Lay,
    tiles: Range<usize>,
    left: &'a mut [f32],
    right: &'a mut [f32],
}

impl WithSimd for Spread<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            lay,
            tiles,
            left,
            right,
        } = self;
        let room = (lay.block, lay.left_width);
        transform::<S, Inputs>(simd, &gradient.patches, tiles.clone(), room, left);
        let room = (lay.block, lay.width);
        transform::<S, Grads>(simd, &gradient.grads, tiles, room, right);
    }
}

/// The sums over a part of the tiles, for all inputs and outputs.
struct Part<'a, 'b, const P: usize, const V: usize> {
    gradient: &'a Gradient<'b>,
    lay: &'a Lay,
    tiles: Range<usize>,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Part<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            lay,
            tiles,
            sums,
        } = self;
        let mut left = Scratch::new(lay.left_len());
        let mut right = Scratch::new(lay.right_len());
        if tiles.is_empty() {
            sums.fill(0.0);
        }
        for begin in tiles.clone().step_by(lay.block) {
            let now = begin..(begin + lay.block).min(tiles.end);
            Spread {
                gradient,
                lay,
                tiles: now.clone(),
                left: &mut left,
                right: &mut right,
            }
            .with_simd(simd);
            multiply::<S, P, V>(
                simd,
                lay,
                (&left, &right),
                now.len(),
                (0..lay.panels, 0..lay.groups),
                begin > tiles.start,
                sums,
            );
        }
    }
}

/// The gradient of some outputs, over all tiles.
struct Columns<'a, 'b, const P: usize, const V: usize> {
    gradient: &'a Gradient<'b>,
    lay: &'a Lay,
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
            lay,
            left,
            right,
            panels,
            rows,
        } = self;
        let inputs = gradient.shape.inputs;
        let step = (INPUTS / P).max(1);
        let mut sums = Scratch::new(16 * panels.len() * lay.panel_sums(step));
        for first in (0..lay.groups).step_by(step) {
            let groups = first..(first + step).min(lay.groups);
            let sums = &mut sums[..16 * panels.len() * lay.panel_sums(groups.len())];
            let blocks = left
                .chunks(lay.left_len())
                .zip(right.chunks(lay.right_len()));
            for (block, operands) in blocks.enumerate() {
                let count = lay.block.min(gradient.tiles - block * lay.block);
                multiply::<S, P, V>(
                    simd,
                    lay,
                    operands,
                    count,
                    (panels.clone(), groups.clone()),
                    block > 0,
                    sums,
                );
            }
            let of = groups.start * P..(groups.end * P).min(inputs);
            for (panel, rows) in rows.chunks_mut(lay.width * inputs * 9).enumerate() {
                Join::<P, V> {
                    lay,
                    sums: &*sums,
                    part: sums.len(),
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
    lay: &Lay,
    (left, right): (&[f32], &[f32]),
    tiles: usize,
    (panels, groups): (Range<usize>, Range<usize>),
    goes_on: bool,
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    let mut tiles_of_sums = sums.chunks_exact_mut(P * width);
    for number in 0..16 {
        let left = &left[number * lay.left_plane()..][..lay.left_plane()];
        let right = &right[number * lay.right_plane()..][..lay.right_plane()];
        for panel in panels.clone() {
            let panel = &right[panel * lay.block * width..];
            for group in groups.clone() {
                let Some(sums) = tiles_of_sums.next() else {
                    return;
                };
                let mut acc = [[simd.splat_f32s(0.0); V]; P];
                if goes_on {
                    for (p, acc) in acc.iter_mut().enumerate() {
                        *acc = load(simd, &sums[p * width..(p + 1) * width]);
                    }
                }
                let rows = (&left[lay.group(group)..], lay.left_width);
                let acc = outer_in_order(simd, rows, tiles, panel, acc);
                for (p, acc) in acc.iter().enumerate() {
                    store(simd, acc, &mut sums[p * width..(p + 1) * width]);
                }
            }
        }
    }
}

/// `G^T m G` for one panel of outputs and some inputs.
struct Join<'a, const P: usize, const V: usize> {
    lay: &'a Lay,
    /// As [`Lay`] says, once for each part of the tiles.
    sums: &'a [f32],
    part: usize,
    /// Which panel of how many.
    panel: (usize, usize),
    /// Whose sums these are, and of how many inputs the rows are.
    inputs: (Range<usize>, usize),
    /// `[width][inputs][9]`, fewer outputs at the end.
    rows: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Join<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            lay,
            sums,
            part,
            panel: (panel, panels),
            inputs: (inputs, all),
            rows,
        } = self;
        let (lanes, width) = (S::F32_LANES, V * S::F32_LANES);
        let panel_sums = lay.panel_sums(inputs.len().div_ceil(P));
        let mut taps = [0.0; 9 * 16];
        for (number, input) in inputs.enumerate() {
            for begin in (0..width).step_by(lanes) {
                let mut m = [[simd.splat_f32s(0.0); 4]; 4];
                let first = panel * panel_sums + number * width + begin;
                for (place, m) in m.as_flattened_mut().iter_mut().enumerate() {
                    let at = place * panels * panel_sums + first;
                    for sums in sums.chunks_exact(part) {
                        let [value] = load(simd, &sums[at..at + lanes]);
                        *m = simd.add_f32s(*m, value);
                    }
                }
                let g = join_weight(simd, &m);
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
