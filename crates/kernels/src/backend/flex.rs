//! The CPU: Burn's tensors in and out of the loops of [`cpu`].
//!
//! Half precision is converted to f32 on the way in and rounded on the way out, as GPU kernels do. This is for tests of what
//! storing activations in half precision does; a run on the CPU stores f32. f64 is computed by [`reference`].

mod head;
mod spatial;

use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, FloatDType};
use burn_flex::{Flex, FlexTensor};
use parallax_ranks::Ranks;

use super::cpu;
use super::pooled::{shaped, tensor};
use crate::dtype::is_half;
use crate::ops::{GivenNorm, Kernels, ReluMask, Running, SavedNorm, SgdParameter};
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::reference;
use crate::sampling::Sampling;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// A contiguous tensor of f32.
struct Contiguous(FlexTensor);

impl Contiguous {
    fn new(tensor: FlexTensor) -> Self {
        let tensor = match is_half(tensor.dtype()) {
            true => Flex::float_cast(tensor, FloatDType::F32),
            false => tensor,
        };
        Self(tensor.to_contiguous())
    }

    fn values(&self) -> &[f32] {
        // `new` made it contiguous; only a dtype that layers refuse is left to fail.
        self.0.as_slice().unwrap_or(&[])
    }
}

/// Rounds an activation to the dtype that its operands are stored in.
fn rounded(tensor: FlexTensor, dtype: DType) -> FlexTensor {
    match is_half(dtype) {
        true => Flex::float_cast(tensor, dtype.into()),
        false => tensor,
    }
}

fn is_double(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::F64
}

/// The gradients of batch norm in f32, and the output's gradient that they come from.
fn norm_gradients(
    saved: SavedNorm<Flex>,
    grad: FlexTensor,
    with_residual: bool,
) -> (cpu::NormGrad, FlexTensor) {
    let grad = Contiguous::new(grad);
    let (output, shift) = match saved.mask {
        ReluMask::None => (None, None),
        ReluMask::Output(output) => (Some(Contiguous::new(output)), None),
        ReluMask::Shift(bias) => (None, Some(Contiguous::new(bias))),
    };
    let mask = match (&output, &shift) {
        (Some(output), _) => ReluMask::Output(output.values()),
        (_, Some(shift)) => ReluMask::Shift(shift.values()),
        _ => ReluMask::None,
    };
    let saved_values = [saved.x, saved.weight, saved.mean, saved.variance];
    let [x, weight, mean, variance] = saved_values.map(Contiguous::new);
    let gradients = cpu::batch_norm_backward(
        cpu::NormPass {
            x: x.values(),
            mask,
            weight: weight.values(),
            mean: mean.values(),
            variance: variance.values(),
            epsilon: saved.epsilon as f32,
            ranks: saved.ranks,
        },
        grad.values(),
        with_residual,
    );
    (gradients, grad.0)
}

