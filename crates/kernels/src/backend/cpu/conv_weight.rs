//! The convolution's weight gradient: a sum over all pixels of all images.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::pack::Border;
use super::scratch::{Scratch, buffer};
use super::threads;
use super::tile::{FEW, Pixels, load, outer, rows, store};
use super::winograd;
use crate::shape::ConvShape;

/// Pixels that a panel of the gradient holds: together with their images they fill the second cache.
const PIXEL_BLOCK: usize = 1024;
/// Inputs that fill no tile: a row of taps is then taken as one pixel with the channels of them all.
const FEW_INPUTS: usize = 5;
/// Parts of the images that have sums of their own where tiles are too few to share among threads.
const PARTS: usize = 4;

/// `x` `[batch, height, width, inputs]` and `grad` `[batch, out height, out width, outputs]` to the
/// gradient `[outputs, inputs, kernel, kernel]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    if let Some(gradient) = winograd::grad_weight(shape, x, grad) {
        return gradient;
    }
    if (shape.kernel, shape.padding) == ([1; 2], [0; 2]) && shape.stride != [1; 2] {
        // Most pixels meet no tap.
        let picked = picked(shape, x);
        let shape = ConvShape {
            size: shape.out_size(),
            stride: [1; 2],
            ..*shape
        };
        return conv2d_grad_weight(&shape, &picked, grad);
    }
    Arch::new().dispatch(Dispatch { shape, x, grad })
}

/// The pixels of `x` that a kernel of one tap meets: `[batch, out height, out width, inputs]`.
fn picked(shape: &ConvShape, x: &[f32]) -> Scratch {
    let ([height, width], [_, row]) = (shape.out_size(), shape.size);
    let len = height * width * shape.inputs;
    let mut picked = Scratch::new(shape.batch * len);
    let images = x.chunks(shape.size[0] * row * shape.inputs);
    let pairs = picked.chunks_mut(len).zip(images);
    threads::each(shape.batch * len, pairs, |_, (picked, image)| {
        for (number, pixel) in picked.chunks_exact_mut(shape.inputs).enumerate() {
            let (y, x) = (number / width, number % width);
            let from = (y * shape.stride[0] * row + x * shape.stride[1]) * shape.inputs;
            pixel.copy_from_slice(&image[from..from + shape.inputs]);
        }
    });
    picked
}

struct Dispatch<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    grad: &'a [f32],
}

impl WithSimd for Dispatch<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let narrow = self.shape.outputs <= S::F32_LANES;
        let row = self.shape.inputs * self.shape.kernel[1];
        // Three taps of three colours.
        let nine = self.together() > 1 && row.div_ceil(9) * 9 < row.next_multiple_of(8);
        match (rows::<S>(), nine, narrow) {
            (8, true, true) => self.with::<S, 9, 1>(simd),
            (8, true, false) => self.with::<S, 9, 2>(simd),
            (8, false, true) => self.with::<S, 8, 1>(simd),
            (8, false, false) => self.with::<S, 8, 2>(simd),
            (_, _, true) => self.with::<S, FEW, 1>(simd),
            (_, _, false) => self.with::<S, FEW, 2>(simd),
        }
    }
}

