//! Operations that resample feature maps, as networks call them: on Burn's tensors, on any device, with or without a graph.
//!
//! Like Burn's own operations, these panic when shapes do not match.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};

use crate::layers::conv2d;
use crate::ops::SpatialOps;
use crate::options::ConvOptions;
use crate::sampling::{Roi, RoiAlign, Sampling};

/// Applies a map to `x` `[batch, height, width, channels]`: `[regions, height', width', channels]`.
fn resample(x: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    assert!(
        matches!(x.dtype(), DType::F32 | DType::F64),
        "f32 is supported, and f64 on the CPU, not {:?}",
        x.dtype()
    );
    let [.., channels] = x.dims();
    assert!(
        sampling.regions() * channels > 0 && sampling.output.iter().all(|&side| side > 0),
        "nothing to resample: {:?} to {} regions of {:?}",
        x.dims(),
        sampling.regions(),
        sampling.output
    );
    let output = Dispatch::spatial_sample(x.into_dispatch(), Arc::new(sampling));
    Tensor::from_dispatch(output)
}

/// The features of regions: `x` `[batch, height, width, channels]` to `[rois, output, output, channels]` (RoIAlign,
/// methods.md 7.3). A bin is the mean of its samples, which are interpolated bilinearly; a sample more than one pixel outside
/// of the map is 0. The gradient is a sum for every pixel of `x` in the order of `rois`.
///
/// Of a pyramid, call it for each level and concatenate.
///
/// # Panics
/// Without RoIs, because devices have no empty tensors; when an RoI's image is not in the batch or its corners are not finite;
/// on an empty `x`.
pub fn roi_align(x: Tensor<4>, rois: &[Roi], options: RoiAlign) -> Tensor<4> {
    let [batch, height, width, _] = x.dims();
    assert!(!rois.is_empty(), "RoIAlign of no RoIs");
    let sampling = Sampling::of_rois(batch, [height, width], rois, options);
    resample(x, sampling)
}

/// `x` `[batch, height, width, channels]` with every pixel four times: `[batch, 2 height, 2 width, channels]`.
///
/// # Panics
/// When `x` is empty.
pub fn upsample_nearest2x(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, _] = x.dims();
    resample(x, Sampling::twice(batch, [height, width]))
}

/// Bilinear interpolation of `x` `[batch, height, width, channels]` to `size` (height, width), with pixel centres at
/// half-integers: PyTorch's `interpolate(mode="bilinear", align_corners=False)`.
///
/// # Panics
/// When `x` or `size` is empty.
pub fn resize_bilinear(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let step = |from: usize, to: usize| from as f32 / to as f32;
    let steps = [step(height, size[0]), step(width, size[1])];
    bilinear(x, size, steps)
}

/// As [`resize_bilinear`], to `scale` times the size, rounded down. Where that rounds, output pixels still are `1 / scale`
/// input pixels apart, as in PyTorch with a `scale_factor`.
///
/// # Panics
/// When `x` or the result is empty.
pub fn scale_bilinear(x: Tensor<4>, scale: f64) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let size = [height, width].map(|side| (side as f64 * scale) as usize);
    bilinear(x, size, [(1.0 / scale) as f32; 2])
}

fn bilinear(x: Tensor<4>, size: [usize; 2], steps: [f32; 2]) -> Tensor<4> {
    let [batch, height, width, _] = x.dims();
    resample(x, Sampling::bilinear(batch, [height, width], size, steps))
}

/// Means over windows of `kernel` (height, width) with stride 1 and without padding: `x` `[batch, height, width, channels]` to
/// `[batch, height - kernel height + 1, width - kernel width + 1, channels]`.
///
/// # Panics
/// When `x` is empty, or the window is empty or larger than `x`.
pub fn average_pool2d(x: Tensor<4>, kernel: [usize; 2]) -> Tensor<4> {
    let [batch, height, width, _] = x.dims();
    assert!(
        (1..=height).contains(&kernel[0]) && (1..=width).contains(&kernel[1]),
        "a window of {kernel:?} does not fit into {height} x {width}"
    );
    // One axis after the other: a window of 32 x 64 takes 96 terms, not 2048.
    let x = resample(x, Sampling::means(batch, [height, width], 0, kernel[0]));
    let height = height + 1 - kernel[0];
    resample(x, Sampling::means(batch, [height, width], 1, kernel[1]))
}

/// Transposed convolution of `x` `[batch, height, width, in]` with `weight` `[in, out, 2, 2]` and stride 2, plus `bias`
/// `[out]`: `[batch, 2 height, 2 width, out]`. PyTorch's `conv_transpose2d`. The windows do not overlap: it is a linear map of
/// every pixel to four, pixel (2 y + a, 2 x + b) by `weight[:, :, a, b]`.
///
/// # Panics
/// When the channels differ or a dimension is 0.
pub fn deconv2x2(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let ([batch, height, width, _], [inputs, outputs, kh, kw]) = (x.dims(), weight.dims());
    assert!(
        [kh, kw] == [2, 2],
        "the weight has a kernel of {kh} x {kw}, not 2 x 2"
    );
    let weight = weight
        .permute([2, 3, 1, 0])
        .reshape([4 * outputs, inputs, 1, 1]);
    let y = conv2d(x, weight, None, ConvOptions::default());
    // From (y, x, a, b) to (y, a, x, b).
    let y = y
        .reshape([batch * height, width, 2, 2 * outputs])
        .swap_dims(1, 2);
    let y = y.reshape([batch, 2 * height, 2 * width, outputs]);
    match bias {
        Some(bias) => y + bias.reshape([1, 1, 1, outputs]),
        None => y,
    }
}
