//! Resampling and the losses of pixels in f64.

use burn_flex::FlexTensor;

use super::{Host, tensor};
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::sampling::Sampling;

/// Calls `each` with the pixels of output and input and the weight of every pair of taps.
fn taps(sampling: &Sampling, mut each: impl FnMut(usize, usize, f64)) {
    let ([rows, columns], [height, width]) = (sampling.output, sampling.size);
    for (region, &image) in sampling.images.iter().enumerate() {
        let list = sampling.list(region);
        let at = |axis: usize, place: usize| {
            let taps = &sampling.taps[axis];
            let of = move |tap| (taps.index[tap] as usize, f64::from(taps.weight[tap]));
            taps.of(list, place).map(of)
        };
        for row in 0..rows {
            for column in 0..columns {
                let output = (region * rows + row) * columns + column;
                for (y, down) in at(0, row) {
                    for (x, across) in at(1, column) {
                        let input = (image as usize * height + y) * width + x;
                        each(output, input, down * across);
                    }
                }
            }
        }
    }
}

pub fn sample(x: FlexTensor, sampling: &Sampling) -> FlexTensor {
    let ([rows, columns], [height, width]) = (sampling.output, sampling.size);
    let x = Host::new(x);
    let channels = x.values().len() / (sampling.batch * height * width);
    let mut output = vec![0.0; sampling.regions() * rows * columns * channels];
    taps(sampling, |to, from, weight| {
        for channel in 0..channels {
            output[to * channels + channel] += weight * x.values()[from * channels + channel];
        }
    });
    tensor(output, [sampling.regions(), rows, columns, channels])
}

pub fn sample_grad(grad: FlexTensor, sampling: &Sampling) -> FlexTensor {
    let ([rows, columns], [height, width]) = (sampling.output, sampling.size);
    let grad = Host::new(grad);
    let channels = grad.values().len() / (sampling.regions() * rows * columns);
    let mut input = vec![0.0; sampling.batch * height * width * channels];
    taps(sampling, |from, to, weight| {
        for channel in 0..channels {
            input[to * channels + channel] += weight * grad.values()[from * channels + channel];
        }
    });
    tensor(input, [sampling.batch, height, width, channels])
}

/// The four logits around a label, as pixels, and their weights.
fn around(shape: &LogitShape, label: usize) -> [(usize, f64); 4] {
    let ([height, width], [full_height, full_width]) = (shape.size, shape.full_size());
    let (x, y) = (label % full_width, label / full_width % full_height);
    let image = label / full_width / full_height;
    let ((top, bottom, down), (left, right, across)) = (shape.between(0, y), shape.between(1, x));
    let (down, across) = (f64::from(down), f64::from(across));
    let pixel = |y: usize, x: usize| (image * height + y) * width + x;
    [
        (pixel(top, left), (1.0 - down) * (1.0 - across)),
        (pixel(top, right), (1.0 - down) * across),
        (pixel(bottom, left), down * (1.0 - across)),
        (pixel(bottom, right), down * across),
    ]
}

/// The interpolated logits of a label.
fn interpolated(logits: &[f64], shape: &LogitShape, label: usize) -> Vec<f64> {
    let around = around(shape, label);
    let value = |class: usize| {
        let term = |&(pixel, weight): &(usize, f64)| logits[pixel * shape.classes + class] * weight;
        around.iter().map(term).sum()
    };
    (0..shape.classes).map(value).collect()
}

pub fn pixel_losses(
    logits: FlexTensor,
    labels: &PixelLabels,
    shape: LogitShape,
) -> [FlexTensor; 2] {
    let logits = Host::new(logits);
    let (mut losses, mut logarithms) = (Vec::new(), Vec::new());
    for (place, &label) in labels.values.iter().enumerate() {
        let values = interpolated(logits.values(), &shape, place);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = values.iter().map(|value| (value - most).exp()).sum();
        let logarithm = most + sum.ln();
        logarithms.push(logarithm);
        losses.push(match label == labels.ignore {
            true => 0.0,
            false => logarithm - values[usize::from(label)],
        });
    }
    let pixels = shape.pixels();
    [tensor(losses, [pixels]), tensor(logarithms, [pixels])]
}

pub fn pixel_losses_grad(
    logits: FlexTensor,
    logarithms: FlexTensor,
    grad: FlexTensor,
    labels: &PixelLabels,
    shape: LogitShape,
) -> FlexTensor {
    let [logits, logarithms, grad] = [logits, logarithms, grad].map(Host::new);
    let mut input = vec![0.0; logits.values().len()];
    for (place, &label) in labels.values.iter().enumerate() {
        if label == labels.ignore {
            continue;
        }
        let values = interpolated(logits.values(), &shape, place);
        for (class, value) in values.into_iter().enumerate() {
            let target = f64::from(u8::from(class == usize::from(label)));
            let probability = (value - logarithms.values()[place]).exp();
            let change = grad.values()[place] * (probability - target);
            for (pixel, weight) in around(&shape, place) {
                input[pixel * shape.classes + class] += weight * change;
            }
        }
    }
    let [height, width] = shape.size;
    tensor(input, [shape.batch, height, width, shape.classes])
}
