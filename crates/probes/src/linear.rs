//! Linear probe: multinomial logistic regression on frozen features.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

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
    let (fit, held) = (rows(false), rows(true));
    let mut best = (f64::MIN, PENALTIES[0]);
    if fit.rows() > 0 {
        let choice = Fit::prepare(&fit, classes);
        for penalty in PENALTIES {
            let accuracy = choice.accuracy(choice.weights(penalty), &held);
            if accuracy > best.0 {
                best = (accuracy, penalty);
            }
        }
    }
    let whole = Fit::prepare(train, classes);
    Ok(whole.accuracy(whole.weights(best.1), test))
}

/// Standardised training features with a column of ones, and the bound on the curvature that sets the step size.
struct Fit {
    mean: Tensor<2>,
    scale: Tensor<2>,
    x: Tensor<2>,
    targets: Tensor<2>,
    curvature: f64,
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
        // Half of the largest eigenvalue of X^T X / n bounds the curvature of the softmax loss.
        let curvature = 0.5 * largest_eigenvalue(&x);
        Self {
            mean,
            scale,
            x,
            targets: Tensor::from_data(targets, &Device::flex()),
            curvature,
        }
    }

    fn weights(&self, penalty: f64) -> Tensor<2> {
        let [rows, columns] = self.x.dims();
        let classes = self.targets.dims()[1];
        let rate = 1.0 / (1.05 * self.curvature + penalty);
        let ratio = (penalty * rate).sqrt();
        let momentum = (1.0 - ratio) / (1.0 + ratio);
        let mut weights = Tensor::<2>::zeros([columns, classes], &Device::flex());
        let mut ahead = weights.clone();
        for _ in 0..STEPS {
            let error = softmax(self.x.clone().matmul(ahead.clone()), 1) - self.targets.clone();
            let gradient = self.x.clone().transpose().matmul(error) / rows as f64;
            let next = ahead.clone() * (1.0 - rate * penalty) - gradient * rate;
            ahead = next.clone() + (next.clone() - weights) * momentum;
            weights = next;
        }
        weights
    }

    fn accuracy(&self, weights: Tensor<2>, test: &Features) -> f64 {
        if test.rows() == 0 {
            return 0.0;
        }
        let x = standardise(test.tensor(), &self.mean, &self.scale);
        let chosen: Tensor<2, Int> = x.matmul(weights).argmax(1);
        let labels: Vec<i64> = test.labels.iter().map(|&label| i64::from(label)).collect();
        let chosen = chosen.into_data().iter::<i64>().collect::<Vec<_>>();
        let correct = chosen.iter().zip(&labels).filter(|(a, b)| a == b).count();
        100.0 * correct as f64 / labels.len() as f64
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

    #[test]
    fn empty_sets_are_an_error() {
        let empty = Features::new(vec![], vec![], 2).unwrap();
        assert!(matches!(
            linear_accuracy(&halves(4, 0), &empty),
            Err(ProbeError::Empty)
        ));
    }
}
