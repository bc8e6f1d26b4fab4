//! Linear probe: multinomial logistic regression on frozen features.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::linear;

use crate::evaluator::Evaluator;
use crate::features::{Features, ProbeError, check};
use crate::metric::{Format, Metric, Metrics};

/// Top-1 accuracy of [`Linear`].
pub const LINEAR: Metric = Metric {
    key: "linear",
    tag: "probe/linear",
    label: "linear",
    format: Format::Percent(1),
    single: false,
    rank: Some(21),
};

/// Steps of Nesterov's accelerated gradient descent; the objective is smooth and strongly convex.
const STEPS: usize = 100;
/// L2 penalties to choose from.
const PENALTIES: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];
/// One of so many training examples is held out to choose the penalty.
const HOLD_OUT: usize = 5;

/// Multinomial logistic regression on standardised features, full batch, from zero weights. The L2 penalty is the one of
/// 1e-3, 1e-2, 1e-1 and 1 that does best on a held-out fifth of the training examples, so that wide and narrow features
/// are compared fairly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linear;

impl Evaluator for Linear {
    fn evaluate(&self, train: &Features, test: &Features) -> Result<Metrics, ProbeError> {
        Ok(Metrics::new().with(&LINEAR, linear_accuracy(train, test)?))
    }
}

/// Top-1 accuracy of [`Linear`] on `test`, in percent.
///
/// # Errors
/// When one set is empty or the widths differ.
pub fn linear_accuracy(train: &Features, test: &Features) -> Result<f64, ProbeError> {
    check(train, test)?;
    let classes = train.classes().max(test.classes());
    let rows = |held: bool| {
        let rows = (0..train.rows()).filter(move |row| (row % HOLD_OUT == 0) == held);
        train.select(rows)
    };
    let mut best = (f64::MIN, PENALTIES[0]);
    let fit = rows(false);
    if fit.rows() > 0 {
        let prepared = Fit::prepare(&fit, classes);
        // Raw pixels are large, and so is each copy of them.
        drop(fit);
        let accuracies = prepared.accuracies(&PENALTIES, &rows(true));
        for (accuracy, penalty) in accuracies.into_iter().zip(PENALTIES) {
            if accuracy > best.0 {
                best = (accuracy, penalty);
            }
        }
    }
    let accuracies = Fit::prepare(train, classes).accuracies(&[best.1], test);
    Ok(accuracies.first().copied().unwrap_or_default())
}

/// Standardised training features with a column of ones, and what gradient descent needs of them.
struct Fit {
    mean: Tensor<2>,
    scale: Tensor<2>,
    x: Tensor<2>,
    /// X X^T, where the features are more than the examples. Descent from zero never leaves the span of the examples, so that
    /// it can be done on the factors A of the weights X^T A, with fewer operations.
    inner: Option<Tensor<2>>,
    targets: Tensor<2>,
}

impl Fit {
    fn prepare(train: &Features, classes: usize) -> Self {
        let raw = train.tensor();
        let mean = raw.clone().mean_dim(0);
        let std = (raw.clone() - mean.clone()).square().mean_dim(0).sqrt();
        let scale = std.clamp_min(1e-8).recip();
        let x = standardise(raw, &mean, &scale);
        let mut targets = vec![0.0f32; train.rows() * classes];
        for (row, &label) in train.labels.iter().enumerate() {
            targets[row * classes + label as usize] = 1.0;
        }
        let targets = TensorData::new(targets, [train.rows(), classes]);
        let [rows, columns] = x.dims();
        Self {
            mean,
            scale,
            inner: (rows < columns).then(|| linear(x.clone(), x.clone(), None)),
            x,
            targets: Tensor::from_data(targets, &Device::flex()),
        }
    }

    /// X W, of weights or of their factors.
    fn logits(&self, weights: Tensor<2>) -> Tensor<2> {
        let matrix = self.inner.as_ref().unwrap_or(&self.x);
        matrix.clone().matmul(weights)
    }

    /// X^T E, as weights or as their factors.
    fn gradient(&self, error: Tensor<2>) -> Tensor<2> {
        match self.inner {
            Some(_) => error,
            None => self.x.clone().transpose().matmul(error),
        }
    }

