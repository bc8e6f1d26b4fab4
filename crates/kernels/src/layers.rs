//! The operations as networks call them: on Burn's tensors, on any device, with or without a graph.
//!
//! Like Burn's own operations, these panic when shapes do not match.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};
use parallax_ranks::Ranks;

use crate::backend::gpu::adapter::is_gpu;
use crate::dtype::{is_half, widen};
use crate::ops::{HeadOps, InferenceOps, LayerOps, Packed, Running};
pub use crate::options::{Activation, ConvOptions, RunningUpdate};
use crate::packed::PackedWeight;
use crate::running::RunningStatistics;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// Convolves `x` `[batch, height, width, in]` with `weight` `[out, in, kernel, kernel]` and adds `bias` `[out]`, giving
/// `[batch, height', width', out]`. Each side of the output is
/// `(side + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down. This is PyTorch's `conv2d` on channels-last
/// activations.
///
/// `x` and `weight` have one dtype, which is the output's, too; the gradients of weight and bias are f32 whatever that is.
///
/// # Panics
/// When the channels or the dtypes of `x` and `weight` differ, a dimension is 0, or the kernel does not fit into the padded
/// input.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions,
) -> Tensor<4> {
    assert_eq!(x.dtype(), weight.dtype(), "dtypes of input and weight");
    conv2d_packed(x, (weight, None), bias, options)
}

/// [`conv2d`] with a weight that may be packed for the dtype of `x`, and then need not have it itself.
///
/// # Panics
/// As [`conv2d`].
pub fn conv2d_packed(
    x: Tensor<4>,
    (weight, packed): (Tensor<4>, Option<PackedWeight>),
    bias: Option<Tensor<1>>,
    options: ConvOptions,
) -> Tensor<4> {
    let shape = checked(&x, &weight, options);
    let outputs = shape.outputs;
    let dtype = x.dtype();
    let packed = packed.map_or(Packed::None, PackedWeight::given);
    let output = Dispatch::layer_conv(x.into_dispatch(), weight.into_dispatch(), packed, shape);
    let output = Tensor::from_dispatch(output);
    match bias {
        Some(bias) => {
            assert!(
                bias.dims() == [outputs],
                "the weight has {outputs} outputs, the bias {:?}",
                bias.dims()
            );
            // In f32, so that the bias's gradient is summed in f32.
            (widen(output) + widen(bias).reshape([1, 1, 1, outputs])).cast(dtype)
        }
        None => output,
    }
}

/// The shape of a convolution, if its operands fit.
fn checked(x: &Tensor<4>, weight: &Tensor<4>, options: ConvOptions) -> ConvShape {
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
        "the input has {inputs} channels, the weight {expected}"
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
    shape
}

/// f32, half precision, or f64 on the CPU.
fn assert_activations(dtype: DType) {
    if !is_half(dtype) {
        assert_float(dtype);
    }
}

/// f32, or f64 on the CPU.
fn assert_float(dtype: DType) {
    assert!(
        matches!(dtype, DType::F32 | DType::F64),
        "f32 is supported, and f64 on the CPU, not {dtype:?}"
    );
}

/// What [`batch_norm`] gives.
pub struct Normed<const D: usize> {
    /// Of the input's shape and dtype.
    pub output: Tensor<D>,
    /// The batch's mean, `[channels]`, without gradient.
    pub mean: Tensor<1>,
    /// The batch's biased variance, `[channels]`, without gradient.
    pub variance: Tensor<1>,
    /// The next running statistics, where there were any; without graph.
    pub running: Option<RunningStatistics>,
}

/// Batch norm over all but the last dimension, with the statistics of the batch:
/// `activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual)` (methods.md 2.1).
///
/// `x` and `residual` are `[.., channels]` and of one dtype, which is the output's, too; `weight` and `bias` are `[channels]`
/// of f32, as are the statistics.
///
/// # Panics
/// When shapes or dtypes differ or `x` is empty.
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Tensor<D>>,
    activation: Activation,
    epsilon: f64,
) -> Normed<D> {
    let affine = (weight, bias);
    synchronised_batch_norm(x, affine, residual, None, activation, epsilon, Ranks::ONE)
}

