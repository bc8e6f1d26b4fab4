//! GPUs: for now Burn's own operations, which want channels first.

use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Scalar, TensorMetadata, get_device_settings};
use burn::tensor::Shape;
use burn::tensor::ops::ConvOptions;
use burn_cubecl::CubeBackend;

mod conv;
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

fn options(shape: &ConvShape) -> ConvOptions<2> {
    ConvOptions::new(shape.stride, shape.padding, shape.dilation, 1)
}

impl Kernels for CubeBackend {
    fn conv(x: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        conv::conv(x, weight, &shape)
    }

    fn conv_grad_input(grad: Primitive, weight: Primitive, shape: ConvShape) -> Primitive {
        conv::conv_grad_input(grad, weight, &shape)
    }

    fn conv_grad_weight(x: Primitive, grad: Primitive, shape: ConvShape) -> Primitive {
        let device = grad.device();
        let [height, width] = shape.kernel;
        let like = Shape::new([shape.outputs, shape.inputs, height, width]);
        let weight = Self::float_empty(like, &device, grad.dtype().into());
        let (x, grad) = (channels_first(x), channels_first(grad));
        Self::conv2d_weight_backward(x, weight, grad, options(&shape))
    }

    fn norm(
        x: Primitive,
        weight: Primitive,
        bias: Primitive,
        residual: Option<Primitive>,
        relu: bool,
        epsilon: f32,
    ) -> [Primitive; 3] {
        let normed = Self::batch_norm_train(x, weight, bias, f64::from(epsilon));
        let mut output = normed.output;
        if let Some(residual) = residual {
            output = Self::float_add(output, residual);
        }
        if relu {
            output = Self::float_clamp_min(output, Scalar::Float(0.0));
        }
        [output, normed.mean, normed.variance]
    }

    fn norm_grad(saved: SavedNorm<Self>, grad: Primitive) -> [Primitive; 4] {
        let grad = match saved.output {
            Some(output) => {
                let dtype = get_device_settings::<Self>(&grad.device()).bool_dtype;
                let closed = Self::float_lower_equal_elem(output, Scalar::Float(0.0), dtype);
                Self::float_mask_fill(grad, closed, Scalar::Float(0.0))
            }
            None => grad,
        };
        let gradients = Self::batch_norm_train_backward(
            saved.x,
            saved.weight,
            saved.mean,
            saved.variance,
            f64::from(saved.epsilon),
            grad.clone(),
        );
        [
            gradients.x_grad,
            gradients.gamma_grad,
            gradients.beta_grad,
            grad,
        ]
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
