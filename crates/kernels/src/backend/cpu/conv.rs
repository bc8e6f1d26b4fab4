//! Convolution forward, and its input gradient: both gather pixels from a framed image and
//! multiply them with packed weights.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::pack::{Border, Panels, blocks};
use super::scratch::{Scratch, buffer};
use super::threads;
use super::tile::{FEW, Segment, gather, load, rows, store};
use super::weight::Weight;
use super::winograd::Winograd;
use crate::shape::ConvShape;

/// Values of the source that a task works on at once; they share the second cache with the weights.
const SOURCE_BLOCK: usize = 112 * 1024;
/// Rows of a weight panel that are used on many pixels before the next ones come.
const DEPTH_BLOCK: usize = 1024;

/// `x` `[batch, height, width, inputs]` and `weight` `[outputs, inputs, kernel, kernel]` to
/// `[batch, out height, out width, outputs]`. `bias` `[outputs]` may be empty.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d(shape: &ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    if bias.is_empty()
        && let Some(winograd) = Winograd::forward(shape, x, weight)
    {
        return winograd.run(shape.batch);
    }
    let [kh, kw] = shape.kernel;
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let border = Border {
        size: shape.size,
        channels: inputs,
        before: shape.padding,
        after: shape.padding,
    };
    let row = border.padded()[1] * inputs;
    let [dh, dw] = shape.dilation;
    // Taps of a row lie side by side, channels included, unless dilation parts them.
    let segments: Vec<Segment> = (0..kh)
        .flat_map(|i| {
            let (count, len) = if dw == 1 {
                (1, kw * inputs)
            } else {
                (kw, inputs)
            };
            (0..count).map(move |j| Segment {
                offset: i * dh * row + j * dw * inputs,
                len,
            })
        })
        .collect();
    let [height, width] = shape.out_size();
    let [sh, sw] = shape.stride;
    let mut pixels = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            pixels.push((y * sh * row + x * sw * inputs, (y * width + x) * outputs));
        }
    }
    let taps = kh * kw;
    let product = Product {
        border,
        pixels,
        out_len: height * width * outputs,
        columns: outputs,
        parts: vec![Part {
            segments,
            pixels: 0..height * width,
            taps: (0..taps).collect(),
        }],
        weight: Weight {
            values: weight,
            channels: inputs,
            channel_stride: taps,
            column_stride: inputs * taps,
        },
        bias,
        source: x,
    };
    product.run(shape.batch)
}

/// The input gradient: `grad` `[batch, out height, out width, outputs]` to
/// `[batch, height, width, inputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_grad_input(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    if let Some(winograd) = Winograd::grad_input(shape, grad, weight) {
        return winograd.run(shape.batch);
    }
    let out_size = shape.out_size();
    let phases = [0, 1].map(|axis| Phase::all(shape, axis));
    let reach = |axis: usize| {
        let (mut before, mut after) = (0isize, 0isize);
        for phase in &phases[axis] {
            let last = phase.count as isize - 1;
            for &(_, shift) in &phase.taps {
                before = before.max(-shift);
                after = after.max(last + shift - (out_size[axis] as isize - 1));
            }
        }
        (before as usize, after as usize)
    };
    let (vertical, horizontal) = (reach(0), reach(1));
    let border = Border {
        size: out_size,
        channels: shape.outputs,
        before: [vertical.0, horizontal.0],
        after: [vertical.1, horizontal.1],
    };
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let row = border.padded()[1] * outputs;
    let [height, width] = shape.size;
    let taps = shape.kernel[0] * shape.kernel[1];
    let mut pixels = Vec::with_capacity(height * width);
    let mut parts = Vec::new();
    for vertical in &phases[0] {
        for horizontal in &phases[1] {
            let begin = pixels.len();
            for y in 0..vertical.count {
                for x in 0..horizontal.count {
                    let (to_y, to_x) = (
                        y * shape.stride[0] + vertical.first,
                        x * shape.stride[1] + horizontal.first,
                    );
                    pixels.push((y * row + x * outputs, (to_y * width + to_x) * inputs));
                }
            }
            let (mut segments, mut taps) = (Vec::new(), Vec::new());
            for &(i, down) in &vertical.taps {
                for &(j, right) in &horizontal.taps {
                    let y = (border.before[0] as isize + down) as usize;
                    let x = (border.before[1] as isize + right) as usize;
                    segments.push(Segment {
                        offset: y * row + x * outputs,
                        len: outputs,
                    });
                    taps.push(i * shape.kernel[1] + j);
                }
            }
            parts.push(Part {
                segments,
                pixels: begin..pixels.len(),
                taps,
            });
        }
    }
    let product = Product {
        border,
        pixels,
        out_len: height * width * inputs,
        columns: inputs,
        parts,
        weight: Weight {
            values: weight,
            channels: outputs,
            channel_stride: inputs * taps,
            column_stride: taps,
        },
        bias: &[],
        source: grad,
    };
    product.run(shape.batch)
}

/// The input's pixels that meet the same taps: every `stride`-th one.
struct Phase {
    /// The first of them.
    first: usize,
    /// How many there are.
    count: usize,
    /// Taps that reach them: the tap, and the output it comes from for the first pixel (the n-th pixel's
    /// output lies n further).
    taps: Vec<(usize, isize)>,
}

