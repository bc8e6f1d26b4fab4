//! Cross-entropies of interpolated logits on a GPU: an invocation computes the loss of a label, and in the gradient that of a
//! logit, which gathers from the labels around it. The logits at the labels' size are never stored.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::linear_launch;
use super::tensors::{self, empty};
use crate::pixel_labels::{LogitShape, PixelLabels};

#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Grid {
    size_y: u32,
    size_x: u32,
    classes: u32,
    stride: u32,
    /// Logits between neighbouring labels.
    step: f32,
    ignore: u32,
    /// Values that the launch writes.
    len: u32,
}

/// Where a label lies between the logits along an axis.
#[derive(CubeType)]
struct Between {
    low: u32,
    high: u32,
    /// Of the logit after it.
    weight: f32,
}

#[cube]
fn between(place: u32, size: u32, step: f32) -> Between {
    let at = f32::max((f32::cast_from(place) + 0.5f32) * step - 0.5f32, 0.0f32);
    let low = u32::min(u32::cast_from(at), size - 1);
    let inside = low + 1 < size;
    let weight = f32::max(at - f32::cast_from(low), 0.0f32);
    Between {
        low,
        high: select(inside, low + 1, low),
        weight: select(inside, f32::min(weight, 1.0f32), 0.0f32),
    }
}

/// Labels are stored by four in a word.
#[cube]
fn label_at(labels: &[u32], at: u32) -> u32 {
    (labels[(at / 4) as usize] >> (at % 4 * 8)) & 255u32
}

/// A class of the image whose first pixel is `image`, at a place between four pixels.
#[cube]
fn logit_at(logits: &[f32], image: u32, y: &Between, x: &Between, class: u32, p: &Grid) -> f32 {
    let above = (image + y.low * p.size_x) * p.classes + class;
    let below = (image + y.high * p.size_x) * p.classes + class;
    let left = x.low * p.classes;
    let right = x.high * p.classes;
    let before = logits[(above + left) as usize] * (1.0f32 - y.weight)
        + logits[(below + left) as usize] * y.weight;
    let after = logits[(above + right) as usize] * (1.0f32 - y.weight)
        + logits[(below + right) as usize] * y.weight;
    before * (1.0f32 - x.weight) + after * x.weight
}

#[cube(launch_unchecked)]
fn losses_of_labels(
    logits: &[f32],
    labels: &[u32],
    losses: &mut [f32],
    logarithms: &mut [f32],
    p: &Grid,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let width = p.size_x * p.stride;
    let height = p.size_y * p.stride;
    let line = at / width;
    let image = line / height;
    let y = between(line - image * height, p.size_y, p.step);
    let x = between(at - line * width, p.size_x, p.step);
    let image = image * p.size_y * p.size_x;
    let mut most = logit_at(logits, image, &y, &x, 0u32, p);
    for class in 1..p.classes {
        most = f32::max(most, logit_at(logits, image, &y, &x, class, p));
    }
    let mut sum = 0.0f32;
    for class in 0..p.classes {
        sum += (logit_at(logits, image, &y, &x, class, p) - most).exp();
    }
    let logarithm = most + sum.ln();
    logarithms[at as usize] = logarithm;
    let label = label_at(labels, at);
    let known = label != p.ignore;
    let own = logit_at(logits, image, &y, &x, select(known, label, 0u32), p);
    losses[at as usize] = select(known, logarithm - own, 0.0f32);
}

/// What a logit at a place contributes to a label.
#[cube]
fn share_of(place: u32, label: &Between) -> f32 {
    let low = select(label.low == place, 1.0f32 - label.weight, 0.0f32);
    low + select(label.high == place, label.weight, 0.0f32)
}

/// The first label along an axis that may lie less than a logit away.
#[cube]
fn first_around(place: u32, stride: u32) -> u32 {
    let reach = stride / 2 + 1;
    u32::max(place * stride, reach) - reach
}

/// One past the last one.
#[cube]
fn end_around(place: u32, stride: u32, size: u32) -> u32 {
    u32::min((place + 1) * stride + stride / 2 + 1, size * stride)
}

