//! Cross-entropies of interpolated logits, a row of labels at a time: the logits at the labels' size are never stored.

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::exponential::{exp, ln};
use super::threads;
use crate::pixel_labels::{LogitShape, PixelLabels};

/// Labels that are computed together, a multiple of every vector's length.
const BLOCK: usize = 16;
/// Operations that a class of a label takes.
const WORK: usize = 30;

/// The losses of all labels, and the logarithms of their sums of exponentials.
pub fn pixel_losses(
    shape: &LogitShape,
    labels: &PixelLabels,
    logits: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let [height, width] = shape.full_size();
    let places = Places::new(shape);
    let mut losses = buffer(shape.pixels());
    let mut logarithms = buffer(shape.pixels());
    let rows = losses
        .chunks_mut(width)
        .zip(logarithms.chunks_mut(width))
        .zip(labels.values.chunks(width));
    let work = WORK * shape.classes * shape.pixels();
    threads::each(work, rows, |row, ((losses, logarithms), labels_of_row)| {
        let (image, y) = (row / height, row % height);
        Arch::new().dispatch(Forward {
            row: Row::new(shape, logits, image, y),
            places: &places,
            labels: labels_of_row,
            ignore: labels.ignore,
            losses,
            logarithms,
        });
    });
    (losses, logarithms)
}

/// The gradient of the logits of [`pixel_losses`], from the losses' gradient.
pub fn pixel_losses_backward(
    shape: &LogitShape,
    labels: &PixelLabels,
    logits: &[f32],
    logarithms: &[f32],
    grad: &[f32],
) -> Vec<f32> {
    let ([height, width], classes) = (shape.size, shape.classes);
    let [full_height, full_width] = shape.full_size();
    let places = Places::new(shape);
    let line = classes * width;
    // For each row of logits what the labels between it and the next one add to both.
    let mut parts = Scratch::zeros(shape.batch * height * 2 * line);
    let work = WORK * classes * shape.pixels();
    threads::each(work, parts.chunks_mut(2 * line), |place, parts| {
        let (image, low) = (place / height, place % height);
        let (above, below) = parts.split_at_mut(line);
        let rows = (0..full_height).filter(|&y| shape.between(0, y).0 == low);
        for y in rows {
            let begin = (image * full_height + y) * full_width;
            let range = begin..begin + full_width;
            let grad = &grad[range.clone()];
            if grad.iter().all(|&grad| grad == 0.0) {
                continue;
            }
            let row = Row::new(shape, logits, image, y);
            let weight = row.weight;
            let mut changes = Scratch::zeros(line);
            Arch::new().dispatch(Backward {
                row,
                places: &places,
                labels: &labels.values[range.clone()],
                ignore: labels.ignore,
                logarithms: &logarithms[range],
                grad,
                changes: &mut changes,
            });
            for ((above, below), change) in above.iter_mut().zip(&mut *below).zip(&*changes) {
                *above += (1.0 - weight) * change;
                *below += weight * change;
            }
        }
    });
    let mut input = buffer(shape.batch * height * line);
    let work = 4 * input.len();
    threads::each(work, input.chunks_mut(line), |place, input| {
        let y = place % height;
        let part = |place: usize, side: usize| &parts[(2 * place + side) * line..][..line];
        let own = part(place, 0);
        let from_above = (y > 0).then(|| part(place - 1, 1));
        // Past the last row lies the last row.
        let past_end = (y + 1 == height).then(|| part(place, 1));
        for (x, input) in input.chunks_exact_mut(classes).enumerate() {
            for (class, input) in input.iter_mut().enumerate() {
                let at = class * width + x;
                let of = |part: Option<&[f32]>| part.map_or(0.0, |part| part[at]);
                *input = own[at] + of(from_above) + of(past_end);
            }
        }
    });
    input
}

/// Where the labels of a row lie between the logits: the ones before and after, and the weight of the latter.
struct Places {
    low: Vec<u32>,
    high: Vec<u32>,
    weight: Vec<f32>,
}

impl Places {
    fn new(shape: &LogitShape) -> Self {
        let [_, width] = shape.full_size();
        let mut places = Self {
            low: Vec::with_capacity(width),
            high: Vec::with_capacity(width),
            weight: Vec::with_capacity(width),
        };
        for x in 0..width {
            let (low, high, weight) = shape.between(1, x);
            places.low.push(low as u32);
            places.high.push(high as u32);
            places.weight.push(weight);
        }
        places
    }
}

/// The logits at the height of a row of labels, `[classes, width]`.
struct Row {
    values: Scratch,
    width: usize,
    classes: usize,
    /// Of the row of logits after this one.
    weight: f32,
}