impl Phase {
    fn all(shape: &ConvShape, axis: usize) -> Vec<Phase> {
        let stride = shape.stride[axis];
        let phase = |first: usize| {
            let taps = (0..shape.kernel[axis]).filter_map(|tap| {
                let place =
                    (first + shape.padding[axis]) as isize - (tap * shape.dilation[axis]) as isize;
                let stride = stride as isize;
                (place.rem_euclid(stride) == 0).then(|| (tap, place.div_euclid(stride)))
            });
            Phase {
                first,
                count: (shape.size[axis] - first).div_ceil(stride),
                taps: taps.collect(),
            }
        };
        (0..stride.min(shape.size[axis])).map(phase).collect()
    }
}

/// Pixels that meet the same weights.
struct Part {
    segments: Vec<Segment>,
    pixels: Range<usize>,
    /// The kernel's taps, in the order of the segments.
    taps: Vec<usize>,
}

/// `out[pixel] = bias + sum over segments of source[pixel + ..] * weights`.
struct Product<'a> {
    border: Border,
    /// Of one image: the place in the framed source, the place in the output.
    pixels: Vec<(usize, usize)>,
    out_len: usize,
    columns: usize,
    parts: Vec<Part>,
    weight: Weight<'a>,
    bias: &'a [f32],
    source: &'a [f32],
}

impl Product<'_> {
    fn run(&self, batch: usize) -> Vec<f32> {
        let mut out = buffer(batch * self.out_len);
        Arch::new().dispatch(Dispatch {
            product: self,
            out: &mut out,
        });
        out
    }

    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S, out: &mut [f32]) {
        let batch = out.len() / self.out_len;
        let width = V * S::F32_LANES;
        let parts: Vec<(Panels, Vec<Vec<Segment>>)> = self
            .parts
            .iter()
            .map(|part| {
                let panels = self.weight.panels(&part.taps, self.columns, width);
                (panels, blocks(&part.segments, DEPTH_BLOCK))
            })
            .collect();
        let framed = self.border.padded_len();
        let most = (SOURCE_BLOCK / framed.max(1)).clamp(1, 64);
        let tasks = batch.div_ceil(most).next_multiple_of(2);
        let images = batch.div_ceil(tasks).max(1);
        let depth: usize = parts
            .iter()
            .zip(&self.parts)
            .map(|((panels, _), part)| panels.depth * part.pixels.len())
            .sum();
        let work = batch * depth * self.columns;
        let blocks = out.chunks_mut(images * self.out_len);
        threads::each(work, blocks, |block, out| {
            // Entered anew, because what runs on another thread is not compiled into the caller.
            simd.vectorize(Task::<P, V> {
                product: self,
                parts: &parts,
                first: block * images,
                out,
            });
        });
    }
}

struct Dispatch<'a, 'b> {
    product: &'a Product<'b>,
    out: &'a mut [f32],
}

impl WithSimd for Dispatch<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let narrow = self.product.columns <= S::F32_LANES;
        match (rows::<S>(), narrow) {
            (8, true) => self.product.with::<S, 8, 1>(simd, self.out),
            (8, false) => self.product.with::<S, 8, 2>(simd, self.out),
            (_, true) => self.product.with::<S, FEW, 1>(simd, self.out),
            (_, false) => self.product.with::<S, FEW, 2>(simd, self.out),
        }
    }
}

/// Some images of a product.
struct Task<'a, 'b, const P: usize, const V: usize> {
    product: &'a Product<'b>,
    parts: &'a [(Panels, Vec<Vec<Segment>>)],
    first: usize,
    out: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Task<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            product,
            parts,
            first,
            out,
        } = self;
        let images = out.len() / product.out_len;
        let (plain, framed) = (product.border.len(), product.border.padded_len());
        let images_in = &product.source[first * plain..(first + images) * plain];
        let mut frame;
        let source = if plain == framed {
            images_in
        } else {
            frame = Scratch::new(images * framed);
            for (image, frame) in images_in.chunks(plain).zip(frame.chunks_mut(framed)) {
                product.border.copy(image, frame);
            }
            &frame
        };
        let width = V * S::F32_LANES;
        for (part, (panels, blocks)) in product.parts.iter().zip(parts) {
            let own = &product.pixels[part.pixels.clone()];
            let mut places = Vec::with_capacity(own.len() * images);
            for image in 0..images {
                let first = (image * framed, image * product.out_len);
                places.extend(own.iter().map(|&(from, to)| (first.0 + from, first.1 + to)));
            }
            for begin in (0..product.columns).step_by(width) {
                let columns = width.min(product.columns - begin);
                let panel = panels.panel(begin / width);
                let mut depth = 0;
                for (turn, segments) in blocks.iter().enumerate() {
                    let weights = &panel[depth * width..];
                    for tile in places.chunks(P) {
                        // A tile that is not full computes its last pixel more than once.
                        let at = |p: usize| tile[p.min(tile.len() - 1)];
                        let mut from = [0; P];
                        let mut acc = [[simd.splat_f32s(0.0); V]; P];
                        if turn > 0 {
                            for (p, acc) in acc.iter_mut().enumerate() {
                                let to = at(p).1 + begin;
                                *acc = load(simd, &out[to..to + columns]);
                            }
                        } else if !product.bias.is_empty() {
                            acc = [load(simd, &product.bias[begin..begin + columns]); P];
                        }
                        for (p, from) in from.iter_mut().enumerate() {
                            *from = at(p).0;
                        }
                        let acc = gather(simd, source, &from, segments, weights, acc);
                        for (&(_, to), acc) in tile.iter().zip(&acc) {
                            store(simd, acc, &mut out[to + begin..to + begin + columns]);
                        }
                    }
                    depth += segments.iter().map(|segment| segment.len).sum::<usize>();
                }
            }
        }
    }
}
