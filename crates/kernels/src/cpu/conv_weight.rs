//! The convolution's gradient by the weight: a sum over all pixels of all pictures.

use pulp::{Arch, Simd, WithSimd};

use super::pack::Border;
use super::scratch::{Scratch, buffer};
use super::shape::ConvShape;
use super::threads;
use super::tile::{FEW, Pixels, load, outer, rows, store};
use super::winograd;

/// Pixels that a panel of the gradient holds: together with their pictures they fill the second cache.
const PIXEL_BLOCK: usize = 1024;

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
    let pictures = x.chunks(shape.size[0] * row * shape.inputs);
    let pairs = picked.chunks_mut(len).zip(pictures);
    threads::each(shape.batch * len, pairs, |_, (picked, picture)| {
        for (number, pixel) in picked.chunks_exact_mut(shape.inputs).enumerate() {
            let (y, x) = (number / width, number % width);
            let from = (y * shape.stride[0] * row + x * shape.stride[1]) * shape.inputs;
            pixel.copy_from_slice(&picture[from..from + shape.inputs]);
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
        match (rows::<S>(), narrow) {
            (8, true) => self.with::<S, 8, 1>(simd),
            (8, false) => self.with::<S, 8, 2>(simd),
            (_, true) => self.with::<S, FEW, 1>(simd),
            (_, false) => self.with::<S, FEW, 2>(simd),
        }
    }
}

impl Dispatch<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let shape = self.shape;
        let (inputs, outputs, [kh, kw]) = (shape.inputs, shape.outputs, shape.kernel);
        let width = V * S::F32_LANES;
        let border = Border {
            size: shape.size,
            channels: inputs,
            before: shape.padding,
            after: shape.padding,
        };
        let [frame_height, frame_width] = border.padded();
        let [height, out_width] = shape.out_size();
        let per_picture = height * out_width;
        let pictures = (PIXEL_BLOCK / per_picture.max(1)).clamp(1, shape.batch.max(1));
        let blocks = shape.batch.div_ceil(pictures);

        // Framed pictures as [block of pictures][group of P channels][picture][height][width][P]: all that one
        // group's tiles read lies together and stays in the nearest cache from tap to tap.
        let groups = inputs.div_ceil(P);
        let framed = frame_height * frame_width * P;
        let group_len = pictures * framed;
        let mut source = Scratch::new(blocks * groups * group_len);
        let work = shape.output_len() * inputs * kh * kw;
        threads::each(work, source.chunks_mut(group_len), |number, frames| {
            frames.fill(0.0);
            let (block, first) = (number / groups, number % groups * P);
            let channels = first..(first + P).min(inputs);
            let pictures_in = self.x.chunks(border.len()).skip(block * pictures);
            for (picture, frame) in pictures_in.zip(frames.chunks_mut(framed)) {
                border.copy_channels::<P>(picture, channels.clone(), frame);
            }
        });

        let [dh, dw] = shape.dilation;
        let taps = kh * kw;
        let offset = |tile: usize| {
            let (group, tap) = (tile / taps, tile % taps);
            group * group_len + (tap / kw * dh * frame_width + tap % kw * dw) * P
        };
        let tiles: Vec<usize> = (0..groups * taps).map(offset).collect();
        let [sh, sw] = shape.stride;
        let mut places = Vec::with_capacity(pictures * per_picture);
        for picture in 0..pictures {
            for y in 0..height {
                for x in 0..out_width {
                    places.push(picture * framed + (y * sh * frame_width + x * sw) * P);
                }
            }
        }
        let pixels = Pixels::new(places);

        // The packed gradient of the output: [block of pictures][panel][pixel][width].
        let panels = outputs.div_ceil(width);
        let block_len = panels * pictures * per_picture * width;
        let mut packed = Scratch::new(blocks * block_len);
        threads::each(work, packed.chunks_mut(block_len), |block, packed| {
            let begin = block * pictures * per_picture;
            let end = (begin + pictures * per_picture).min(shape.batch * per_picture);
            let grad = &self.grad[begin * outputs..end * outputs];
            for (pixel, values) in grad.chunks_exact(outputs).enumerate() {
                for (panel, piece) in values.chunks(width).enumerate() {
                    let to = (panel * pictures * per_picture + pixel) * width;
                    packed[to..to + piece.len()].copy_from_slice(piece);
                }
            }
        });

        // Sums as [panel][tile][P][width]: tasks own tiles, so no sum is shared and none depends on threads.
        let mut sums = Scratch::new(panels * tiles.len() * P * width);
        let share = tiles.len().div_ceil(8).max(1);
        let tasks_a_panel = tiles.len().div_ceil(share);
        let chunks = sums
            .chunks_mut(tiles.len() * P * width)
            .flat_map(|panel| panel.chunks_mut(share * P * width));
        threads::each(work, chunks, |task, sums| {
            let (panel, first) = (task / tasks_a_panel, task % tasks_a_panel * share);
            simd.vectorize(Task::<P, V> {
                source: &source,
                stride: groups * group_len,
                pixels: &pixels,
                pixels_in_all: shape.batch * per_picture,
                tiles: &tiles[first..(first + share).min(tiles.len())],
                packed: &packed,
                block_len,
                panel: panel * pictures * per_picture * width,
                sums,
            });
        });

        let mut gradient = buffer(shape.weight_len());
        let rows = gradient.chunks_mut(width * inputs * taps);
        threads::each(work, rows, |panel, rows| {
            let sums = &sums[panel * tiles.len() * P * width..];
            for k in 0..inputs * taps {
                let (input, tap) = (k / taps, k % taps);
                let row = ((input / P * taps + tap) * P + input % P) * width;
                let outputs = rows[k..].iter_mut().step_by(inputs * taps);
                for (value, &sum) in outputs.zip(&sums[row..row + width]) {
                    *value = sum;
                }
            }
        });
        gradient
    }
}

/// Some tiles of one panel, over all pictures.
struct Task<'a, const P: usize, const V: usize> {
    source: &'a [f32],
    stride: usize,
    pixels: &'a Pixels,
    pixels_in_all: usize,
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
        let mut left = self.pixels_in_all;
        for (block, packed) in self.packed.chunks(self.block_len).enumerate() {
            let count = left.min(self.pixels.len());
            left -= count;
            let source = &self.source[block * self.stride..];
            let panel = &packed[self.panel..];
            for (&offset, sums) in self.tiles.iter().zip(self.sums.chunks_mut(P * width)) {
                let mut acc = [[simd.splat_f32s(0.0); V]; P];
                if block > 0 {
                    for (acc, sums) in acc.iter_mut().zip(sums.chunks(width)) {
                        *acc = load(simd, sums);
                    }
                }
                let acc = outer(simd, &source[offset..], (self.pixels, count), panel, acc);
                for (acc, sums) in acc.iter().zip(sums.chunks_mut(width)) {
                    store(simd, acc, sums);
                }
            }
        }
    }
}
