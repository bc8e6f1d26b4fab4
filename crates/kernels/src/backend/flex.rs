//! The CPU: tensors in and out of the loops of [`crate::backend::cpu`].

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_flex::{Flex, FlexTensor};

use crate::backend::cpu;
use crate::backend::pooled::tensor;
use crate::dtype::is_half;
use crate::ops::{Kernels, SavedNorm};
use crate::reference::{double, half};
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// A tensor whose values lie in order.
struct Host(FlexTensor);

impl Host {
    fn values(&self) -> &[f32] {
        // `new` made it contiguous; only another element type is left to fail, which layers refuse.
        self.0.as_slice().unwrap_or(&[])
    }
}

fn host(tensor: FlexTensor) -> Host {
    Host(tensor.to_contiguous())
}

/// f64 takes the plain loops of [`crate::reference::double`].
fn is_double(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::F64
}

/// The gradients of batch norm, and the gradient that they were made of.
fn norm_gradients(
    saved: SavedNorm<Flex>,
    grad: FlexTensor,
    with_residual: bool,
) -> (cpu::NormGrad, FlexTensor) {
    let grad = host(grad);
    let output = saved.output.map(host);
    let [x, weight, mean, variance] = [saved.x, saved.weight, saved.mean, saved.variance].map(host);
    let gradients = cpu::batch_norm_backward(
        cpu::NormPass {
            x: x.values(),
            output: output.as_ref().map_or(&[], Host::values),
            weight: weight.values(),
            mean: mean.values(),
            variance: variance.values(),
            epsilon: saved.epsilon as f32,
        },
        grad.values(),
        with_residual,
    );
    (gradients, grad.0)
}

impl Kernels for Flex {
    fn conv(x: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&x) {
            return double::conv(x, weight, shape);
        }
        if is_half(x.dtype()) {
            return half::conv(x, weight, shape);
        }
        let (x, weight) = (host(x), host(weight));
        let [height, width] = shape.out_size();
        let output = cpu::conv2d(&shape, x.values(), weight.values(), &[]);
        tensor(output, [shape.batch, height, width, shape.outputs])
    }

    fn conv_grad_input(grad: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&grad) {
            return double::conv_grad_input(grad, weight, shape);
        }
        if is_half(grad.dtype()) {
            return half::conv_grad_input(grad, weight, shape);
        }
        let (grad, weight) = (host(grad), host(weight));
        let [height, width] = shape.size;
        let input = cpu::conv2d_grad_input(&shape, grad.values(), weight.values());
        tensor(input, [shape.batch, height, width, shape.inputs])
    }

    fn conv_grad_weight(x: FlexTensor, grad: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&grad) {
            return double::conv_grad_weight(x, grad, shape);
        }
        if is_half(grad.dtype()) {
            return half::conv_grad_weight(x, grad, shape);
        }
        let (x, grad) = (host(x), host(grad));
        let [height, width] = shape.kernel;
        let weight = cpu::conv2d_grad_weight(&shape, x.values(), grad.values());
        tensor(weight, [shape.outputs, shape.inputs, height, width])
    }

    fn norm(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: Option<FlexTensor>,
        relu: bool,
        epsilon: f64,
    ) -> [FlexTensor; 3] {
        if is_double(&x) {
            return double::norm(x, weight, bias, residual, relu, epsilon);
        }
        if is_half(x.dtype()) {
            return half::norm(x, weight, bias, residual, relu, epsilon);
        }
        let (x, weight, bias) = (host(x), host(weight), host(bias));
        let residual = residual.map(host);
        let normed = cpu::batch_norm(
            x.values(),
            weight.values(),
            bias.values(),
            residual.as_ref().map_or(&[], Host::values),
            relu,
            epsilon as f32,
        );
        let channels = normed.mean.len();
        let rows = normed.output.len() / channels;
        [
            tensor(normed.output, [rows, channels]),
            tensor(normed.mean, [channels]),
            tensor(normed.variance, [channels]),
        ]
    }

    fn norm_grad(saved: SavedNorm<Self>, grad: FlexTensor) -> [FlexTensor; 4] {
        if is_double(&grad) {
            return double::norm_grad(saved, grad);
        }
        if is_half(grad.dtype()) {
            return half::norm_grad(saved, grad);
        }
        let relu = saved.output.is_some();
        let shape = grad.shape();
        let (gradients, grad) = norm_gradients(saved, grad, true);
        let residual = match relu {
            true => tensor(gradients.residual, [shape[0], shape[1]]),
            false => grad,
        };
        [
            tensor(gradients.input, [shape[0], shape[1]]),
            tensor(gradients.weight, [shape[1]]),
            tensor(gradients.bias, [shape[1]]),
            residual,
        ]
    }

    fn norm_grad_alone(saved: SavedNorm<Self>, grad: FlexTensor) -> [FlexTensor; 3] {
        if is_double(&grad) {
            let [x, weight, bias, _] = double::norm_grad(saved, grad);
            return [x, weight, bias];
        }
        if is_half(grad.dtype()) {
            let [x, weight, bias, _] = half::norm_grad(saved, grad);
            return [x, weight, bias];
        }
        let shape = grad.shape();
        let (gradients, _) = norm_gradients(saved, grad, false);
        [
            tensor(gradients.input, [shape[0], shape[1]]),
            tensor(gradients.weight, [shape[1]]),
            tensor(gradients.bias, [shape[1]]),
        ]
    }

    fn pool(x: FlexTensor, shape: PoolShape) -> FlexTensor {
        if is_double(&x) {
            return double::pool(x, shape);
        }
        if is_half(x.dtype()) {
            return half::pool(x, shape);
        }
        let [height, width] = shape.out_size();
        let output = cpu::max_pool(&shape, host(x).values());
        tensor(output, [shape.batch, height, width, shape.channels])
    }

    fn pool_grad(
        x: FlexTensor,
        output: FlexTensor,
        grad: FlexTensor,
        shape: PoolShape,
    ) -> FlexTensor {
        if is_double(&grad) {
            return double::pool_grad(x, grad, shape);
        }
        if is_half(grad.dtype()) {
            return half::pool_grad(x, output, grad, shape);
        }
        let [x, output, grad] = [x, output, grad].map(host);
        let input = cpu::max_pool_backward(&shape, x.values(), output.values(), grad.values());
        let [height, width] = shape.size;
        tensor(input, [shape.batch, height, width, shape.channels])
    }

    fn linear_forward(x: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&x) {
            return double::linear(x, weight, shape);
        }
        let output = cpu::linear(&shape, host(x).values(), host(weight).values());
        tensor(output, [shape.batch, shape.outputs])
    }

    fn linear_grad_input(grad: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&grad) {
            return double::linear_grad_input(grad, weight, shape);
        }
        let input = cpu::linear_grad_input(&shape, host(grad).values(), host(weight).values());
        tensor(input, [shape.batch, shape.inputs])
    }

    fn linear_grad_weight(x: FlexTensor, grad: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&grad) {
            return double::linear_grad_weight(x, grad, shape);
        }
        let weight = cpu::linear_grad_weight(&shape, host(x).values(), host(grad).values());
        tensor(weight, [shape.outputs, shape.inputs])
    }
}
