//! The loss of a segmentation over its hardest pixels.

use std::sync::Arc;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Tensor, TensorData};

use crate::ops::SpatialOps;
use crate::pixel_labels::{LogitShape, PixelLabels};

/// The mean cross-entropy of the hardest `share` of the pixels (methods.md 7.9): the logits `[batch, height, width, classes]`
/// are interpolated to `stride` times their size, as [`crate::scale_bilinear`] does; a pixel to be ignored has a loss of 0 but
/// counts; of all pixels of the batch `share` times their number, rounded down, are taken. Gives `[1]`.
///
/// Pixels whose losses equal that of the last one taken share its place: which of them are taken does not matter for the loss,
/// and each gets the same part of the gradient.
///
/// # Panics
/// When the labels do not have `stride` times the logits' size, one is neither a class nor to be ignored, or no pixel is taken.
pub fn hard_pixels(logits: Tensor<4>, labels: PixelLabels, stride: usize, share: f64) -> Tensor<1> {
    let [batch, height, width, classes] = logits.dims();
    let shape = LogitShape {
        batch,
        size: [height, width],
        classes,
        stride,
    };
    let pixels = shape.pixels();
    let count = (share * pixels as f64) as usize;
    assert!(
        labels.batch == batch && labels.size == shape.full_size() && labels.values.len() == pixels,
        "labels of {} images of {:?} for logits that become {batch} of {:?}",
        labels.batch,
        labels.size,
        shape.full_size()
    );
    assert!(
        classes > 0 && (1..=pixels).contains(&count),
        "the hardest {share} of {pixels} pixels are none, or more than there are"
    );
    let is_wrong = |&&label: &&u8| label != labels.ignore && usize::from(label) >= classes;
    let wrong = labels.values.iter().find(is_wrong);
    assert!(
        wrong.is_none(),
        "label {} is neither one of {classes} classes nor {}, which is ignored",
        wrong.copied().unwrap_or_default(),
        labels.ignore
    );
    assert!(
        matches!(logits.dtype(), DType::F32 | DType::F64),
        "f32 is supported, and f64 on the CPU, not {:?}",
        logits.dtype()
    );
    let losses = Dispatch::spatial_pixel_losses(logits.into_dispatch(), Arc::new(labels), shape);
    let losses = Tensor::<1>::from_dispatch(losses);
    let known = losses.clone().detach();
    let weights = match known.device().inner().as_dispatch() {
        DispatchDevice::Flex(_) => weights_by_selection(known, count),
        _ => weights_by_bisection(known, count),
    };
    (losses * weights).sum() / count as f64
}

/// 1 for the `count` largest of `losses`; those equal to the least of them share what is left.
fn weights_by_selection(losses: Tensor<1>, count: usize) -> Tensor<1> {
    let (device, dtype, pixels) = (losses.device(), losses.dtype(), losses.dims()[0]);
    let losses: Vec<f64> = losses.into_data().iter().collect();
    let mut ordered = losses.clone();
    let (_, &mut least, _) = ordered.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    let above = losses.iter().filter(|&&loss| loss > least).count();
    let equal = losses.iter().filter(|&&loss| loss == least).count();
    let rest = (count - above) as f64 / equal.max(1) as f64;
    let weight = |loss: f64| match loss {
        _ if loss > least => 1.0,
        _ if loss == least => rest,
        _ => 0.0,
    };
    let weights: Vec<f64> = losses.into_iter().map(weight).collect();
    Tensor::from_data(TensorData::new(weights, [pixels]), (&device, dtype))
}

/// Halvings of the range of losses, after which nothing lies between its ends.
const HALVINGS: usize = 40;

/// As [`weights_by_selection`] without reading from the device: halves a range of losses until its ends are next to each
/// other. Its lower end is exceeded by `count` losses or more, its upper end by fewer.
fn weights_by_bisection(losses: Tensor<1>, count: usize) -> Tensor<1> {
    let pixels = losses.dims()[0];
    let exceeding = |end: &Tensor<1>| losses.clone().greater(end.clone().expand([pixels]));
    let mut high = losses.clone().max();
    let mut low = high.zeros_like() - 1.0;
    for _ in 0..HALVINGS {
        let middle = (low.clone() + high.clone()) * 0.5;
        let enough = exceeding(&middle)
            .int()
            .sum()
            .greater_equal_elem(count as i64);
        low = low.mask_where(enough.clone(), middle.clone());
        high = middle.mask_where(enough, high);
    }
    let (above, from) = (exceeding(&high), exceeding(&low));
    let [taken, candidates] = [&above, &from].map(|mask| mask.clone().int().sum().float());
    let rest = (taken.clone().neg() + count as f64) / (candidates - taken).clamp_min(1.0);
    let whole = above.float();
    let band = from.float() - whole.clone();
    whole + band * rest.expand([pixels])
}
