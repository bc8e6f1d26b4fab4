//! Winograd convolution F(2x2, 3x3): 3x3 kernels of stride 1 with 16 multiplications for four outputs instead of 36.
//!
//! The 2x2 outputs of the kernel `g` and a 4x4 patch `d` of the input are `A^T [(G g G^T) * (B^T d B)] A` (Lavin and Gray,
//! 2016). The entries of `A` and `B` are 0, 1 and -1, those of `G` also 1/2, so that rounding errors grow little. An infinity in
//! a patch may reach all four outputs of its tile as NaN.

mod inverse;
mod layout;
mod transform;
mod weight;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

pub use self::transform::tiles;
pub use self::weight::grad_weight;

use self::inverse::Outputs;
use self::transform::{Grid, Inputs, Kernel, plane, transform};
use super::buffers::{Scratch, buffer};
use super::epilogue::Epilogue;
use super::threads;
use super::tile::{FEW, product, rows, store};
use super::weight::Weight;
use crate::shape::ConvShape;

/// Tiles that are transformed at once: few, so that they stay in L1 from transform to transform, but more where the weight is
/// large, which each of these blocks reads from L2 or beyond.
const TILE_BLOCK: Range<usize> = 8..48;
/// Tiles of a task, at least.
const TASK: usize = 64;

/// A Winograd convolution: the forward pass, or the input gradient.
pub struct Winograd<'a> {
    grid: Grid<'a>,
    weight: Weight<'a>,
    /// Taps of the kernel, or of the kernel rotated by 180 degrees, in the order of the source's rows and columns.
    taps: Vec<usize>,
    columns: usize,
    out_size: [usize; 2],
    epilogue: Option<Epilogue<'a>>,
}

impl<'a> Winograd<'a> {
    /// The forward pass.
    pub fn forward(
        shape: &ConvShape,
        x: &'a [f32],
        weight: &'a [f32],
        epilogue: Option<Epilogue<'a>>,
    ) -> Self {
        let weight = Weight {
            values: weight,
            channels: shape.inputs,
            channel_stride: 9,
            column_stride: shape.inputs * 9,
        };
        let out_size = shape.out_size();
        Self {
            grid: Grid {
                values: x,
                size: shape.size,
                channels: shape.inputs,
                before: shape.padding,
                tiles: tiles(out_size),
            },
            weight,
            taps: (0..9).collect(),
            columns: shape.outputs,
            out_size,
            epilogue,
        }
    }

    /// The input gradient: a convolution of the output's gradient with the rotated kernel.
    pub fn grad_input(shape: &ConvShape, grad: &'a [f32], weight: &'a [f32]) -> Self {
        let weight = Weight {
            values: weight,
            channels: shape.outputs,
            channel_stride: shape.inputs * 9,
            column_stride: 9,
        };
        Self {
            grid: Grid {
                values: grad,
                size: shape.out_size(),
                channels: shape.outputs,
                before: shape.padding.map(|pad| 2 - pad),
                tiles: tiles(shape.size),
            },
            weight,
            taps: (0..9).rev().collect(),
            columns: shape.inputs,
            out_size: shape.size,
            epilogue: None,
        }
    }

    /// `[batch, height, width, columns]`
    pub fn run(&self, batch: usize) -> Vec<f32> {
        let [height, width] = self.out_size;
        let mut out = buffer(batch * height * width * self.columns);
        Arch::new().dispatch(Dispatch {
            winograd: self,
            batch,
            out: &mut out,
        });
        out
    }

