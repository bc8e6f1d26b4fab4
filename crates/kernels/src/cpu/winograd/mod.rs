//! Winograd's F(2x2, 3x3): 3x3 convolutions of stride 1 with 16 multiplications for four outputs instead of 36.
//!
//! With the input's 4x4 patch `d`, the kernel `g` and the 2x2 outputs: `A^T [(G g G^T) * (B^T d B)] A` (Lavin and
//! Gray, 2016), where `B` and `A` hold 0 and 1 only and `G` halves, so that an error grows by little. An infinity
//! in a patch may reach all four outputs of its tile as NaN.

mod transform;

use pulp::{Arch, Simd, WithSimd};

use self::transform::{Kernel, Outputs, Place, plane, transform_patches};
use super::pack::Border;
use super::scratch::Scratch;
use super::shape::ConvShape;
use super::threads;
use super::tile::{Segment, gather, rows, store};
use super::weight::Weight;

/// Fewer channels do not pay for the transforms.
const CHANNELS: usize = 16;
/// Fewer tiles do not pay for the transform of the kernel.
const TILES: usize = 32;
/// Values of transformed tiles that a task works on at once: half of a second cache.
const TILE_BLOCK: usize = 1 << 17;

/// `out = source * kernel`, both with channels last.
pub struct Winograd<'a> {
    source: &'a [f32],
    weight: Weight<'a>,
    /// Taps in the order in which they meet the source's rows and columns.
    taps: Vec<usize>,
    border: Border,
    columns: usize,
    out_size: [usize; 2],
}

impl<'a> Winograd<'a> {
    /// The convolution, where this is a way to compute it and worth it.
    pub fn forward(shape: &ConvShape, x: &'a [f32], weight: &'a [f32]) -> Option<Self> {
        let weight = Weight {
            values: weight,
            channels: shape.inputs,
            channel_stride: 9,
            column_stride: shape.inputs * 9,
        };
        let (size, out_size) = (shape.size, shape.out_size());
        fits(shape).then(|| Self {
            source: x,
            weight,
            taps: (0..9).collect(),
            border: border(size, out_size, shape.padding, shape.inputs),
            columns: shape.outputs,
            out_size,
        })
    }

    /// The gradient by the input, likewise: a convolution of the output's gradient with the kernel turned round.
    pub fn grad_input(shape: &ConvShape, grad: &'a [f32], weight: &'a [f32]) -> Option<Self> {
        let weight = Weight {
            values: weight,
            channels: shape.outputs,
            channel_stride: shape.inputs * 9,
            column_stride: 9,
        };
        let (size, out_size) = (shape.out_size(), shape.size);
        fits(shape).then(|| Self {
            source: grad,
            weight,
            taps: (0..9).rev().collect(),
            border: border(
                size,
                out_size,
                shape.padding.map(|pad| 2 - pad),
                shape.outputs,
            ),
            columns: shape.inputs,
            out_size,
        })
    }

    /// `[batch, height, width, columns]`
    pub fn run(&self, batch: usize) -> Vec<f32> {
        let [height, width] = self.out_size;
        let mut out = vec![0.0; batch * height * width * self.columns];
        Arch::new().dispatch(Dispatch {
            winograd: self,
            out: &mut out,
        });
        out
    }

    /// Tiles of a picture, down and across.
    fn tiles(&self) -> [usize; 2] {
        self.out_size.map(|side| side.div_ceil(2))
    }

    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S, out: &mut [f32]) {
        let [height, width] = self.out_size;
        let out_len = height * width * self.columns;
        let [down, across] = self.tiles();
        let (channels, tiles) = (self.weight.channels, down * across);
        let panels = self.panels::<S, V>(simd);
        let block = (TILE_BLOCK / 16 / (channels + self.columns)).clamp(48, 256);
        let pictures = (block / tiles).max(1);
        let work = out.len() / out_len * tiles * 16 * channels * self.columns;
        threads::each(work, out.chunks_mut(pictures * out_len), |task, out| {
            simd.vectorize(Task::<P, V> {
                winograd: self,
                panels: &panels,
                first: task * pictures,
                block,
                out,
            });
        });
    }

    /// `G g G^T` as `[panel][16][channel][width]`.
    fn panels<S: Simd, const V: usize>(&self, simd: S) -> Scratch {
        let width = V * S::F32_LANES;
        let channels = self.weight.channels;
        let taps = self.weight.panels(&self.taps, self.columns, width);
        let len = 16 * channels * width;
        let mut transformed = Scratch::new(self.columns.div_ceil(width) * len);
        let work = transformed.len() * 4;
        threads::each(work, transformed.chunks_mut(len), |panel, out| {
            simd.vectorize(Kernel::<V> {
                taps: taps.panel(panel),
                channels,
                out,
            });
        });
        transformed
    }
}