impl Row {
    fn new(shape: &LogitShape, logits: &[f32], image: usize, y: usize) -> Self {
        let ([height, width], classes) = (shape.size, shape.classes);
        let (low, high, weight) = shape.between(0, y);
        let line = |y: usize| &logits[(image * height + y) * width * classes..][..width * classes];
        let (above, below) = (line(low), line(high));
        let mut values = Scratch::new(width * classes);
        for (class, values) in values.chunks_exact_mut(width).enumerate() {
            for (x, value) in values.iter_mut().enumerate() {
                let at = x * classes + class;
                *value = above[at] * (1.0 - weight) + below[at] * weight;
            }
        }
        Self {
            values,
            width,
            classes,
            weight,
        }
    }

    /// A class at the places of a block of labels.
    #[inline(always)]
    fn class(&self, class: usize, places: &Places, begin: usize, count: usize) -> [f32; BLOCK] {
        let values = &self.values[class * self.width..][..self.width];
        let mut block = [0.0; BLOCK];
        let range = begin..begin + count;
        let (low, high) = (&places.low[range.clone()], &places.high[range.clone()]);
        let around = low.iter().zip(high).zip(&places.weight[range]);
        for (value, ((&low, &high), &weight)) in block.iter_mut().zip(around) {
            *value = values[low as usize] * (1.0 - weight) + values[high as usize] * weight;
        }
        block
    }
}

struct Forward<'a> {
    row: Row,
    places: &'a Places,
    labels: &'a [u8],
    ignore: u8,
    losses: &'a mut [f32],
    logarithms: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut values = vec![[0.0; BLOCK]; self.row.classes];
        for begin in (0..self.labels.len()).step_by(BLOCK) {
            let count = BLOCK.min(self.labels.len() - begin);
            let mut most = [f32::NEG_INFINITY; BLOCK];
            for (class, values) in values.iter_mut().enumerate() {
                *values = self.row.class(class, self.places, begin, count);
                for (most, &value) in most.iter_mut().zip(&*values) {
                    *most = if value > *most { value } else { *most };
                }
            }
            let mut sums = [0.0; BLOCK];
            for values in &values {
                for ((sum, &value), &most) in sums.iter_mut().zip(values).zip(&most) {
                    *sum += exp(value - most);
                }
            }
            for (sum, most) in sums.iter_mut().zip(most) {
                *sum = most + ln(*sum);
            }
            let range = begin..begin + count;
            self.logarithms[range.clone()].copy_from_slice(&sums[..count]);
            let labels = &self.labels[range.clone()];
            for (place, loss) in self.losses[range].iter_mut().enumerate() {
                let label = labels[place];
                *loss = match label == self.ignore {
                    true => 0.0,
                    false => sums[place] - values[usize::from(label)][place],
                };
            }
        }
    }
}

struct Backward<'a> {
    row: Row,
    places: &'a Places,
    labels: &'a [u8],
    ignore: u8,
    logarithms: &'a [f32],
    grad: &'a [f32],
    /// Gradients of the row's values.
    changes: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for begin in (0..self.labels.len()).step_by(BLOCK) {
            let count = BLOCK.min(self.labels.len() - begin);
            let range = begin..begin + count;
            let labels = &self.labels[range.clone()];
            let mut grad = [0.0; BLOCK];
            grad[..count].copy_from_slice(&self.grad[range.clone()]);
            for (grad, &label) in grad.iter_mut().zip(labels) {
                *grad = if label == self.ignore { 0.0 } else { *grad };
            }
            if grad.iter().all(|&grad| grad == 0.0) {
                continue;
            }
            let mut logarithms = [0.0; BLOCK];
            logarithms[..count].copy_from_slice(&self.logarithms[range]);
            for class in 0..self.row.classes {
                let mut changes = self.row.class(class, self.places, begin, count);
                for ((change, &logarithm), &grad) in changes.iter_mut().zip(&logarithms).zip(&grad)
                {
                    *change = exp(*change - logarithm) * grad;
                }
                for ((change, &label), &grad) in changes.iter_mut().zip(labels).zip(&grad) {
                    *change -= if usize::from(label) == class {
                        grad
                    } else {
                        0.0
                    };
                }
                let width = self.row.width;
                let sums = &mut self.changes[class * width..(class + 1) * width];
                for (place, &change) in changes[..count].iter().enumerate() {
                    let at = begin + place;
                    let weight = self.places.weight[at];
                    sums[self.places.low[at] as usize] += change * (1.0 - weight);
                    sums[self.places.high[at] as usize] += change * weight;
                }
            }
        }
    }
}