    fn with<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        batch: usize,
        out: &mut [f32],
    ) {
        let [height, width] = self.out_size;
        let [down, across] = self.grid.tiles;
        let tiles = batch * down * across;
        if tiles <= self.columns {
            return self.by_columns::<S, P, V>(simd, batch, out);
        }
        let out_len = height * width * self.columns;
        let channels = self.weight.channels;
        let panels = self.panels::<S, V>(simd);
        let block = (channels * self.columns / 1024).clamp(TILE_BLOCK.start, TILE_BLOCK.end);
        let block = block.next_multiple_of(P);
        let images = (TASK / (down * across)).max(1);
        let work = tiles * 16 * channels * self.columns;
        threads::each(work, out.chunks_mut(images * out_len), |task, out| {
            let first = task * images * down * across;
            simd.vectorize(Images::<P, V> {
                winograd: self,
                panels: &panels,
                tiles: first..first + out.len() / out_len * down * across,
                block,
                out: &mut *out,
            });
            if let Some(epilogue) = self.epilogue {
                simd.vectorize(epilogue.on(task * images * out_len, out));
            }
        });
    }

    /// `G g G^T` as `[panel][16][channel][width]`.
    fn panels<S: Simd, const V: usize>(&self, simd: S) -> Scratch {
        let width = V * S::F32_LANES;
        let len = 16 * self.weight.channels * width;
        let mut transformed = Scratch::new(self.columns.div_ceil(width) * len);
        let work = transformed.len() * 4;
        threads::each(work, transformed.chunks_mut(len), |panel, out| {
            simd.vectorize(Columns::<V> {
                winograd: self,
                panel,
                out,
            });
        });
        transformed
    }

    /// For many channels and few tiles: a task owns some columns, so that it uses its transformed kernel at once and never writes
    /// it to memory.
    fn by_columns<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        batch: usize,
        out: &mut [f32],
    ) {
        let [down, across] = self.grid.tiles;
        let (width, tiles) = (V * S::F32_LANES, batch * down * across);
        let row = self.weight.channels.next_multiple_of(S::F32_LANES);
        let work = tiles * 16 * self.weight.channels * self.columns;
        let block = (2 * P).min(tiles.next_multiple_of(P));
        let len = 16 * plane(block * row);
        let mut patches = Scratch::new(tiles.div_ceil(block) * len);
        threads::each(work, patches.chunks_mut(len), |number, out| {
            let first = number * block;
            simd.vectorize(Patches {
                winograd: self,
                tiles: first..(first + block).min(tiles),
                layout: (block, S::F32_LANES),
                out,
            });
        });
        let pixels = out.len() / self.columns;
        let mut columns = Scratch::new(self.columns.div_ceil(width) * pixels * width);
        threads::each(work, columns.chunks_mut(pixels * width), |panel, out| {
            simd.vectorize(Panel::<P, V> {
                winograd: self,
                patches: &patches,
                block: (block, row),
                tiles,
                panel,
                out,
            });
        });
        let rows = out.chunks_mut(self.columns);
        threads::each(pixels * self.columns, rows, |pixel, out| {
            let panels = columns.chunks_exact(pixels * width);
            for (out, values) in out.chunks_mut(width).zip(panels) {
                out.copy_from_slice(&values[pixel * width..][..out.len()]);
            }
            if let Some(epilogue) = self.epilogue {
                simd.vectorize(epilogue.on(pixel * self.columns, out));
            }
        });
    }
}

struct Dispatch<'a, 'b> {
    winograd: &'a Winograd<'b>,
    batch: usize,
    out: &'a mut [f32],
}

impl WithSimd for Dispatch<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let one_vector = self.winograd.columns <= S::F32_LANES;
        match (rows::<S>(), one_vector) {
            (8, true) => self.winograd.with::<S, 16, 1>(simd, self.batch, self.out),
            (8, false) => self.winograd.with::<S, 8, 2>(simd, self.batch, self.out),
            (_, true) => self.winograd.with::<S, FEW, 1>(simd, self.batch, self.out),
            (_, false) => self.winograd.with::<S, FEW, 2>(simd, self.batch, self.out),
        }
    }
}

/// The transformed kernel for one panel of columns.
struct Columns<'a, 'b, const V: usize> {
    winograd: &'a Winograd<'b>,
    panel: usize,
    out: &'a mut [f32],
}

impl<const V: usize> WithSimd for Columns<'_, '_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd {
            weight,
            taps,
            columns,
            ..
        } = self.winograd;
        let (channels, width) = (weight.channels, V * S::F32_LANES);
        let begin = self.panel * width;
        let mut packed = Scratch::new(9 * channels * width);
        let range = begin..(begin + width).min(*columns);
        weight.pack(taps, range, width, &mut packed);
        Kernel::<V> {
            taps: &packed,
            channels,
            out: self.out,
        }
        .with_simd(simd);
    }
}