    /// Weights for every penalty, side by side: `[columns, penalties * classes]`.
    fn weights(&self, penalties: &[f64]) -> Tensor<2> {
        let [rows, classes] = self.targets.dims();
        let wide = [rows, penalties.len() * classes];
        // Half of the largest eigenvalue of X^T X / n bounds the curvature of the softmax loss.
        let curvature = 0.5 * largest_eigenvalue(&self.x);
        let rate = |penalty: f64| 1.0 / (1.05 * curvature + penalty);
        // One value for each class of each penalty.
        let spread = |value: &dyn Fn(f64) -> f64| {
            let values = penalties.iter().map(|&penalty| value(penalty) as f32);
            let values = values.flat_map(|value| std::iter::repeat_n(value, classes));
            let data = TensorData::new(values.collect::<Vec<_>>(), [1, wide[1]]);
            Tensor::<2>::from_data(data, &Device::flex())
        };
        let rates = spread(&|penalty| rate(penalty) / rows as f64);
        let kept = spread(&|penalty| 1.0 - rate(penalty) * penalty);
        let momentum = spread(&|penalty| {
            let ratio = (penalty * rate(penalty)).sqrt();
            (1.0 - ratio) / (1.0 + ratio)
        });
        let targets = self.targets.clone().repeat_dim(1, penalties.len());
        let inputs = self.inner.as_ref().unwrap_or(&self.x).dims()[1];
        let mut weights = Tensor::<2>::zeros([inputs, wide[1]], &Device::flex());
        let mut ahead = weights.clone();
        for _ in 0..STEPS {
            let logits = self.logits(ahead.clone());
            let chances = softmax(logits.reshape([rows * penalties.len(), classes]), 1);
            let gradient = self.gradient(chances.reshape(wide) - targets.clone());
            let next = ahead * kept.clone() - gradient * rates.clone();
            ahead = next.clone() + (next.clone() - weights) * momentum.clone();
            weights = next;
        }
        match self.inner {
            Some(_) => self.x.clone().transpose().matmul(weights),
            None => weights,
        }
    }

    /// Accuracy on `test` with each penalty, in percent.
    fn accuracies(&self, penalties: &[f64], test: &Features) -> Vec<f64> {
        if test.rows() == 0 {
            return vec![0.0; penalties.len()];
        }
        let classes = self.targets.dims()[1];
        let x = standardise(test.tensor(), &self.mean, &self.scale);
        let logits = x.matmul(self.weights(penalties));
        let logits = logits.reshape([test.rows() * penalties.len(), classes]);
        let chosen = logits.argmax(1).into_data();
        let mut correct = vec![0usize; penalties.len()];
        for (at, chosen) in chosen.iter::<i64>().enumerate() {
            let (row, penalty) = (at / penalties.len(), at % penalties.len());
            correct[penalty] += usize::from(chosen == i64::from(test.labels[row]));
        }
        let percent = |correct| 100.0 * correct as f64 / test.rows() as f64;
        correct.into_iter().map(percent).collect()
    }
}

fn standardise(raw: Tensor<2>, mean: &Tensor<2>, scale: &Tensor<2>) -> Tensor<2> {
    let rows = raw.dims()[0];
    let x = (raw - mean.clone()) * scale.clone();
    Tensor::cat(vec![x, Tensor::ones([rows, 1], &Device::flex())], 1)
}

/// Of X^T X / n, by power iteration.
fn largest_eigenvalue(x: &Tensor<2>) -> f64 {
    let [rows, columns] = x.dims();
    let mut direction = Tensor::<2>::ones([columns, 1], &Device::flex());
    let mut value = 1.0;
    for _ in 0..20 {
        let next = x.clone().transpose().matmul(x.clone().matmul(direction)) / rows as f64;
        value = f64::from(next.clone().square().sum().sqrt().into_scalar::<f32>()).max(1e-12);
        direction = next / value;
    }
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two classes that a line parts, on columns of very different scale.
    fn halves(rows: usize, shift: usize) -> Features {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let t = ((row * 37 + shift) % 101) as f32 / 101.0 - 0.5;
            let noise = ((row * 53 + shift) % 89) as f32 / 89.0;
            values.extend([1000.0 * t, 0.001 * noise]);
            labels.push(u32::from(t > 0.0));
        }
        Features::new(values, labels, 2).unwrap()
    }

    #[test]
    fn a_line_is_found() {
        let accuracy = linear_accuracy(&halves(400, 0), &halves(200, 13)).unwrap();
        assert!(accuracy > 97.0, "{accuracy}");
    }

    /// More features than examples: descent on the factors gives the weights of descent on the weights, but for the rounding of
    /// 100 steps.
    #[test]
    fn both_ways_of_descent_agree() {
        let (rows, columns) = (12, 40);
        let values = (0..rows * columns).map(|at| ((at * 7919) % 101) as f32 / 101.0);
        let labels = (0..rows as u32).map(|row| row % 3).collect();
        let train = Features::new(values.collect(), labels, columns).unwrap();
        let short = Fit::prepare(&train, 3);
        assert!(short.inner.is_some());
        let long = Fit {
            inner: None,
            ..Fit::prepare(&train, 3)
        };
        let (short, long) = (short.weights(&PENALTIES), long.weights(&PENALTIES));
        assert_eq!(short.dims(), [columns + 1, 3 * PENALTIES.len()]);
        let scale = long.clone().abs().max().into_scalar::<f32>();
        let apart = (short - long).abs().max().into_scalar::<f32>();
        assert!(scale > 1.0 && apart < 1e-4 * scale, "{apart} of {scale}");
    }

    #[test]
    fn empty_sets_are_an_error() {
        let empty = Features::new(vec![], vec![], 2).unwrap();
        assert!(matches!(
            linear_accuracy(&halves(4, 0), &empty),
            Err(ProbeError::Empty)
        ));
    }
}