impl Kernels for Flex {
    fn conv(x: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&x) {
            return reference::conv(x, weight, shape);
        }
        let dtype = x.dtype();
        let (x, weight) = (Contiguous::new(x), Contiguous::new(weight));
        let [height, width] = shape.out_size();
        let output = cpu::conv2d(&shape, x.values(), weight.values());
        let output = tensor(output, [shape.batch, height, width, shape.outputs]);
        rounded(output, dtype)
    }

    fn conv_normalized(
        x: FlexTensor,
        weight: FlexTensor,
        norm: GivenNorm<Self>,
        residual: Option<FlexTensor>,
        relu: bool,
        shape: ConvShape,
    ) -> FlexTensor {
        let (x, weight) = (Contiguous::new(x), Contiguous::new(weight));
        let of_channels = [norm.weight, norm.bias, norm.mean, norm.variance];
        let of_channels = of_channels.map(Contiguous::new);
        let [gamma, beta, mean, variance] = of_channels.each_ref().map(Contiguous::values);
        let epsilon = norm.epsilon as f32;
        let scale = gamma.iter().zip(variance);
        let scale: Vec<f32> = scale.map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = beta.iter().zip(mean).zip(&scale);
        let shift: Vec<f32> = shift.map(|((b, m), s)| b - m * s).collect();
        let residual = residual.map(Contiguous::new);
        let epilogue = cpu::Epilogue {
            scale: &scale,
            shift: &shift,
            residual: residual.as_ref().map_or(&[], Contiguous::values),
            relu,
        };
        let output = cpu::conv2d_with(&shape, x.values(), weight.values(), epilogue);
        let [height, width] = shape.out_size();
        tensor(output, [shape.batch, height, width, shape.outputs])
    }

    fn conv_grad_input(grad: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&grad) {
            return reference::conv_grad_input(grad, weight, shape);
        }
        let dtype = grad.dtype();
        let (grad, weight) = (Contiguous::new(grad), Contiguous::new(weight));
        let [height, width] = shape.size;
        let input = cpu::conv2d_grad_input(&shape, grad.values(), weight.values());
        rounded(
            tensor(input, [shape.batch, height, width, shape.inputs]),
            dtype,
        )
    }

    fn conv_grad_weight(x: FlexTensor, grad: FlexTensor, shape: ConvShape) -> FlexTensor {
        if is_double(&grad) {
            return reference::conv_grad_weight(x, grad, shape);
        }
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        let [height, width] = shape.kernel;
        let weight = cpu::conv2d_grad_weight(&shape, x.values(), grad.values());
        tensor(weight, [shape.outputs, shape.inputs, height, width])
    }

    fn norm(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: Option<FlexTensor>,
        _running: Running<Self>,
        (relu, epsilon): (bool, f64),
        ranks: Ranks,
    ) -> ([FlexTensor; 3], Running<Self>) {
        if is_double(&x) {
            let normed = reference::norm(x, weight, bias, residual, (relu, epsilon), ranks);
            return (normed, Running::None);
        }
        let dtype = x.dtype();
        let [x, weight, bias] = [x, weight, bias].map(Contiguous::new);
        let residual = residual.map(Contiguous::new);
        let normed = cpu::batch_norm(
            x.values(),
            weight.values(),
            bias.values(),
            residual.as_ref().map_or(&[], Contiguous::values),
            (relu, epsilon as f32),
            ranks,
        );
        let channels = normed.mean.len();
        let rows = normed.output.len() / channels;
        let normed = [
            rounded(tensor(normed.output, [rows, channels]), dtype),
            tensor(normed.mean, [channels]),
            tensor(normed.variance, [channels]),
        ];
        (normed, Running::None)
    }

    fn norm_grad(saved: SavedNorm<Self>, grad: FlexTensor) -> [FlexTensor; 4] {
        if is_double(&grad) {
            return reference::norm_grad(saved, grad);
        }
        let relu = !matches!(saved.mask, ReluMask::None);
        let (shape, dtype) = (grad.shape(), grad.dtype());
        let (gradients, grad) = norm_gradients(saved, grad, true);
        let residual = match relu {
            true => tensor(gradients.residual, [shape[0], shape[1]]),
            false => grad,
        };
        [
            rounded(tensor(gradients.input, [shape[0], shape[1]]), dtype),
            tensor(gradients.weight, [shape[1]]),
            tensor(gradients.bias, [shape[1]]),
            rounded(residual, dtype),
        ]
    }

    fn norm_grad_without_residual(saved: SavedNorm<Self>, grad: FlexTensor) -> [FlexTensor; 3] {
        if is_double(&grad) {
            let [x, weight, bias, _] = reference::norm_grad(saved, grad);
            return [x, weight, bias];
        }
        let (shape, dtype) = (grad.shape(), grad.dtype());
        let (gradients, _) = norm_gradients(saved, grad, false);
        [
            rounded(tensor(gradients.input, [shape[0], shape[1]]), dtype),
            tensor(gradients.weight, [shape[1]]),
            tensor(gradients.bias, [shape[1]]),
        ]
    }

    fn pool(x: FlexTensor, shape: PoolShape) -> FlexTensor {
        if is_double(&x) {
            return reference::pool(x, shape);
        }
        let dtype = x.dtype();
        let [height, width] = shape.out_size();
        let output = cpu::max_pool(&shape, Contiguous::new(x).values());
        let output = tensor(output, [shape.batch, height, width, shape.channels]);
        rounded(output, dtype)
    }

    fn pool_grad(
        x: FlexTensor,
        output: FlexTensor,
        grad: FlexTensor,
        shape: PoolShape,
    ) -> FlexTensor {
        if is_double(&grad) {
            return reference::pool_grad(x, grad, shape);
        }
        let dtype = grad.dtype();
        let [x, output, grad] = [x, output, grad].map(Contiguous::new);
        let input = cpu::max_pool_backward(&shape, x.values(), output.values(), grad.values());
        let [height, width] = shape.size;
        rounded(
            tensor(input, [shape.batch, height, width, shape.channels]),
            dtype,
        )
    }

    fn mean_of_pixels(x: FlexTensor) -> FlexTensor {
        head::mean(x)
    }

    fn mean_of_pixels_grad(grad: FlexTensor, size: [usize; 2]) -> FlexTensor {
        head::mean_grad(grad, size)
    }

    fn log_softmax(x: FlexTensor) -> FlexTensor {
        head::log_softmax(x)
    }

    fn log_softmax_grad(output: FlexTensor, grad: FlexTensor) -> FlexTensor {
        head::log_softmax_grad(output, grad)
    }

    fn linear_forward(x: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&x) {
            return reference::linear(x, weight, shape);
        }
        let (x, weight) = (Contiguous::new(x), Contiguous::new(weight));
        let output = cpu::linear(&shape, x.values(), weight.values());
        tensor(output, [shape.batch, shape.outputs])
    }

    fn linear_grad_input(grad: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&grad) {
            return reference::linear_grad_input(grad, weight, shape);
        }
        let (grad, weight) = (Contiguous::new(grad), Contiguous::new(weight));
        let input = cpu::linear_grad_input(&shape, grad.values(), weight.values());
        tensor(input, [shape.batch, shape.inputs])
    }

    fn linear_grad_weight(x: FlexTensor, grad: FlexTensor, shape: LinearShape) -> FlexTensor {
        if is_double(&grad) {
            return reference::linear_grad_weight(x, grad, shape);
        }
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        let weight = cpu::linear_grad_weight(&shape, x.values(), grad.values());
        tensor(weight, [shape.outputs, shape.inputs])
    }

    fn weighted_sums(
        a: Vec<FlexTensor>,
        by_a: f64,
        b: Vec<FlexTensor>,
        by_b: f64,
    ) -> Vec<FlexTensor> {
        let sum = |(a, b)| {
            let (a, b) = (Contiguous::new(a), Contiguous::new(b));
            let sum = cpu::weighted_sum(a.values(), by_a, b.values(), by_b);
            shaped(sum, a.0.layout().shape().clone())
        };
        a.into_iter().zip(b).map(sum).collect()
    }

    fn sgd_steps(parameters: Vec<SgdParameter<Self>>) -> Vec<[FlexTensor; 2]> {
        let step = |parameter: SgdParameter<Self>| {
            let weight = Contiguous::new(parameter.weight);
            let (mut gradient, mut velocity) =
                (owning(parameter.gradient), owning(parameter.velocity));
            cpu::sgd_step(
                weight.values(),
                gradient.storage_mut(),
                velocity.storage_mut(),
                &parameter.options,
            );
            [gradient, velocity]
        };
        parameters.into_iter().map(step).collect()
    }

    fn sample(x: FlexTensor, sampling: &Sampling) -> FlexTensor {
        spatial::sample(x, sampling)
    }

    fn sample_grad(grad: FlexTensor, sampling: &Sampling) -> FlexTensor {
        spatial::sample_grad(grad, sampling)
    }

    fn pixel_losses(
        logits: FlexTensor,
        labels: &PixelLabels,
        shape: LogitShape,
    ) -> [FlexTensor; 2] {
        spatial::pixel_losses(logits, labels, shape)
    }

    fn pixel_losses_grad(
        logits: FlexTensor,
        logarithms: FlexTensor,
        grad: FlexTensor,
        labels: &PixelLabels,
        shape: LogitShape,
    ) -> FlexTensor {
        spatial::pixel_losses_grad(logits, logarithms, grad, labels, shape)
    }
}

/// A tensor that is all that its memory holds, in order: the same memory where that is so already.
fn owning(tensor: FlexTensor) -> FlexTensor {
    let begins = tensor.layout().start_offset() == 0 && tensor.is_contiguous();
    let ends = tensor.bytes().len() == size_of::<f32>() * tensor.layout().num_elements();
    match begins && ends {
        true => tensor,
        false => tensor.to_contiguous(),
    }
}
