//! GPUs: one source for WGSL, SPIR-V and MSL, without subgroups, without atomics, and with one order for every
//! sum. Which variant a shape gets is a written rule ([`tile`]).

use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::CubeCount;

pub(crate) mod adapter;
pub(crate) mod axis;
mod bits;
pub(crate) mod conv;
pub(crate) mod conv_weight;
mod direct;
mod direct_order;
pub(crate) mod direct_weight;
mod gather;
#[cfg(test)]
mod limits;
mod line_sums;
pub(crate) mod linear;
pub(crate) mod norm;
mod norm_each;
mod norm_join;
mod norm_sums;
mod parts;
mod phases;
mod pixel_sums;
pub(crate) mod pool;
pub(crate) mod tile;
pub(crate) mod update;
pub(crate) mod winograd;

use crate::ops::{Kernels, SavedNorm};
use crate::options::SgdOptions;
use crate::shape::{ConvShape, LinearShape, PoolShape};

type Primitive = FloatTensor<CubeBackend>;

/// A tensor without values, of the element that `like` is stored in.
fn empty(like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    empty_of(like.dtype, like, shape)
}

/// A tensor of f32 without values on the device of `like`: statistics, sums and gradients of parameters, whatever
/// element activations are stored in.
fn empty_f32(like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    empty_of(DType::F32, like, shape)
}

fn empty_of(dtype: DType, like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// What a kernel's storage element `E` stands for: activations may be f16, sums are f32.
fn element(tensor: &CubeTensor) -> ElemType {
    ElemType::Float(match tensor.dtype {
        DType::F16 => FloatKind::F16,
        DType::BF16 => FloatKind::BF16,
        _ => FloatKind::F32,
    })
}

/// Units of a cube where each unit computes one value.
const BLOCK: u32 = 256;

/// Cubes of [`BLOCK`] units for `len` values.
fn blocks(len: usize) -> CubeCount {
    let cubes = len.div_ceil(BLOCK as usize).max(1);
    let x = cubes.min(65_535);
    CubeCount::Static(x as u32, cubes.div_ceil(x) as u32, 1)
}

impl Kernels for CubeBackend {
    fn conv(x: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        conv::conv(x, weight, &shape)
    }

    fn conv_grad_input(grad: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        conv::conv_grad_input(grad, weight, &shape)
    }

    fn conv_grad_weight(x: Primitive, grad: Primitive, shape: ConvShape) -> Primitive {
        conv_weight::conv_grad_weight(x, grad, &shape)
    }

    fn norm(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        residual: Option<Primitive>,
        relu: bool,
        epsilon: f64,
    ) -> [Primitive; 3] {
        norm::norm(x, weight, bias, residual, relu, epsilon as f32)
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

    fn linear_forward(x: Primitive, weight: Primitive, shape: LinearShape) -> Primitive {
        linear::linear_forward(x, weight, &shape)
    }

    fn linear_grad_input(grad: Primitive, weight: Primitive, shape: LinearShape) -> Primitive {
        linear::linear_grad_input(grad, weight, &shape)
    }

    fn linear_grad_weight(x: Primitive, grad: Primitive, shape: LinearShape) -> Primitive {
        linear::linear_grad_weight(x, grad, &shape)
    }

    fn weighted_sum(a: Primitive, by_a: f64, b: Primitive, by_b: f64) -> Primitive {
        update::weighted_sum(a, by_a, b, by_b)
    }

    fn sgd_step(
        weight: Primitive,
        gradient: Primitive,
        velocity: Primitive,
        options: SgdOptions,
    ) -> [Primitive; 2] {
        update::sgd(weight, gradient, velocity, options)
    }
}
