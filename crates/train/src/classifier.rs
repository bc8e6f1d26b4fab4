//! The online classifier (methods.md 3.9): a linear layer trained on the features while they are learned.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use parallax_methods::one_hot;
use parallax_nets::Init;
use parallax_rng::Stream;

use crate::sgd::Sgd;

/// Momentum 0.9, no decay.
const RULE: Sgd = Sgd {
    momentum: 0.9,
    weight_decay: 0.0,
    nesterov: false,
};

/// A linear layer with its own SGD. Its features are detached: no gradient reaches the network.
#[derive(Clone, Debug)]
pub struct OnlineClassifier {
    /// `[classes, features]`
    pub weight: Tensor<2>,
    /// `[classes]`
    pub bias: Tensor<1>,
    /// Velocities of weight (flat) and bias, once there was a step.
    pub velocity: Option<[Tensor<1>; 2]>,
}

/// The classifier on a batch, before it learns from it.
pub struct OnlineEvaluation {
    /// Cross-entropy, `[1]`.
    pub loss: Tensor<1>,
    /// Top-1 accuracy, `[1]`, from 0 to 1.
    pub accuracy: Tensor<1>,
    gradients: [Tensor<1>; 2],
}

impl OnlineClassifier {
    /// With PyTorch's initialisation of linear layers.
    pub fn new(features: usize, classes: usize, seed: u64, device: &Device) -> Self {
        let mut init = Init::of_stream(seed, Stream::Probe, device);
        Self {
            weight: init.uniform_fan_in([classes, features], features),
            bias: init.uniform_fan_in([classes], features),
            velocity: None,
        }
    }

    /// Loss, accuracy and gradients on a batch. `features`: `[batch, features]`, `labels`: `[batch]`, both detached.
    pub fn evaluate(&self, features: Tensor<2>, labels: Tensor<1, Int>) -> OnlineEvaluation {
        let [classes, width] = self.weight.dims();
        let batch = features.dims()[0];
        let logits = features.clone().matmul(self.weight.clone().transpose())
            + self.bias.clone().reshape([1, classes]);
        let truth = one_hot(labels.clone(), classes);
        let logs = log_softmax(logits.clone(), 1);
        let loss = (logs.clone() * truth.clone()).sum_dim(1).mean().neg();
        let correct = logits.argmax(1).reshape([batch]).equal(labels);
        // The gradient of the mean cross-entropy with respect to the logits is (softmax - truth) / batch.
        let error = (logs.exp() - truth) / batch as f64;
        let weight_gradient = error.clone().transpose().matmul(features);
        let bias_gradient = error.sum_dim(0).reshape([classes]);
        OnlineEvaluation {
            loss,
            accuracy: correct.float().mean(),
            gradients: [weight_gradient.reshape([classes * width]), bias_gradient],
        }
    }

    /// One SGD step with the gradients of an evaluation.
    pub fn learn(&mut self, evaluation: OnlineEvaluation, rate: f64) {
        let shape = self.weight.dims();
        let [weight_gradient, bias_gradient] = evaluation.gradients;
        let [v_weight, v_bias] = match self.velocity.take() {
            Some(velocity) => velocity.map(Some),
            None => [None, None],
        };
        let weight = self.weight.clone().reshape([shape[0] * shape[1]]);
        let (weight, v_weight) = RULE.update(weight, weight_gradient, v_weight, rate);
        let (bias, v_bias) = RULE.update(self.bias.clone(), bias_gradient, v_bias, rate);
        self.weight = weight.reshape(shape);
        self.bias = bias;
        self.velocity = Some([v_weight, v_bias]);
    }
}