impl Dispatch<'_> {
    /// Taps of a row that are taken as channels of one pixel: they lie side by side unless dilation parts them.
    fn together(&self) -> usize {
        match self.shape.inputs <= FEW_INPUTS && self.shape.dilation[1] == 1 {
            true => self.shape.kernel[1],
            false => 1,
        }
    }

    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let shape = self.shape;
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let width = V * S::F32_LANES;
        let [height, out_width] = shape.out_size();
        let per_image = height * out_width;
        let images = (PIXEL_BLOCK / per_image.max(1)).clamp(1, shape.batch.max(1));
        let blocks = shape.batch.div_ceil(images);
        let work = shape.output_len() * inputs * shape.kernel[0] * shape.kernel[1];

        let lay = Lay::new::<P>(shape, self.together(), images);
        let source = lay.source::<P>(self.x, (blocks, images), work);
        let [sh, sw] = shape.stride;
        let mut places = Vec::with_capacity(images * per_image);
        for image in 0..images {
            for y in 0..height {
                for x in 0..out_width {
                    places.push(image * lay.framed + (y * sh * lay.row + x * sw) * lay.apart);
                }
            }
        }
        let pixels = Pixels::new(places);

        // The gradient of the output as [block of images][panel][pixel][width], which it may be already.
        let panels = outputs.div_ceil(width);
        let block_len = panels * images * per_image * width;
        let packed;
        let grad = if outputs == width {
            self.grad
        } else {
            packed = self.packed(width, block_len, images * per_image, work);
            &packed
        };

        // Sums as [part][panel][tile][P][width]: tasks own tiles, so no sum is shared and none depends on threads.
        let tiles = &lay.tiles;
        let parts = if self.together() > 1 { PARTS } else { 1 }.min(blocks.max(1));
        let blocks_a_part = blocks.div_ceil(parts);
        let panel_len = tiles.len() * P * width;
        let mut sums = Scratch::new(parts * panels * panel_len);
        let share = tiles.len().div_ceil(8).max(1);
        let tasks_a_panel = tiles.len().div_ceil(share);
        let chunks = sums
            .chunks_mut(panel_len)
            .flat_map(|panel| panel.chunks_mut(share * P * width));
        threads::each(work, chunks, |task, sums| {
            let (panel, first) = (task / tasks_a_panel, task % tasks_a_panel * share);
            let (part, panel) = (panel / panels, panel % panels);
            simd.vectorize(Task::<P, V> {
                source: &source,
                stride: lay.block_len,
                pixels: &pixels,
                pixels_in_all: shape.batch * per_image,
                blocks: part * blocks_a_part..((part + 1) * blocks_a_part).min(blocks),
                tiles: &tiles[first..(first + share).min(tiles.len())],
                packed: grad,
                block_len,
                panel: panel * images * per_image * width,
                sums,
            });
        });

        let mut gradient = buffer(shape.weight_len());
        let values = shape.weight_len() / outputs.max(1);
        threads::each(work, gradient.chunks_mut(width * values), |panel, rows| {
            for (part, sums) in sums.chunks(panels * panel_len).enumerate() {
                for k in 0..values {
                    let row = panel * panel_len + lay.sum::<P>(k) * width;
                    let outputs = rows[k..].iter_mut().step_by(values);
                    for (value, &sum) in outputs.zip(&sums[row..row + width]) {
                        *value = if part == 0 { sum } else { *value + sum };
                    }
                }
            }
        });
        gradient
    }

    /// The gradient of the output, packed.
    fn packed(&self, width: usize, block_len: usize, pixels: usize, work: usize) -> Scratch {
        let outputs = self.shape.outputs;
        let blocks = self.grad.chunks(pixels * outputs);
        let mut packed = Scratch::new(blocks.len() * block_len);
        let pairs = packed.chunks_mut(block_len).zip(blocks);
        threads::each(work, pairs, |_, (packed, grad)| {
            for (pixel, values) in grad.chunks_exact(outputs).enumerate() {
                for (panel, piece) in values.chunks(width).enumerate() {
                    let to = (panel * pixels + pixel) * width;
                    packed[to..to + piece.len()].copy_from_slice(piece);
                }
            }
        });
        packed
    }
}

/// How framed images lie: `[block of images][group of P channels][image][height][width][P]`, so that all that one
/// group's tiles read lies together and stays in the nearest cache from tap to tap. Where a row of taps is taken as one
/// pixel, `[block of images][image][height][width][inputs]`.
struct Lay {
    border: Border,
    /// Taps of a row that are taken as channels of one pixel.
    together: usize,
    /// Taps of the kernel's rows, and all, that are left.
    across: usize,
    taps: usize,
    /// Pixels of a framed row.
    row: usize,
    /// Values from a pixel to the next.
    apart: usize,
    /// Values of an image, and of a block.
    framed: usize,
    block_len: usize,
    groups: usize,
    /// Where the tiles of registers begin: for each group, for each tap.
    tiles: Vec<usize>,
}

