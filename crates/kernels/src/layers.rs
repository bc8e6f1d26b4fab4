//! The operations as networks call them: on Burn's tensors, on any device, with or without a graph.
//!
//! As Burn's own operations do, these panic when shapes do not fit together.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Tensor};

use crate::dtype::{is_half, widen};
use crate::ops::LayerOps;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// What follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`
    Relu,
}

/// Stride, padding and dilation of a convolution, the same for height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Steps between neighbouring outputs, 1 or more.
    pub stride: usize,
    /// Zeros around the input, on each side.
    pub padding: usize,
    /// Steps between neighbouring taps, 1 or more.
    pub dilation: usize,
}

/// Convolves `x` `[batch, height, width, in]` with `weight` `[out, in, kernel, kernel]`, giving
/// `[batch, height', width', out]`. Both are stored in one element, which is the output's, too; the weight's gradient is
/// f32 whatever that is.
///
/// # Panics
/// When the channels or the elements differ, a dimension is 0, or the kernel does not fit into the padded input.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions) -> Tensor<4> {
    let ([batch, height, width, inputs], [outputs, expected, kh, kw]) = (x.dims(), weight.dims());
    let shape = ConvShape {
        batch,
        size: [height, width],
        inputs,
        outputs,
        kernel: [kh, kw],
        stride: [options.stride; 2],
        padding: [options.padding; 2],
        dilation: [options.dilation; 2],
    };
    assert!(
        inputs == expected,
        "an input of {inputs} channels meets a weight for {expected}"
    );
    assert!(
        options.stride > 0 && options.dilation > 0 && shape.weight_len() > 0,
        "stride, dilation and every dimension of the weight must be 1 or more: {shape:?}"
    );
    assert!(
        shape.output_len() > 0 && shape.input_len() > 0,
        "an empty batch, or a kernel larger than the padded input: {shape:?}"
    );
    assert_activations(x.dtype());
    assert_eq!(x.dtype(), weight.dtype(), "elements of input and weight");
    let output = Dispatch::layer_conv(x.into_dispatch(), weight.into_dispatch(), shape);
    Tensor::from_dispatch(output)
}

/// Where activations may be f16 or bf16, too.
fn assert_activations(dtype: DType) {
    if !is_half(dtype) {
        assert_float(dtype);
    }
}

/// The kernels compute in f32, and on the CPU in f64 too.
fn assert_float(dtype: DType) {
    assert!(
        matches!(dtype, DType::F32 | DType::F64),
        "f32 or, on the CPU, f64 values are needed, not {dtype:?}"
    );
}

/// What [`batch_norm`] gives.
pub struct Normed<const D: usize> {
    /// Like the input.
    pub output: Tensor<D>,
    /// The batch's mean, `[channels]`, without gradient.
    pub mean: Tensor<1>,
    /// The batch's biased variance, `[channels]`, without gradient.
    pub variance: Tensor<1>,
}

