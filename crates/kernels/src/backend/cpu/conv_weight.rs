//! A convolution's weight gradient as an implicit matrix product: a sum over all pixels of all images.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::pack::Padding;
use super::threads;
use super::tile::{FEW, Pixels, load, outer, rows, store};
use crate::shape::ConvShape;

/// Pixels of a packed panel of the output's gradient: together with their images they fill L2.
const PIXEL_BLOCK: usize = 1024;
/// With so few inputs, which fill no register tile, the taps of a kernel row are taken as the channels of one pixel.
const FEW_INPUTS: usize = 5;
/// Split-K: groups of images that are summed separately where there are too few tiles to share among threads.
const SPLITS: usize = 4;

/// See [`super::conv2d_grad_weight`].
pub fn grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Dispatch { shape, x, grad })
}

/// The weight gradient of a strided convolution with a 1x1 kernel and without padding: the pixels of `x` that the kernel
/// reads are copied, and the rest is a convolution of stride 1.
pub fn grad_weight_of_subsampled(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let subsampled = subsampled(shape, x);
    let shape = ConvShape {
        size: shape.out_size(),
        stride: [1; 2],
        ..*shape
    };
    grad_weight(&shape, &subsampled, grad)
}

/// Every `stride`-th pixel of `x`: `[batch, out height, out width, inputs]`.
fn subsampled(shape: &ConvShape, x: &[f32]) -> Scratch {
    let ([height, width], [_, row]) = (shape.out_size(), shape.size);
    let len = height * width * shape.inputs;
    let mut out = Scratch::new(shape.batch * len);
    let images = x.chunks(shape.size[0] * row * shape.inputs);
    let pairs = out.chunks_mut(len).zip(images);
    threads::each(shape.batch * len, pairs, |_, (out, image)| {
        for (number, pixel) in out.chunks_exact_mut(shape.inputs).enumerate() {
            let (y, x) = (number / width, number % width);
            let from = (y * shape.stride[0] * row + x * shape.stride[1]) * shape.inputs;
            pixel.copy_from_slice(&image[from..from + shape.inputs]);
        }
    });
    out
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
        let one_vector = self.shape.outputs <= S::F32_LANES;
        let row = self.shape.inputs * self.shape.kernel[1];
        // Three taps of three colour channels.
        let nine = self.fused_taps() > 1 && row.div_ceil(9) * 9 < row.next_multiple_of(8);
        match (rows::<S>(), nine, one_vector) {
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
    /// Taps of a kernel row that are taken as channels of one pixel: they are contiguous unless they are dilated.
    fn fused_taps(&self) -> usize {
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

        let layout = Layout::new::<P>(shape, self.fused_taps(), images);
        let source = layout.source::<P>(self.x, (blocks, images), work);
        let [sh, sw] = shape.stride;
        let mut places = Vec::with_capacity(images * per_image);
        for image in 0..images {
            for y in 0..height {
                for x in 0..out_width {
                    places.push(
                        image * layout.padded_len + (y * sh * layout.row + x * sw) * layout.pixel,
                    );
                }
            }
        }
        let pixels = Pixels::new(places);

        // The output's gradient as [block of images][panel][pixel][width], which it may be already.
        let panels = outputs.div_ceil(width);
        let block_len = panels * images * per_image * width;
        let packed;
        let grad = if outputs == width {
            self.grad
        } else {
            packed = self.packed(width, block_len, images * per_image, work);
            &packed
        };

        // Sums as [split][panel][tile][P][width]: tasks own tiles, so no sum is shared and none depends on threads.
        let tiles = &layout.tiles;
        let splits = if self.fused_taps() > 1 { SPLITS } else { 1 }.min(blocks.max(1));
        let split_blocks = blocks.div_ceil(splits);
        let panel_len = tiles.len() * P * width;
        let mut sums = Scratch::new(splits * panels * panel_len);
        let share = tiles.len().div_ceil(8).max(1);
        let panel_tasks = tiles.len().div_ceil(share);
        let chunks = sums
            .chunks_mut(panel_len)
            .flat_map(|panel| panel.chunks_mut(share * P * width));
        threads::each(work, chunks, |task, sums| {
            let (panel, first) = (task / panel_tasks, task % panel_tasks * share);
            let (split, panel) = (panel / panels, panel % panels);
            simd.vectorize(Task::<P, V> {
                source: &source,
                stride: layout.block_len,
                pixels: &pixels,
                total_pixels: shape.batch * per_image,
                blocks: split * split_blocks..((split + 1) * split_blocks).min(blocks),
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
            for (split, sums) in sums.chunks(panels * panel_len).enumerate() {
                for k in 0..values {
                    let row = panel * panel_len + layout.sum::<P>(k) * width;
                    let outputs = rows[k..].iter_mut().step_by(values);
                    for (value, &sum) in outputs.zip(&sums[row..row + width]) {
                        *value = if split == 0 { sum } else { *value + sum };
                    }
                }
            }
        });
        gradient
    }

    /// The output's gradient, packed.
    fn packed(&self, width: usize, block_len: usize, pixels: usize, work: usize) -> Scratch {
        let outputs = self.shape.outputs;
        let blocks = self.grad.chunks(pixels * outputs);
        let mut packed = Scratch::new(blocks.len() * block_len);
        let pairs = packed.chunks_mut(block_len).zip(blocks);
        threads::each(work, pairs, |_, (packed, grad)| {
            for (pixel, values) in grad.chunks_exact(outputs).enumerate() {
                for (panel, values) in values.chunks(width).enumerate() {
                    let to = (panel * pixels + pixel) * width;
                    packed[to..to + values.len()].copy_from_slice(values);
                }
            }
        });
        packed
    }
}

/// Layout of the padded images: `[block of images][group of P channels][image][height][width][P]`, so that all that the tiles
/// of one group read is contiguous and stays in L1 from tap to tap. Where the taps of a kernel row are fused,
/// `[block of images][image][height][width][inputs]`.
struct Layout {
    padding: Padding,
    /// Taps of a kernel row that are taken as channels of one pixel.
    fused_taps: usize,
    /// Taps of a kernel row, and of the kernel, that remain.
    across: usize,
    taps: usize,
    /// Pixels of a padded row.
    row: usize,
    /// Values from a pixel to the next.
    pixel: usize,
    /// Values of a padded image, and of a block.
    padded_len: usize,
    block_len: usize,
    groups: usize,
    /// Where the register tiles begin: for each group, for each tap.
    tiles: Vec<usize>,
}

impl Layout {
    fn new<const P: usize>(shape: &ConvShape, fused_taps: usize, images: usize) -> Self {
        let padding = Padding {
            size: shape.size,
            channels: shape.inputs,
            before: shape.padding,
            after: shape.padding,
        };
        let [height, row] = padding.padded_size();
        let groups = (shape.inputs * fused_taps).div_ceil(P);
        let pixel = if fused_taps > 1 { shape.inputs } else { P };
        let padded_len = height * row * pixel;
        let (next_group, block_len) = match fused_taps > 1 {
            true => (P, images * padded_len),
            false => (images * padded_len, groups * images * padded_len),
        };
        let across = shape.kernel[1] / fused_taps;
        let taps = shape.kernel[0] * across;
        let [dh, dw] = shape.dilation;
        let tile = |number: usize| {
            let (group, tap) = (number / taps, number % taps);
            group * next_group + (tap / across * dh * row + tap % across * dw) * pixel
        };
        Self {
            padding,
            fused_taps,
            across,
            taps,
            row,
            pixel,
            padded_len,
            block_len,
            groups,
            tiles: (0..groups * taps).map(tile).collect(),
        }
    }

    /// The padded images.
    fn source<const P: usize>(
        &self,
        x: &[f32],
        (blocks, images): (usize, usize),
        work: usize,
    ) -> Scratch {
        // The last group of a row reads up to P values beyond its end.
        let mut source = Scratch::new(blocks * self.block_len + P);
        let padding = &self.padding;
        if self.fused_taps > 1 {
            let out = source.chunks_exact_mut(self.padded_len);
            let pairs = out.zip(x.chunks(padding.len()));
            threads::each(work, pairs, |_, (out, image)| padding.copy(image, out));
            return source;
        }
        let groups = source.chunks_exact_mut(images * self.padded_len);
        threads::each(work, groups, |number, group| {
            group.fill(0.0);
            let (block, first) = (number / self.groups, number % self.groups * P);
            let channels = first..(first + P).min(padding.channels);
            let images_in = x.chunks(padding.len()).skip(block * images);
            for (image, out) in images_in.zip(group.chunks_mut(self.padded_len)) {
                padding.copy_channels::<P>(image, channels.clone(), out);
            }
        });
        source
    }

    /// The row of sums that holds the `k`-th value of an output's `[inputs, kernel, kernel]`.
    fn sum<const P: usize>(&self, k: usize) -> usize {
        let columns = self.across * self.fused_taps;
        let all = self.taps * self.fused_taps;
        let (input, i, j) = (k / all, k % all / columns, k % columns);
        let channel = j % self.fused_taps * self.padding.channels + input;
        let tap = i * self.across + j / self.fused_taps;
        (channel / P * self.taps + tap) * P + channel % P
    }
}

/// Some tiles of one panel, over some blocks of images.
struct Task<'a, const P: usize, const V: usize> {
    source: &'a [f32],
    stride: usize,
    pixels: &'a Pixels,
    total_pixels: usize,
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
            let rest = self.total_pixels - block * self.pixels.len();
            let pixels = (self.pixels, rest.min(self.pixels.len()));
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