/// [`batch_norm`] with the statistics of the batches of all ranks (SyncBN, methods.md 2.3), as if they were one: each rank's
/// count, mean and sum of squared deviations are joined in rank order by the formula of Chan, Golub and LeVeque, and so are
/// the sums of the backward pass. The gradients of scale and shift are those of this rank's values.
///
/// Running statistics are updated as `running` says, on a GPU in the pass that finds those of the batch.
///
/// Every rank calls it at the same place of its step. Where an exchange fails, the rank goes on with its own values, and
/// [`Ranks::check`] says so afterwards.
///
/// # Panics
/// As [`batch_norm`].
pub fn synchronised_batch_norm<const D: usize>(
    x: Tensor<D>,
    (weight, bias): (Tensor<1>, Tensor<1>),
    residual: Option<Tensor<D>>,
    running: Option<(RunningStatistics, RunningUpdate)>,
    activation: Activation,
    epsilon: f64,
    ranks: Ranks,
) -> Normed<D> {
    let dims = x.dims();
    let channels = dims[D - 1];
    let rows = dims[..D - 1].iter().product::<usize>();
    assert!(rows > 0 && channels > 0, "an empty batch: {dims:?}");
    assert!(
        weight.dims() == [channels] && bias.dims() == [channels],
        "the input has {channels} channels, the scale {:?}, the shift {:?}",
        weight.dims(),
        bias.dims()
    );
    let dtype = x.dtype();
    assert_activations(dtype);
    assert_float(weight.dtype());
    let matrix = |x: Tensor<D>| x.reshape([rows, channels]).into_dispatch();
    let (x, weight, bias) = (matrix(x), weight.into_dispatch(), bias.into_dispatch());
    let relu = activation == Activation::Relu;
    let given = running
        .as_ref()
        .map_or(Running::None, |(before, update)| before.given(*update));
    let (output, mean, variance, next) = match residual {
        Some(residual) => {
            assert!(
                residual.dims() == dims && residual.dtype() == dtype,
                "residual and input differ in shape or dtype"
            );
            let residual = matrix(residual);
            Dispatch::layer_norm_residual(x, weight, bias, residual, given, relu, epsilon, ranks)
        }
        None => Dispatch::layer_norm(x, weight, bias, given, relu, epsilon, ranks),
    };
    let [mean, variance] = [mean, variance].map(Tensor::from_dispatch);
    let next = RunningStatistics::taken(next).or_else(|| {
        let (before, update) = running?;
        Some(before.updated(update, [&mean, &variance]))
    });
    Normed {
        output: Tensor::<2>::from_dispatch(output).reshape(dims),
        mean,
        variance,
        running: next,
    }
}

/// Batch norm with given statistics, as in evaluation or with frozen statistics; otherwise like [`batch_norm`]. `x`, `weight`,
/// `bias` and `residual` get gradients; the statistics are constants unless they are in the graph themselves.
pub fn normalize_with<const D: usize>(
    x: Tensor<D>,
    (mean, variance): (Tensor<1>, Tensor<1>),
    (weight, bias): (Tensor<1>, Tensor<1>),
    residual: Option<Tensor<D>>,
    activation: Activation,
    epsilon: f64,
) -> Tensor<D> {
    let dtype = x.dtype();
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
    output.cast(dtype)
}

