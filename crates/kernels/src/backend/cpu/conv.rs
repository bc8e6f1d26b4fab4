//! Convolution forward and its input gradient as implicit matrix products: both gather pixels from a padded image and multiply
//! them with packed weights.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::epilogue::Epilogue;
use super::pack::{Padding, Panels, blocks};
use super::threads;
use super::tile::{FEW, Segment, gather, load, rows, store};
use super::weight::Weight;
use crate::shape::ConvShape;

/// Values of the source that a task works on at once; they share L2 with the weights.
const SOURCE_BLOCK: usize = 112 * 1024;
/// Rows of a weight panel that are used on many pixels before the next ones come.
const DEPTH_BLOCK: usize = 1024;

/// See [`super::conv2d_with`].
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Option<Epilogue<'_>>,
) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let padding = Padding {
        size: shape.size,
        channels: inputs,
        before: shape.padding,
        after: shape.padding,
    };
    let row = padding.padded_size()[1] * inputs;
    let [dh, dw] = shape.dilation;
    // The taps of a row are contiguous, channels included, unless they are dilated.
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
        padding,
        pixels,
        out_len: height * width * outputs,
        columns: outputs,
        phases: vec![Phase {
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
        source: x,
        epilogue,
    };
    product.run(shape.batch)
}

/// See [`super::conv2d_grad_input`].
pub fn grad_input(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    let out_size = shape.out_size();
    let axes = [0, 1].map(|axis| AxisPhase::all(shape, axis));
    // How far taps reach beyond the gradient's image.
    let reach = |axis: usize| {
        let (mut before, mut after) = (0isize, 0isize);
        for phase in &axes[axis] {
            let last = phase.count as isize - 1;
            for &(_, shift) in &phase.taps {
                before = before.max(-shift);
                after = after.max(last + shift - (out_size[axis] as isize - 1));
            }
        }
        (before as usize, after as usize)
    };
    let (vertical, horizontal) = (reach(0), reach(1));
    let padding = Padding {
        size: out_size,
        channels: shape.outputs,
        before: [vertical.0, horizontal.0],
        after: [vertical.1, horizontal.1],
    };
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let row = padding.padded_size()[1] * outputs;
    let [height, width] = shape.size;
    let taps = shape.kernel[0] * shape.kernel[1];
    let mut pixels = Vec::with_capacity(height * width);
    let mut phases = Vec::new();
    for vertical in &axes[0] {
        for horizontal in &axes[1] {
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
                    let y = (padding.before[0] as isize + down) as usize;
                    let x = (padding.before[1] as isize + right) as usize;
                    segments.push(Segment {
                        offset: y * row + x * outputs,
                        len: outputs,
                    });
                    taps.push(i * shape.kernel[1] + j);
                }
            }
            phases.push(Phase {
                segments,
                pixels: begin..pixels.len(),
                taps,
            });
        }
    }
    let product = Product {
        padding,
        pixels,
        out_len: height * width * inputs,
        columns: inputs,
        phases,
        weight: Weight {
            values: weight,
            channels: outputs,
            channel_stride: inputs * taps,
            column_stride: taps,
        },
        source: grad,
        epilogue: None,
    };
    product.run(shape.batch)
}

/// A phase of a strided input gradient on one axis: every `stride`-th pixel, which all meet the same taps.
struct AxisPhase {
    /// The first pixel.
    first: usize,
    /// The number of pixels.
    count: usize,
    /// The taps, each with the output that it takes the first pixel's gradient from; the n-th pixel's is n further.
    taps: Vec<(usize, isize)>,
}

impl AxisPhase {
    fn all(shape: &ConvShape, axis: usize) -> Vec<Self> {
        let stride = shape.stride[axis];
        let phase = |first: usize| {
            let taps = (0..shape.kernel[axis]).filter_map(|tap| {
                let place =
                    (first + shape.padding[axis]) as isize - (tap * shape.dilation[axis]) as isize;
                let stride = stride as isize;
                (place.rem_euclid(stride) == 0).then(|| (tap, place.div_euclid(stride)))
            });
            Self {
                first,
                count: (shape.size[axis] - first).div_ceil(stride),
                taps: taps.collect(),
            }
        };
        (0..stride.min(shape.size[axis])).map(phase).collect()
    }
}

