//! A linear classifier with its own SGD: the online classifier of a run (methods.md 3.9) and that of linear evaluation
//! (methods.md 5.2).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_kernels::sgd_steps;
use parallax_methods::one_hot;
use parallax_nets::Init;
use parallax_rng::Stream;
use parallax_weights::{NamedTensor, WeightFile};

use crate::error::RunError;
use crate::sgd::Sgd;

const WEIGHT: &str = "classifier.weight";
const BIAS: &str = "classifier.bias";
const VELOCITIES: [&str; 2] = ["classifier_velocity.weight", "classifier_velocity.bias"];

/// A linear layer with its own SGD. Its features are detached: no gradient reaches the network.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// `[classes, features]`
    pub weight: Tensor<2>,
    /// `[classes]`
    pub bias: Tensor<1>,
    /// Velocities of weight (flat) and bias, once there was a step.
    pub velocity: Option<[Tensor<1>; 2]>,
    /// The update rule.
    pub rule: Sgd,
}

/// The classifier on a batch, before it learns from it.
pub struct ClassifierPass {
    /// Cross-entropy, `[1]`.
    pub loss: Tensor<1>,
    /// Top-1 accuracy, `[1]`, from 0 to 1.
    pub accuracy: Tensor<1>,
    /// Of weight (flat) and bias.
    pub gradients: [Tensor<1>; 2],
}

impl Classifier {
    /// With PyTorch's initialisation of linear layers.
    pub fn new(features: usize, classes: usize, rule: Sgd, seed: u64, device: &Device) -> Self {
        let mut init = Init::of_stream(seed, Stream::Probe, device);
        Self {
            weight: init.uniform_fan_in([classes, features], features),
            bias: init.uniform_fan_in([classes], features),
            velocity: None,
            rule,
        }
    }

    /// The scores of every class, `[batch, classes]`, for `features` `[batch, features]`.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        let classes = self.bias.dims()[0];
        features.matmul(self.weight.clone().transpose()) + self.bias.clone().reshape([1, classes])
    }

    /// Loss, accuracy and gradients on a batch. `features`: `[batch, features]`, `labels`: `[batch]`, both detached.
    pub fn evaluate(&self, features: Tensor<2>, labels: Tensor<1, Int>) -> ClassifierPass {
        let [classes, width] = self.weight.dims();
        let batch = features.dims()[0];
        let logits = self.logits(features.clone());
        let truth = one_hot(labels.clone(), classes);
        let logs = log_softmax(logits.clone(), 1);
        let loss = (logs.clone() * truth.clone()).sum_dim(1).mean().neg();
        let correct = logits.argmax(1).reshape([batch]).equal(labels);
        // The gradient of the mean cross-entropy with respect to the logits is (softmax - truth) / batch.
        let error = (logs.exp() - truth) / batch as f64;
        let weight_gradient = error.clone().transpose().matmul(features);
        let bias_gradient = error.sum_dim(0).reshape([classes]);
        ClassifierPass {
            loss,
            accuracy: correct.float().mean(),
            gradients: [weight_gradient.reshape([classes * width]), bias_gradient],
        }
    }

    /// One SGD step with the gradients of a pass.
    pub fn learn(&mut self, pass: ClassifierPass, rate: f64) {
        let shape = self.weight.dims();
        let [weight_gradient, bias_gradient] = pass.gradients;
        let [v_weight, v_bias] = match self.velocity.take() {
            Some(velocity) => velocity.map(Some),
            None => [None, None],
        };
        let weight = self.weight.clone().reshape([shape[0] * shape[1]]);
        let bias = self.bias.clone();
        let mut next = sgd_steps(vec![
            self.rule.parameter(weight, weight_gradient, v_weight, rate),
            self.rule.parameter(bias, bias_gradient, v_bias, rate),
        ])
        .into_iter();
        if let (Some((weight, v_weight)), Some((bias, v_bias))) = (next.next(), next.next()) {
            self.weight = weight.reshape(shape);
            self.bias = bias;
            self.velocity = Some([v_weight, v_bias]);
        }
    }

    /// Weight, bias and, after a step, their velocities, read from the device: `classifier.weight`, `classifier.bias`,
    /// `classifier_velocity.*`.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn tensors(&self) -> Result<Vec<NamedTensor>, RunError> {
        let mut tensors = vec![
            read(WEIGHT, self.weight.clone()).await?,
            read(BIAS, self.bias.clone()).await?,
        ];
        let velocities = self.velocity.iter().flatten();
        for (name, velocity) in VELOCITIES.into_iter().zip(velocities) {
            tensors.push(read(name, velocity.clone()).await?);
        }
        Ok(tensors)
    }

    /// Takes over the tensors of [`Classifier::tensors`]; the velocities may be missing.
    ///
    /// # Errors
    /// When weight or bias is missing, or a tensor has another shape.
    pub fn load(&mut self, file: &WeightFile) -> Result<(), RunError> {
        let find = |name: &str, shape: &[usize]| {
            let found = file.tensors.get(name);
            let found = found.filter(|tensor| tensor.shape == shape);
            found.ok_or_else(|| RunError::Checkpoint {
                file: file.name.clone(),
                reason: format!("tensor '{name}' is missing or not of the shape {shape:?}"),
            })
        };
        let ([classes, features], device) = (self.weight.dims(), self.weight.device());
        let weight = upload(
            find(WEIGHT, &[classes, features])?,
            [classes, features],
            &device,
        );
        let bias = upload(find(BIAS, &[classes])?, [classes], &device);
        // Before the first step there are no velocities.
        self.velocity = match VELOCITIES
            .iter()
            .any(|name| file.tensors.contains_key(*name))
        {
            true => {
                let count = classes * features;
                let [weight, bias] = VELOCITIES;
                Some([
                    upload(find(weight, &[count])?, [count], &device),
                    upload(find(bias, &[classes])?, [classes], &device),
                ])
            }
            false => None,
        };
        (self.weight, self.bias) = (weight, bias);
        Ok(())
    }
}

/// Copies a tensor from its device.
pub(crate) async fn read<const D: usize>(
    name: &str,
    tensor: Tensor<D>,
) -> Result<NamedTensor, RunError> {
    let shape = tensor.dims().to_vec();
    let data = tensor
        .into_data_async()
        .await
        .map_err(RunError::of_device)?;
    let values = data.iter::<f32>().collect();
    Ok(NamedTensor::new(name, shape, values))
}

/// A named tensor on a device.
pub(crate) fn upload<const D: usize>(
    tensor: &NamedTensor,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(tensor.values.clone(), shape), device)
}
