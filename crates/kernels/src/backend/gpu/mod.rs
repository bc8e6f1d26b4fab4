//! GPUs: one source for WGSL, SPIR-V and MSL, without subgroups, without atomics, and with one order for every
//! sum. Kernels and their tiles are selected by shape alone ([`plan`], [`tile`]) on every GPU; software
//! adapters have one tile.

use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use parallax_ranks::Ranks;

pub(crate) mod adapter;
mod axis;
mod bits;
pub(crate) mod cut;
mod head;
mod implicit_gemm;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod instructions;
pub(crate) mod largest;
pub(crate) mod lars;
pub(crate) mod launch;
pub(crate) mod linear;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod matrix;
pub(crate) mod norm;
pub(crate) mod pack;
mod pixel_losses;
pub(crate) mod plan;
pub(crate) mod pool;
mod reduce;
mod sampling;
mod split_k;
mod target;
mod tensors;
pub(crate) mod tile;
pub(crate) mod tiled;
pub(crate) mod update;
mod weight_grad;

use self::linear::LinearPlan;
use self::plan::ConvPlan;
use self::target::target_of;

use crate::ops::{GivenNorm, Kernels, Running, SavedNorm, SgdParameter};
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::sampling::Sampling;
use crate::shape::{ConvShape, LinearShape, PoolShape, Product};

type Primitive = FloatTensor<CubeBackend>;

impl Kernels for CubeBackend {
    fn conv(x: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        ConvPlan::select(&shape, Product::Forward, target_of(&x)).run(x, weight)
    }

    fn conv_normalized(
        x: Primitive,
        weight: Primitive,
        norm: GivenNorm<Self>,
        residual: Option<Primitive>,
        relu: bool,
        shape: ConvShape,
    ) -> Primitive {
        norm::normalize_with(Self::conv(x, weight, shape), norm, residual, relu)
    }

    fn conv_grad_input(grad: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        ConvPlan::select(&shape, Product::GradInput, target_of(&grad)).run(grad, weight)
    }

    fn conv_grad_weight(x: Primitive, grad: Primitive, shape: ConvShape) -> Primitive {
        ConvPlan::select(&shape, Product::GradWeight, target_of(&x)).run(x, grad)
    }

    fn norm(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        residual: Option<Primitive>,
        running: Running<Self>,
        (relu, epsilon): (bool, f64),
        ranks: Ranks,
    ) -> ([Primitive; 3], Running<Self>) {
        norm::norm(x, weight, bias, residual, running, (relu, epsilon), ranks)
    }

    fn norm_grad(saved: SavedNorm<Self>, grad: Primitive) -> [Primitive; 4] {
        norm::norm_grad(saved, grad)
    }

    fn pool(x: Primitive, shape: PoolShape) -> Primitive {
        pool::pool(x, &shape)
    }

    fn pool_grad(x: Primitive, output: Primitive, grad: Primitive, shape: PoolShape) -> Primitive {
        pool::pool_grad(x, output, grad, &shape)
    }

    fn mean_of_pixels(x: Primitive) -> Primitive {
        head::mean(x)
    }

    fn mean_of_pixels_grad(grad: Primitive, size: [usize; 2]) -> Primitive {
        head::mean_grad(grad, size)
    }

    fn log_softmax(x: Primitive) -> Primitive {
        head::log_softmax(x)
    }

    fn log_softmax_grad(output: Primitive, grad: Primitive) -> Primitive {
        head::log_softmax_grad(output, grad)
    }

    fn linear_forward(x: Primitive, weight: Primitive, shape: LinearShape) -> Primitive {
        LinearPlan::select(&shape, Product::Forward, target_of(&x)).run(x, weight)
    }

    fn linear_grad_input(grad: Primitive, weight: Primitive, shape: LinearShape) -> Primitive {
        LinearPlan::select(&shape, Product::GradInput, target_of(&grad)).run(grad, weight)
    }

    fn linear_grad_weight(x: Primitive, grad: Primitive, shape: LinearShape) -> Primitive {
        LinearPlan::select(&shape, Product::GradWeight, target_of(&x)).run(x, grad)
    }

    fn weighted_sums(a: Vec<Primitive>, by_a: f64, b: Vec<Primitive>, by_b: f64) -> Vec<Primitive> {
        update::weighted_sums(a, by_a, b, by_b)
    }

    fn sgd_steps(parameters: Vec<SgdParameter<Self>>) -> Vec<[Primitive; 2]> {
        update::sgd_steps(parameters)
    }

    fn sample(x: Primitive, sampling: &Sampling) -> Primitive {
        sampling::sample(x, sampling)
    }

    fn sample_grad(grad: Primitive, sampling: &Sampling) -> Primitive {
        sampling::sample_grad(grad, sampling)
    }

    fn pixel_losses(logits: Primitive, labels: &PixelLabels, shape: LogitShape) -> [Primitive; 2] {
        pixel_losses::pixel_losses(logits, labels, &shape)
    }

    fn pixel_losses_grad(
        logits: Primitive,
        logarithms: Primitive,
        grad: Primitive,
        labels: &PixelLabels,
        shape: LogitShape,
    ) -> Primitive {
        pixel_losses::pixel_losses_grad(logits, logarithms, grad, labels, &shape)
    }
}