/// Stride 1, no dilation, enough of everything, and at least a third fewer multiplications.
fn fits(shape: &ConvShape) -> bool {
    let pays = |size: [usize; 2]| {
        let tiles = size[0].div_ceil(2) * size[1].div_ceil(2);
        shape.batch * tiles >= TILES && 3 * 16 * tiles <= 2 * 9 * size[0] * size[1]
    };
    (shape.kernel, shape.stride, shape.dilation) == ([3; 2], [1; 2], [1; 2])
        && shape.padding.iter().all(|&pad| pad <= 2)
        && shape.inputs.min(shape.outputs) >= CHANNELS
        && pays(shape.size)
        && pays(shape.out_size())
}

/// The frame that whole tiles of 4x4 need.
fn border(size: [usize; 2], out_size: [usize; 2], before: [usize; 2], channels: usize) -> Border {
    let reach = |axis: usize| 2 * out_size[axis].div_ceil(2) + 2;
    Border {
        size,
        channels,
        before,
        after: [0, 1].map(|axis| reach(axis) - before[axis] - size[axis]),
    }
}

struct Dispatch<'a, 'b> {
    winograd: &'a Winograd<'b>,
    out: &'a mut [f32],
}

impl WithSimd for Dispatch<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let narrow = self.winograd.columns <= S::F32_LANES;
        match (rows::<S>(), narrow) {
            (8, true) => self.winograd.with::<S, 8, 1>(simd, self.out),
            (8, false) => self.winograd.with::<S, 8, 2>(simd, self.out),
            (_, true) => self.winograd.with::<S, 6, 1>(simd, self.out),
            (_, false) => self.winograd.with::<S, 6, 2>(simd, self.out),
        }
    }
}

/// Some pictures.
struct Task<'a, 'b, const P: usize, const V: usize> {
    winograd: &'a Winograd<'b>,
    panels: &'a [f32],
    first: usize,
    /// Tiles at once.
    block: usize,
    out: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Task<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Winograd {
            border,
            columns,
            out_size,
            ..
        } = *self.winograd;
        let out_len = out_size[0] * out_size[1] * columns;
        let pictures = self.out.len() / out_len;
        let (plain, framed) = (border.len(), border.padded_len());
        let mut frame = Scratch::zeros(pictures * framed);
        let pictures_in = self.winograd.source[self.first * plain..].chunks_exact(plain);
        for (picture, frame) in pictures_in.zip(frame.chunks_mut(framed)) {
            border.copy(picture, frame);
        }
        let [down, across] = self.winograd.tiles();
        let (channels, row) = (border.channels, border.padded()[1] * border.channels);
        let place = |number: usize| {
            let (picture, tile) = (number / (down * across), number % (down * across));
            let (y, x) = (2 * (tile / across), 2 * (tile % across));
            Place {
                from: picture * framed + y * row + x * channels,
                picture,
                y,
                x,
            }
        };
        let line = columns.next_multiple_of(V * S::F32_LANES);
        let most = self.block.min(pictures * down * across);
        let mut patches = Scratch::new(16 * plane(most * channels));
        let mut products = Scratch::new(16 * plane(most * line));
        let mut places = Vec::with_capacity(most);
        for begin in (0..pictures * down * across).step_by(most) {
            let count = most.min(pictures * down * across - begin);
            places.clear();
            places.extend((begin..begin + count).map(place));
            let patches = &mut patches[..16 * plane(count * channels)];
            let products = &mut products[..16 * plane(count * line)];
            transform_patches(simd, &frame, &places, (row, channels), patches);
            multiply::<S, P, V>(
                simd,
                patches,
                self.panels,
                (count, channels, line),
                products,
            );
            let outputs = Outputs {
                size: out_size,
                columns,
                line,
            };
            outputs.transform(simd, products, &places, self.out);
        }
    }
}

/// The 16 products of tiles and channels with the kernel: `[16][tile][line]`.
#[inline(always)]
fn multiply<S: Simd, const P: usize, const V: usize>(
    simd: S,
    patches: &[f32],
    panels: &[f32],
    (count, channels, line): (usize, usize, usize),
    out: &mut [f32],
) {
    let width = V * S::F32_LANES;
    let segment = [Segment {
        offset: 0,
        len: channels,
    }];
    let planes = patches.chunks_exact(plane(count * channels));
    let outs = out.chunks_exact_mut(plane(count * line));
    for (number, (plane, out)) in planes.zip(outs).enumerate() {
        let out = &mut out[..count * line];
        for (panel, begin) in (0..line).step_by(width).enumerate() {
            let len = channels * width;
            let weights = &panels[(panel * 16 + number) * len..][..len];
            for tile in (0..count).step_by(P) {
                // A tile of registers that is not full computes its last row more than once.
                let mut rows = [0; P];
                for (p, row) in rows.iter_mut().enumerate() {
                    *row = (tile + p).min(count - 1) * channels;
                }
                let zeros = [[simd.splat_f32s(0.0); V]; P];
                let acc = gather(simd, plane, &rows, &segment, weights, zeros);
                for (acc, row) in acc.iter().zip(out[tile * line..].chunks_mut(line)) {
                    store(simd, acc, &mut row[begin..begin + width]);
                }
            }
        }
    }
}