impl Lay {
    fn new<const P: usize>(shape: &ConvShape, together: usize, images: usize) -> Self {
        let border = Border {
            size: shape.size,
            channels: shape.inputs,
            before: shape.padding,
            after: shape.padding,
        };
        let [height, row] = border.padded();
        let groups = (shape.inputs * together).div_ceil(P);
        let apart = if together > 1 { shape.inputs } else { P };
        let framed = height * row * apart;
        let (next_group, block_len) = match together > 1 {
            true => (P, images * framed),
            false => (images * framed, groups * images * framed),
        };
        let across = shape.kernel[1] / together;
        let taps = shape.kernel[0] * across;
        let [dh, dw] = shape.dilation;
        let tile = |number: usize| {
            let (group, tap) = (number / taps, number % taps);
            group * next_group + (tap / across * dh * row + tap % across * dw) * apart
        };
        Self {
            border,
            together,
            across,
            taps,
            row,
            apart,
            framed,
            block_len,
            groups,
            tiles: (0..groups * taps).map(tile).collect(),
        }
    }

    /// The images, framed.
    fn source<const P: usize>(
        &self,
        x: &[f32],
        (blocks, images): (usize, usize),
        work: usize,
    ) -> Scratch {
        // The last group of a row reads a little further.
        let mut source = Scratch::new(blocks * self.block_len + P);
        let border = &self.border;
        if self.together > 1 {
            let frames = source.chunks_exact_mut(self.framed);
            let pairs = frames.zip(x.chunks(border.len()));
            threads::each(work, pairs, |_, (frame, image)| border.copy(image, frame));
            return source;
        }
        let frames = source.chunks_exact_mut(images * self.framed);
        threads::each(work, frames, |number, frames| {
            frames.fill(0.0);
            let (block, first) = (number / self.groups, number % self.groups * P);
            let channels = first..(first + P).min(border.channels);
            let images_in = x.chunks(border.len()).skip(block * images);
            for (image, frame) in images_in.zip(frames.chunks_mut(self.framed)) {
                border.copy_channels::<P>(image, channels.clone(), frame);
            }
        });
        source
    }

    /// Which row of sums belongs to the `k`-th value of an output's `[inputs, kernel, kernel]`.
    fn sum<const P: usize>(&self, k: usize) -> usize {
        let columns = self.across * self.together;
        let all = self.taps * self.together;
        let (input, i, j) = (k / all, k % all / columns, k % columns);
        let channel = j % self.together * self.border.channels + input;
        let tap = i * self.across + j / self.together;
        (channel / P * self.taps + tap) * P + channel % P
    }
}

/// Some tiles of one panel, over some blocks of images.
struct Task<'a, const P: usize, const V: usize> {
    source: &'a [f32],
    stride: usize,
    pixels: &'a Pixels,
    pixels_in_all: usize,
    blocks: Range<usize>,
    tiles: &'a [usize],
    packed: &'a [f32],
    block_len: usize,
    panel: usize,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Task<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = V * S::F32_LANES;
        if self.blocks.is_empty() {
            self.sums.fill(0.0);
        }
        for block in self.blocks.clone() {
            let left = self.pixels_in_all - block * self.pixels.len();
            let pixels = (self.pixels, left.min(self.pixels.len()));
            let source = &self.source[block * self.stride..];
            let panel = &self.packed[block * self.block_len + self.panel..];
            for (&offset, sums) in self.tiles.iter().zip(self.sums.chunks_mut(P * width)) {
                let mut acc = [[simd.splat_f32s(0.0); V]; P];
                if block > self.blocks.start {
                    for (p, acc) in acc.iter_mut().enumerate() {
                        *acc = load(simd, &sums[p * width..(p + 1) * width]);
                    }
                }
                let acc = outer(simd, &source[offset..], pixels, panel, acc);
                for (p, acc) in acc.iter().enumerate() {
                    store(simd, acc, &mut sums[p * width..(p + 1) * width]);
                }
            }
        }
    }
}