/// Some images with all columns.
struct Images<'a, 'b, const P: usize, const V: usize> {
    winograd: &'a Winograd<'b>,
    panels: &'a [f32],
    tiles: Range<usize>,
    /// Tiles that are transformed at once.
    block: usize,
    out: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Images<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd {
            grid,
            columns,
            out_size,
            ..
        } = self.winograd;
        let line = columns.next_multiple_of(V * S::F32_LANES);
        let row = grid.channels.next_multiple_of(S::F32_LANES);
        let most = self.block.min(self.tiles.len());
        let mut patches = Scratch::new(16 * plane(most.next_multiple_of(P) * row));
        let mut products = Scratch::new(16 * plane(most.next_multiple_of(P) * line));
        let outputs = Outputs {
            size: *out_size,
            tiles: grid.tiles,
            columns: *columns,
            line,
        };
        for begin in self.tiles.clone().step_by(most) {
            let tiles = begin..(begin + most).min(self.tiles.end);
            let count = tiles.len();
            let capacity = count.next_multiple_of(P);
            let patches = &mut patches[..16 * plane(capacity * row)];
            let products = &mut products[..16 * plane(capacity * line)];
            transform::<S, Inputs>(simd, grid, tiles, (capacity, S::F32_LANES), patches);
            for (number, begin) in (0..line).step_by(V * S::F32_LANES).enumerate() {
                let len = 16 * grid.channels * V * S::F32_LANES;
                multiply::<S, P, V>(
                    simd,
                    &*patches,
                    (&self.panels[number * len..][..len], grid.channels),
                    capacity,
                    (line, begin),
                    products,
                );
            }
            let from = (&*products, capacity);
            outputs.transform(simd, from, (begin - self.tiles.start, count), self.out);
        }
    }
}

/// Transforms some tiles.
struct Patches<'a, 'b> {
    winograd: &'a Winograd<'b>,
    tiles: Range<usize>,
    /// Tiles of a block, channels of a panel.
    layout: (usize, usize),
    out: &'a mut [f32],
}

impl WithSimd for Patches<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        transform::<S, Inputs>(simd, &self.winograd.grid, self.tiles, self.layout, self.out);
    }
}

/// One panel of columns with all images: `[pixel][width]`.
struct Panel<'a, 'b, const P: usize, const V: usize> {
    winograd: &'a Winograd<'b>,
    patches: &'a [f32],
    /// Tiles of a block of patches, values of a tile's row.
    block: (usize, usize),
    tiles: usize,
    panel: usize,
    out: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Panel<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let grid = &self.winograd.grid;
        let width = V * S::F32_LANES;
        let mut kernel = Scratch::new(16 * grid.channels * width);
        Columns::<V> {
            winograd: self.winograd,
            panel: self.panel,
            out: &mut kernel,
        }
        .with_simd(simd);
        let (block, row) = self.block;
        let mut products = Scratch::new(16 * plane(block * width));
        let outputs = Outputs {
            size: self.winograd.out_size,
            tiles: grid.tiles,
            columns: width,
            line: width,
        };
        let blocks = self.patches.chunks_exact(16 * plane(block * row));
        for (number, patches) in blocks.enumerate() {
            let first = number * block;
            let count = block.min(self.tiles - first);
            multiply::<S, P, V>(
                simd,
                patches,
                (&kernel, grid.channels),
                block,
                (width, 0),
                &mut products,
            );
            outputs.transform(simd, (&products, block), (first, count), self.out);
        }
    }
}

/// The 16 products of `tiles` tiles, a multiple of P, with one panel of the kernel: `[16][tile][line]`, from column `begin`
/// on.
#[inline(always)]
fn multiply<S: Simd, const P: usize, const V: usize>(
    simd: S,
    patches: &[f32],
    (kernel, channels): (&[f32], usize),
    tiles: usize,
    (line, begin): (usize, usize),
    out: &mut [f32],
) {
    let width = V * S::F32_LANES;
    let planes = patches.chunks_exact(patches.len() / 16);
    let weights = kernel.chunks_exact(channels * width);
    let outs = out.chunks_exact_mut(plane(tiles * line));
    for ((plane, weights), out) in planes.zip(weights).zip(outs) {
        for tile in (0..tiles).step_by(P) {
            let zeros = [[simd.splat_f32s(0.0); V]; P];
            let rows = (&plane[tile * S::F32_LANES..], tiles * S::F32_LANES);
            let acc = product(simd, rows, channels, weights, zeros);
            for (p, acc) in acc.iter().enumerate() {
                let at = (tile + p) * line + begin;
                store(simd, acc, &mut out[at..at + width]);
            }
        }
    }
}