/// Batch norm over all but the last dimension, with the statistics of the batch:
/// `activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual)` (methods.md 2.1).
///
/// `x` and `residual` are `[.., channels]`, `weight` and `bias` `[channels]`. Where `x` and `residual` are stored in f16 or
/// bf16, so is the output; statistics, scale and shift are f32 nevertheless.
///
/// # Panics
/// When shapes or elements differ or `x` is empty.
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Tensor<D>>,
    activation: Activation,
    epsilon: f64,
) -> Normed<D> {
    let dims = x.dims();
    let channels = dims[D - 1];
    let rows = dims[..D - 1].iter().product::<usize>();
    assert!(rows > 0 && channels > 0, "an empty batch: {dims:?}");
    assert!(
        weight.dims() == [channels] && bias.dims() == [channels],
        "{channels} channels meet a scale of {:?} and a shift of {:?}",
        weight.dims(),
        bias.dims()
    );
    let element = x.dtype();
    assert_activations(element);
    assert_float(weight.dtype());
    let matrix = |x: Tensor<D>| x.reshape([rows, channels]).into_dispatch();
    let (x, weight, bias) = (matrix(x), weight.into_dispatch(), bias.into_dispatch());
    let relu = activation == Activation::Relu;
    let (output, mean, variance) = match residual {
        Some(residual) => {
            assert!(
                residual.dims() == dims && residual.dtype() == element,
                "residual and input differ in shape or element"
            );
            Dispatch::layer_norm_residual(x, weight, bias, matrix(residual), relu, epsilon)
        }
        None => Dispatch::layer_norm(x, weight, bias, relu, epsilon),
    };
    Normed {
        output: Tensor::<2>::from_dispatch(output).reshape(dims),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Batch norm with given statistics, as in evaluation; otherwise as [`batch_norm`].
pub fn normalize_with<const D: usize>(
    x: Tensor<D>,
    (mean, variance): (Tensor<1>, Tensor<1>),
    (weight, bias): (Tensor<1>, Tensor<1>),
    residual: Option<Tensor<D>>,
    activation: Activation,
    epsilon: f64,
) -> Tensor<D> {
    let element = x.dtype();
    let (x, residual) = (widen(x), residual.map(widen));
    let scale = weight / (variance + epsilon).sqrt();
    let shift = bias - mean * scale.clone();
    let channels = scale.dims()[0];
    let row = |values: Tensor<1>| {
        let mut shape = [1; D];
        shape[D - 1] = channels;
        values.reshape(shape)
    };
    let mut output = x * row(scale) + row(shift);
    if let Some(residual) = residual {
        output = output + residual;
    }
    let output = match activation {
        Activation::None => output,
        Activation::Relu => burn::tensor::activation::relu(output),
    };
    output.cast(element)
}

/// Max-pool of `x` `[batch, height, width, channels]`, with a border that never wins.
///
/// # Panics
/// When `x` is empty or the window does not fit.
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let shape = PoolShape {
        batch,
        size: [height, width],
        channels,
        kernel,
        stride,
        padding,
    };
    assert!(
        kernel > 0 && stride > 0 && 2 * padding <= kernel,
        "window and stride must be 1 or more, the border at most half the window: {shape:?}"
    );
    assert!(
        batch * channels > 0 && shape.out_size().iter().all(|&side| side > 0),
        "an empty batch, or a window larger than the padded input: {shape:?}"
    );
    assert_activations(x.dtype());
    Tensor::from_dispatch(Dispatch::layer_pool(x.into_dispatch(), shape))
}

/// `x` `[batch, inputs]` times the transpose of `weight` `[outputs, inputs]`, plus `bias` `[outputs]`:
/// `[batch, outputs]`. Without bias, and with keys for the weight, the similarity of a batch with a queue.
///
/// # Panics
/// When the inputs differ or a dimension is 0.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let ([batch, inputs], [outputs, expected]) = (x.dims(), weight.dims());
    let shape = LinearShape {
        batch,
        inputs,
        outputs,
    };
    assert!(
        inputs == expected,
        "an input of {inputs} values meets a weight for {expected}"
    );
    assert!(
        batch * inputs * outputs > 0,
        "an empty batch or an empty weight: {shape:?}"
    );
    assert_float(x.dtype());
    let output = Dispatch::layer_linear(x.into_dispatch(), weight.into_dispatch(), shape);
    let output = Tensor::from_dispatch(output);
    match bias {
        Some(bias) => output + bias.reshape([1, outputs]),
        None => output,
    }
}

/// The sums of the rows of `x` `[rows, columns]`: `[rows, 1]`. A product with ones, because a product adds in one order,
/// however wide the vectors of the processor are.
///
/// # Panics
/// When `x` is empty.
pub fn row_sums(x: Tensor<2>) -> Tensor<2> {
    let ones = x.clone().detach().narrow(0, 0, 1).ones_like();
    linear(x, ones, None)
}

/// `x - ln(sum of exp(x))` over each row of `x` `[rows, columns]`.
///
/// On a CPU exponentials and the logarithm are taken in f64: mathematical libraries differ in a result's last bit, so that
/// in f32 a browser and the command line would part here, and nowhere else in a step.
pub fn log_softmax(x: Tensor<2>) -> Tensor<2> {
    let dtype = x.dtype();
    if matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_)) {
        let logs = burn::tensor::activation::log_softmax(x.cast(DType::F64), 1);
        return logs.cast(dtype);
    }
    burn::tensor::activation::log_softmax(x, 1)
}
