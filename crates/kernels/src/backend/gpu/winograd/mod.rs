//! Winograd's F(2x2, 3x3) for adapters that are programs: 3x3 convolutions of stride 1 with 16 multiplications for four
//! outputs instead of 36, as on the CPU (`cpu/winograd`). Patches, kernels, products and results are launches of their
//! own, with memory between them: multiplications are what a program's time goes to.

mod product;
mod transform;
mod weight;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use self::product::{PLANES, Products};
use self::transform::Images;
use super::adapter::{Adapter, Program};
use crate::choices::{Choice, bytes};
use crate::shape::{ConvShape, winograd_tiles};

/// Fewer channels do not pay for the transforms of images.
const CHANNELS: usize = 32;
/// Fewer tiles do not pay for the transform of the kernel.
const TILES: usize = 8;
/// Values between two launches at most: what every WebGPU device binds.
const LARGEST: usize = (128 << 20) / 4;

/// The program that computes a shape this way, where the adapter is one and the way is worth it.
fn program(shape: &ConvShape, adapter: Adapter) -> Option<Program> {
    let Adapter::Software(program) = adapter else {
        return None;
    };
    let tiles = |size: [usize; 2]| shape.batch * winograd_tiles(size).iter().product::<usize>();
    let [before, behind] = [tiles(shape.size), tiles(shape.out_size())];
    let channels = [shape.inputs, shape.outputs];
    let most = before.max(behind).max(shape.inputs).max(shape.outputs);
    let fits = shape.suits_winograd()
        && channels.iter().all(|&channels| channels >= CHANNELS)
        && before.min(behind) >= TILES
        && PLANES * most * shape.inputs.max(shape.outputs) <= LARGEST;
    fits.then_some(program)
}

/// What the launches cost; the least traffic and the work are for the caller to say. `values` are those of all but the
/// products.
fn choice(products: &Products, values: usize) -> Choice {
    let [along, again] = products.cubes();
    Choice {
        tile: format!("{}, Winograd", products.tile),
        cubes: along as usize * again as usize,
        parts: 1,
        dispatches: 4,
        bytes: Some(bytes(products.values() + values)),
        minimum: 0,
        multiply_adds: 0,
    }
}

/// A convolution, or its input gradient: a convolution of the output's gradient with the kernel turned round.
pub(crate) struct Plan {
    source: Images,
    result: Images,
    products: Products,
    turned: bool,
}

impl Plan {
    /// `[batch, height, width, in]` to `[batch, height', width', out]`, where this is a way to compute it and worth it.
    pub fn forward(shape: &ConvShape, adapter: Adapter) -> Option<Self> {
        let program = program(shape, adapter)?;
        let tiles = winograd_tiles(shape.out_size());
        let source = input(shape, shape.padding, tiles);
        let result = output(shape, [0, 0], tiles);
        Some(Self::of(source, result, false, program))
    }

    /// The input gradient, likewise.
    pub fn backward(shape: &ConvShape, adapter: Adapter) -> Option<Self> {
        let program = program(shape, adapter)?;
        let tiles = winograd_tiles(shape.size);
        let source = output(shape, shape.padding.map(|pad| 2 - pad), tiles);
        let result = input(shape, [0, 0], tiles);
        Some(Self::of(source, result, true, program))
    }

    fn of(source: Images, result: Images, turned: bool, program: Program) -> Self {
        Self {
            products: Products::of(source.tiles(), result.channels, source.channels, program),
            source,
            result,
            turned,
        }
    }

    /// See [`choice`].
    pub fn choice(&self) -> Choice {
        let pairs = self.source.channels * self.result.channels;
        let images = 2 * self.source.planes() + self.result.planes() + self.result.values();
        choice(&self.products, (9 + PLANES) * pairs + images)
    }

    /// The result, from a source and a weight.
    pub fn run(&self, source: CubeTensor, weight: CubeTensor) -> CubeTensor {
        let pairs = [self.source.channels, self.result.channels];
        let kernels = weight::spread(into_contiguous(weight), pairs, self.turned);
        let patches = self.source.patches(into_contiguous(source));
        let sums = self.products.run(patches, kernels, false);
        self.result.joined(sums)
    }
}

/// A convolution's weight gradient.
pub(crate) struct WeightPlan {
    input: Images,
    grad: Images,
    products: Products,
}

impl WeightPlan {
    /// The gradient, where this is a way to compute it and worth it.
    pub fn of(shape: &ConvShape, adapter: Adapter) -> Option<Self> {
        let program = program(shape, adapter)?;
        let tiles = winograd_tiles(shape.out_size());
        let input = input(shape, shape.padding, tiles);
        Some(Self {
            products: Products::of(shape.inputs, shape.outputs, input.tiles(), program),
            grad: output(shape, [0, 0], tiles),
            input,
        })
    }

    /// See [`choice`].
    pub fn choice(&self) -> Choice {
        let pairs = self.input.channels * self.grad.channels;
        let images = 2 * self.input.planes() + self.grad.values() + self.grad.planes();
        choice(&self.products, (9 + PLANES) * pairs + images)
    }

    /// `[out, in, 3, 3]`
    pub fn run(&self, x: CubeTensor, grad: CubeTensor) -> CubeTensor {
        let patches = self.input.patches(into_contiguous(x));
        let grads = self.grad.grads(into_contiguous(grad));
        let sums = self.products.run(patches, grads, true);
        weight::joined(sums, [self.input.channels, self.grad.channels])
    }
}

/// The input's images, for as many tiles of the result.
fn input(shape: &ConvShape, before: [usize; 2], tiles: [usize; 2]) -> Images {
    Images {
        batch: shape.batch,
        size: shape.size,
        channels: shape.inputs,
        before,
        tiles,
    }
}

/// The output's, likewise.
fn output(shape: &ConvShape, before: [usize; 2], tiles: [usize; 2]) -> Images {
    Images {
        size: shape.out_size(),
        channels: shape.outputs,
        ..input(shape, before, tiles)
    }
}