/// [`conv2d`] without bias, then [`normalize_with`], for inference: without a graph and in f32 the output is normalised while
/// it is in the cache.
///
/// # Panics
/// As [`conv2d`] and [`normalize_with`].
pub fn conv2d_normalized(
    (x, weight): (Tensor<4>, Tensor<4>),
    options: ConvOptions,
    (mean, variance): (Tensor<1>, Tensor<1>),
    (norm_weight, norm_bias): (Tensor<1>, Tensor<1>),
    residual: Option<Tensor<4>>,
    activation: Activation,
    epsilon: f64,
) -> Tensor<4> {
    let graph = x.is_autodiff() || weight.is_autodiff() || norm_weight.is_autodiff();
    if graph || x.dtype() != DType::F32 {
        let y = conv2d(x, weight, None, options);
        let (statistics, affine) = ((mean, variance), (norm_weight, norm_bias));
        return normalize_with(y, statistics, affine, residual, activation, epsilon);
    }
    assert_eq!(weight.dtype(), DType::F32, "dtype of the weight");
    let shape = checked(&x, &weight, options);
    let relu = activation == Activation::Relu;
    let channels = [norm_weight, norm_bias, mean, variance];
    assert!(
        channels.iter().all(|of| of.dims() == [shape.outputs]),
        "the convolution has {} outputs, batch norm others",
        shape.outputs
    );
    let [norm_weight, norm_bias, mean, variance] = channels.map(Tensor::into_dispatch);
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let output = match residual {
        Some(residual) => {
            let [height, width] = shape.out_size();
            assert!(
                residual.dims() == [shape.batch, height, width, shape.outputs],
                "residual and output differ in shape: {:?}",
                residual.dims()
            );
            Dispatch::inference_conv_residual(
                x,
                weight,
                norm_weight,
                norm_bias,
                mean,
                variance,
                residual.into_dispatch(),
                epsilon,
                relu,
                shape,
            )
        }
        None => Dispatch::inference_conv(
            x,
            weight,
            norm_weight,
            norm_bias,
            mean,
            variance,
            epsilon,
            relu,
            shape,
        ),
    };
    Tensor::from_dispatch(output)
}

/// Max-pool of `x` `[batch, height, width, channels]`; padding is never the maximum. A side of the output is
/// `(side + 2 padding - kernel) / stride + 1`, rounded down.
///
/// # Panics
/// When `x` is empty or the kernel does not fit into the padded input.
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
        "kernel and stride must be 1 or more, padding at most half the kernel: {shape:?}"
    );
    assert!(
        batch * channels > 0 && shape.out_size().iter().all(|&side| side > 0),
        "an empty batch, or a kernel larger than the padded input: {shape:?}"
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
        "the input has {inputs} features, the weight {expected}"
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

/// The sums of the rows of `x` `[rows, columns]`: `[rows, 1]`. Computed as a product with ones, whose order of summation does
/// not depend on the vector width of the processor.
///
/// # Panics
/// When `x` is empty.
pub fn row_sums(x: Tensor<2>) -> Tensor<2> {
    let ones = x.clone().detach().narrow(0, 0, 1).ones_like();
    linear(x, ones, None)
}

/// The mean over the pixels of each image: `x` `[batch, height, width, channels]` to `[batch, channels]`.
///
/// # Panics
/// When `x` is empty.
pub fn mean_of_pixels(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    let pixels = height * width;
    assert!(
        batch * pixels * channels > 0,
        "an empty batch: {:?}",
        x.dims()
    );
    if is_gpu(&x.device().inner()) && x.dtype() == DType::F32 {
        let mean = Dispatch::head_mean_of_pixels(x.into_dispatch(), [height, width]);
        return Tensor::from_dispatch(mean);
    }
    let columns = x.reshape([batch, pixels, channels]).swap_dims(1, 2);
    let sums = row_sums(columns.reshape([batch * channels, pixels]));
    sums.reshape([batch, channels]) / pixels as f64
}

/// `x - ln(sum of exp(x))` over each row of `x` `[rows, columns]`.
///
/// On a CPU exponentials and the logarithm are taken in f64: mathematical libraries differ in the last bit of a result, which
/// in f32 would be the only difference between a step in a browser and the same step natively.
pub fn log_softmax(x: Tensor<2>) -> Tensor<2> {
    let dtype = x.dtype();
    if is_gpu(&x.device().inner()) {
        return match dtype {
            DType::F32 => Tensor::from_dispatch(Dispatch::head_log_softmax(x.into_dispatch())),
            _ => burn::tensor::activation::log_softmax(x, 1),
        };
    }
    let logs = burn::tensor::activation::log_softmax(x.cast(DType::F64), 1);
    logs.cast(dtype)
}
