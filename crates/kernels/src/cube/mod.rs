//! GPUs: one source for WGSL, SPIR-V and MSL, without subgroups, without atomics, and with one order for every
//! sum. Which variant a shape gets is a written rule ([`tile`]). Pooling is Burn's, which wants channels first.

use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{TensorMetadata, get_device_settings};
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

mod conv;
mod conv_weight;
mod norm;
mod tile;

use crate::cpu::{ConvShape, PoolShape};
use crate::ops::{Kernels, SavedNorm};

type Primitive = FloatTensor<CubeBackend>;

fn channels_first(x: Primitive) -> Primitive {
    CubeBackend::float_permute(x, &[0, 3, 1, 2])
}

fn channels_last(x: Primitive) -> Primitive {
    CubeBackend::float_permute(x, &[0, 2, 3, 1])
}

/// A tensor of f32 without values.
fn empty(like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
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
        epsilon: f32,
    ) -> [Primitive; 3] {
        norm::norm(x, weight, bias, residual, relu, epsilon)
    }

    fn norm_grad(saved: SavedNorm<Self>, grad: Primitive) -> [Primitive; 4] {
        norm::norm_grad(saved, grad)
    }

    fn pool(x: Primitive, shape: PoolShape) -> Primitive {
        let [kernel, stride, padding] = window(&shape);
        let x = channels_first(x);
        channels_last(Self::max_pool2d(x, kernel, stride, padding, [1, 1], false))
    }

    fn pool_grad(x: Primitive, _: Primitive, grad: Primitive, shape: PoolShape) -> Primitive {
        let [kernel, stride, padding] = window(&shape);
        let dtype = get_device_settings::<Self>(&x.device()).int_dtype;
        let x = channels_first(x);
        let pooled =
            Self::max_pool2d_with_indices(x.clone(), kernel, stride, padding, [1, 1], false, dtype);
        let gradient = Self::max_pool2d_with_indices_backward(
            x,
            kernel,
            stride,
            padding,
            [1, 1],
            false,
            channels_first(grad),
            pooled.indices,
        );
        channels_last(gradient.x_grad)
    }
}

fn window(shape: &PoolShape) -> [[usize; 2]; 3] {
    [shape.kernel, shape.stride, shape.padding].map(|side| [side, side])
}