/// Pixels of an image that meet the same taps.
struct Phase {
    segments: Vec<Segment>,
    pixels: Range<usize>,
    /// Taps of the kernel in the order of the segments.
    taps: Vec<usize>,
}

/// `out[pixel] = sum over segments of source[pixel + ..] * weights`.
struct Product<'a> {
    padding: Padding,
    /// The pixels of one image: the index in the padded source and the index in the output.
    pixels: Vec<(usize, usize)>,
    out_len: usize,
    columns: usize,
    phases: Vec<Phase>,
    weight: Weight<'a>,
    source: &'a [f32],
    epilogue: Option<Epilogue<'a>>,
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
        let packed: Vec<(Panels, Vec<Vec<Segment>>)> = self
            .phases
            .iter()
            .map(|phase| {
                let panels = self.weight.panels(&phase.taps, self.columns, width);
                (panels, blocks(&phase.segments, DEPTH_BLOCK))
            })
            .collect();
        let padded = self.padding.padded_len();
        let most = (SOURCE_BLOCK / padded.max(1)).clamp(1, 64);
        let tasks = batch.div_ceil(most).next_multiple_of(2);
        let images = batch.div_ceil(tasks).max(1);
        let depth: usize = packed
            .iter()
            .zip(&self.phases)
            .map(|((panels, _), phase)| panels.depth * phase.pixels.len())
            .sum();
        let work = batch * depth * self.columns;
        let blocks = out.chunks_mut(images * self.out_len);
        threads::each(work, blocks, |block, out| {
            // Vectorised again, because what runs on another thread is not inlined into the caller.
            simd.vectorize(Task::<P, V> {
                product: self,
                packed: &packed,
                first: block * images,
                out: &mut *out,
            });
            if let Some(epilogue) = self.epilogue {
                simd.vectorize(epilogue.on(block * images * self.out_len, out));
            }
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
        let one_vector = self.product.columns <= S::F32_LANES;
        match (rows::<S>(), one_vector) {
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
    packed: &'a [(Panels, Vec<Vec<Segment>>)],
    first: usize,
    out: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Task<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            product,
            packed,
            first,
            out,
        } = self;
        let images = out.len() / product.out_len;
        let (len, padded_len) = (product.padding.len(), product.padding.padded_len());
        let images_in = &product.source[first * len..(first + images) * len];
        let mut padded;
        let source = if len == padded_len {
            images_in
        } else {
            padded = Scratch::new(images * padded_len);
            for (image, padded) in images_in.chunks(len).zip(padded.chunks_mut(padded_len)) {
                product.padding.copy(image, padded);
            }
            &padded
        };
        let width = V * S::F32_LANES;
        for (phase, (panels, blocks)) in product.phases.iter().zip(packed) {
            let own = &product.pixels[phase.pixels.clone()];
            let mut places = Vec::with_capacity(own.len() * images);
            for image in 0..images {
                let first = (image * padded_len, image * product.out_len);
                places.extend(own.iter().map(|&(from, to)| (first.0 + from, first.1 + to)));
            }
            for begin in (0..product.columns).step_by(width) {
                let columns = width.min(product.columns - begin);
                let panel = panels.panel(begin / width);
                let mut depth = 0;
                for (block, segments) in blocks.iter().enumerate() {
                    let weights = &panel[depth * width..];
                    for tile in places.chunks(P) {
                        // A tile that is not full computes its last pixel more than once.
                        let at = |p: usize| tile[p.min(tile.len() - 1)];
                        let mut from = [0; P];
                        let mut acc = [[simd.splat_f32s(0.0); V]; P];
                        if block > 0 {
                            for (p, acc) in acc.iter_mut().enumerate() {
                                let to = at(p).1 + begin;
                                *acc = load(simd, &out[to..to + columns]);
                            }
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