#[cube(launch_unchecked)]
fn gradients_of_logits(
    logits: &[f32],
    labels: &[u32],
    logarithms: &[f32],
    grad: &[f32],
    input: &mut [f32],
    p: &Grid,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let pixel = at / p.classes;
    let class = at - pixel * p.classes;
    let line = pixel / p.size_x;
    let own_x = pixel - line * p.size_x;
    let image = line / p.size_y;
    let own_y = line - image * p.size_y;
    let first = image * p.size_y * p.size_x;
    let width = p.size_x * p.stride;
    let height = p.size_y * p.stride;
    let mut sum = 0.0f32;
    for row in first_around(own_y, p.stride)..end_around(own_y, p.stride, p.size_y) {
        let y = between(row, p.size_y, p.step);
        let down = share_of(own_y, &y);
        for column in first_around(own_x, p.stride)..end_around(own_x, p.stride, p.size_x) {
            let from = (image * height + row) * width + column;
            let change = grad[from as usize];
            let label = label_at(labels, from);
            // Most labels are not among the hardest.
            if change != 0.0f32 && label != p.ignore {
                let x = between(column, p.size_x, p.step);
                let value = logit_at(logits, first, &y, &x, class, p);
                let probability = (value - logarithms[from as usize]).exp();
                let target = select(label == class, 1.0f32, 0.0f32);
                sum += (probability - target) * change * (down * share_of(own_x, &x));
            }
        }
    }
    input[at as usize] = sum;
}

fn grid(shape: &LogitShape, labels: &PixelLabels, len: usize) -> GridLaunch {
    GridLaunch::new(
        shape.size[0] as u32,
        shape.size[1] as u32,
        shape.classes as u32,
        shape.stride as u32,
        1.0 / shape.stride as f32,
        u32::from(labels.ignore),
        len as u32,
    )
}

/// Four labels a word.
fn upload(labels: &PixelLabels, like: &CubeTensor) -> CubeTensor {
    let word = |four: &[u8]| {
        let bytes = std::array::from_fn(|at| four.get(at).copied().unwrap_or(0));
        u32::from_le_bytes(bytes)
    };
    tensors::words(labels.values.chunks(4).map(word).collect(), like)
}

/// See [`crate::ops::Kernels::pixel_losses`].
pub(crate) fn pixel_losses(
    logits: CubeTensor,
    labels: &PixelLabels,
    shape: &LogitShape,
) -> [CubeTensor; 2] {
    let logits = into_contiguous(logits);
    let pixels = shape.pixels();
    let [losses, logarithms] = [(); 2].map(|()| empty(&logits, vec![pixels]));
    let words = upload(labels, &logits);
    let client = logits.client.clone();
    let (workgroups, size) = linear_launch(pixels);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: stores stay behind `at < len`; loads are clamped to the logits, and every label is one of their classes.
    unsafe {
        losses_of_labels::launch_unchecked(
            &client,
            workgroups,
            size,
            logits.into_buffer_arg(),
            words.into_buffer_arg(),
            losses.clone().into_buffer_arg(),
            logarithms.clone().into_buffer_arg(),
            grid(shape, labels, pixels),
        );
    }
    [losses, logarithms]
}

/// See [`crate::ops::Kernels::pixel_losses_grad`].
pub(crate) fn pixel_losses_grad(
    logits: CubeTensor,
    logarithms: CubeTensor,
    grad: CubeTensor,
    labels: &PixelLabels,
    shape: &LogitShape,
) -> CubeTensor {
    let [logits, logarithms, grad] = [logits, logarithms, grad].map(into_contiguous);
    let [height, width] = shape.size;
    let input = empty(&logits, vec![shape.batch, height, width, shape.classes]);
    let len = shape.batch * height * width * shape.classes;
    let words = upload(labels, &logits);
    let client = logits.client.clone();
    let (workgroups, size) = linear_launch(len);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: stores stay behind `at < len`; loads are clamped to the logits or end with the labels.
    unsafe {
        gradients_of_logits::launch_unchecked(
            &client,
            workgroups,
            size,
            logits.into_buffer_arg(),
            words.into_buffer_arg(),
            logarithms.into_buffer_arg(),
            grad.into_buffer_arg(),
            input.clone().into_buffer_arg(),
            grid(shape, labels, len),
        );
    }
    input
}
