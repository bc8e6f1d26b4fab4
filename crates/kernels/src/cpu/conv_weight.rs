//! The convolution's gradient by the weight: a sum over all pixels of all pictures.

use pulp::{Arch, Simd, WithSimd};

use super::pack::Border;
use super::shape::ConvShape;
use super::threads;
use super::tile::{Pixels, load, outer, rows, store};

/// Pixels that a panel of the gradient holds: together with their pictures they fill the second cache.
const PIXEL_BLOCK: usize = 1024;

/// `x` `[batch, height, width, inputs]` and `grad` `[batch, out height, out width, outputs]` to the
/// gradient `[outputs, inputs, kernel, kernel]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Dispatch { shape, x, grad })
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
            (_, true) => self.with::<S, 6, 1>(simd),
            (_, false) => self.with::<S, 6, 2>(simd),
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
        let row = border.padded()[1] * inputs;
        // What one row of taps sees side by side is one run of values; dilation parts it.
        let [dh, dw] = shape.dilation;
        let (runs, len) = if dw == 1 {
            (1, kw * inputs)
        } else {
            (kw, inputs)
        };
        let tiles: Vec<(usize, usize)> = (0..kh * runs)
            .flat_map(|run| {
                let offset = (run / runs) * dh * row + (run % runs) * dw * inputs;
                (0..len)
                    .step_by(P)
                    .map(move |begin| (offset + begin, run * len + begin))
            })
            .collect();

        let framed = border.padded_len();
        let [height, out_width] = shape.out_size();
        let per_picture = height * out_width;
        let pictures = (PIXEL_BLOCK / per_picture.max(1)).clamp(1, shape.batch.max(1));
        let blocks = shape.batch.div_ceil(pictures);
        // A tile may look past its run, so past the last picture too.
        let mut source = vec![0.0; blocks * pictures * framed + P];
        let frames = shape.batch * framed;
        let work = shape.output_len() * inputs * kh * kw;
        let frames = source[..frames].chunks_mut(framed);
        threads::each(work, frames, |number, frame| {
            border.copy(
                &self.x[number * border.len()..(number + 1) * border.len()],
                frame,
            );
        });

        let [sh, sw] = shape.stride;
        let mut places = Vec::with_capacity(pictures * per_picture);
        for picture in 0..pictures {
            for y in 0..height {
                for x in 0..out_width {
                    places.push(picture * framed + y * sh * row + x * sw * inputs);
                }
            }
        }
        let pixels = Pixels::new(places);

        // The packed gradient of the output: [block of pictures][panel][pixel][width].
        let panels = outputs.div_ceil(width);
        let block_len = panels * pictures * per_picture * width;
        let mut packed = vec![0.0; blocks * block_len];
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
        let mut sums = vec![0.0; panels * tiles.len() * P * width];
        let share = tiles.len().div_ceil(8).max(1);
        let tasks_a_panel = tiles.len().div_ceil(share);
        let chunks = sums
            .chunks_mut(tiles.len() * P * width)
            .flat_map(|panel| panel.chunks_mut(share * P * width));
        threads::each(work, chunks, |task, sums| {
            let (panel, first) = (task / tasks_a_panel, task % tasks_a_panel * share);
            simd.vectorize(Task::<P, V> {
                source: &source,
                stride: pictures * framed,
                pixels: &pixels,
                pixels_in_all: shape.batch * per_picture,
                tiles: &tiles[first..(first + share).min(tiles.len())],
                packed: &packed,
                block_len,
                panel: panel * pictures * per_picture * width,
                sums,
            });
        });

        let taps = kh * kw;
        let mut gradient = vec![0.0; shape.weight_len()];
        for (output, gradient) in gradient.chunks_exact_mut(inputs * taps).enumerate() {
            let panel = output / width * tiles.len();
            for (number, &(_, first)) in tiles.iter().enumerate() {
                let run_end = (first / len + 1) * len;
                for p in 0..P.min(run_end - first) {
                    let k = first + p;
                    let (tap, input) = (k / inputs, k % inputs);
                    let at = ((panel + number) * P + p) * width + output % width;
                    gradient[input * taps + tap] = sums[at];
                }
            }
        }
        gradient
    }
}

/// Some tiles of one panel, over all pictures.
struct Task<'a, const P: usize, const V: usize> {
    source: &'a [f32],
    stride: usize,
    pixels: &'a Pixels,
    pixels_in_all: usize,
    tiles: &'a [(usize, usize)],
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
            for (&(offset, _), sums) in self.tiles.iter().zip(self.sums.chunks_mut(P * width)) {
                let mut acc = [[simd.splat_f32s(0.0); V]; P];
                for (acc, sums) in acc.iter_mut().zip(sums.chunks(width)) {
                    *acc = load(simd, sums);
                }
                let acc = outer(simd, &source[offset..], (self.pixels, count), panel, acc);
                for (acc, sums) in acc.iter().zip(sums.chunks_mut(width)) {
                    store(simd, acc, sums);
                }
            }
        }
    }
}
