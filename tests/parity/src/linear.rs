//! Linear evaluation step by step beside PyTorch, whose figures stand in `cases/linear-eval-*.json`.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_eval::{EvalError, LinearEval, LinearEvalConfig, Preset, view_features};
use parallax_nets::names::{self, Map, is_buffer};
use parallax_nets::{Arch, Init, ResNet, ResNetConfig, Stem};
use parallax_train::{BatchViews, DataShape, Extractor, ONLINE};
use parallax_weights::{NamedTensor, WeightFile, collect};
use serde::Deserialize;

use crate::inputs::{batch, fill, noise};
use crate::replay::worse;

/// Names and texts of the cases.
pub const LINEAR_CASES: [(&str, &str); 3] = [
    (
        "linear-eval-sgd",
        include_str!("../cases/linear-eval-sgd.json"),
    ),
    (
        "linear-eval-large-norm",
        include_str!("../cases/linear-eval-large-norm.json"),
    ),
    (
        "linear-eval-resnet18",
        include_str!("../cases/linear-eval-resnet18.json"),
    ),
];

/// What `reference_linear.py` wrote: the settings, and figures of every step.
#[derive(Clone, Debug, Deserialize)]
pub struct LinearCase {
    /// Preset of the schedule.
    pub preset: Preset,
    /// Epochs by which milestones count.
    pub epochs: u64,
    /// Base learning rate.
    pub base_lr: f64,
    batch: usize,
    arch: Arch,
    stem: Stem,
    width: usize,
    side: u32,
    classes: usize,
    /// Cross-entropy.
    pub losses: Vec<f64>,
    /// Top-1 in percent.
    pub accuracies: Vec<f64>,
    /// Learning rates.
    pub rates: Vec<f64>,
    /// Norms of the gradient.
    pub gradients: Vec<f64>,
    /// Norms of the weight after the step.
    pub weights: Vec<f64>,
    /// Norms of weight and bias after the step.
    pub parameters: Vec<f64>,
}

/// The largest relative differences of a replay from its case.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearDeviation {
    /// Of losses and rates.
    pub losses: f64,
    /// Of norms of gradients and weights.
    pub norms: f64,
    /// Of accuracies, in percent.
    pub accuracies: f64,
}

impl LinearCase {
    /// From its text.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(name: &str, text: &str) -> Result<Self, EvalError> {
        serde_json::from_str(text).map_err(|error| EvalError::Checkpoint {
            file: name.to_string(),
            reason: error.to_string(),
        })
    }

    fn config(&self) -> LinearEvalConfig {
        LinearEvalConfig {
            epochs: self.epochs,
            total_steps: Some(self.losses.len() as u64),
            batch_size: self.batch,
            base_lr: self.base_lr,
            ..LinearEvalConfig::of(self.preset, self.side)
        }
    }

    fn backbone(&self, device: &Device) -> ResNet {
        let config = ResNetConfig {
            width: self.width,
            ..ResNetConfig::new(self.arch, self.stem)
        };
        let network = fill(ResNet::new(&config, &mut Init::new(0, device)));
        names::map(network, &mut Statistics(0))
    }

    /// All steps on `device` (without autodiff).
    ///
    /// # Errors
    /// When the device fails.
    pub async fn replay(&self, device: &Device) -> Result<LinearDeviation, EvalError> {
        let backbone = self.backbone(device);
        let mut extractor = Extractor::new(&backbone, self.side, device);
        let data = DataShape::new(self.batch, self.classes);
        let columns = extractor.columns();
        let mut run = LinearEval::new(self.config(), columns, data, device)?;
        let classifier = run.classifier_mut();
        classifier.weight = classifier.weight.zeros_like();
        classifier.bias = classifier.bias.zeros_like();
        run.measure_norms(true);
        let mut apart = LinearDeviation::default();
        for step in 0..self.losses.len() {
            let batch = batch(
                step as u32,
                self.batch,
                self.side as usize,
                self.classes as u32,
                1,
            );
            let (features, labels) = view_features(&mut extractor, vec![batch], device)?
                .pop()
                .ok_or(EvalError::Features("are missing".to_string()))?;
            let report = run.step(features, &labels).await?;
            let norms = report
                .norms
                .ok_or(EvalError::Features("have no norms".to_string()))?;
            let relative = |a: f64, b: f64| (a - b).abs() / b.abs();
            for (found, expected) in [(report.loss, &self.losses), (report.lr, &self.rates)] {
                apart.losses = worse(apart.losses, relative(found, expected[step]));
            }
            for (found, expected) in [
                (norms.gradient, &self.gradients),
                (norms.weight, &self.weights),
                (norms.parameter, &self.parameters),
            ] {
                apart.norms = worse(apart.norms, relative(found, expected[step]));
            }
            let accuracy = (report.accuracy - self.accuracies[step]).abs();
            apart.accuracies = worse(apart.accuracies, accuracy);
        }
        Ok(apart)
    }

    /// Weights of the encoder and batches, as files for `parallax trace`.
    ///
    /// # Errors
    /// When the weights cannot be read.
    pub async fn files(&self, steps: usize) -> Result<[WeightFile; 2], EvalError> {
        let weights = collect(&self.backbone(&Device::flex()), ONLINE).await?;
        let (mut views, mut labels) = (Vec::new(), Vec::new());
        let (size, side) = (self.batch, self.side as usize);
        for step in 0..steps as u32 {
            let batch = batch(step, size, side, self.classes as u32, 1);
            if let BatchViews::Made(made) = batch.views {
                views.extend(made.into_iter().next().unwrap_or_default());
            }
            labels.extend(batch.labels.iter().map(|&label| label as f32));
        }
        let batches = vec![
            NamedTensor::new("view1", vec![steps, size, 3, side, side], views),
            NamedTensor::new("labels", vec![steps, size], labels),
        ];
        Ok([
            WeightFile::new("weights", weights),
            WeightFile::new("batches", batches),
        ])
    }
}

/// The running statistics of the cases, by the buffer's number.
struct Statistics(u32);

impl Map for Statistics {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        if !is_buffer(name) {
            return tensor;
        }
        let (stream, shape) = (500 + self.0, tensor.dims());
        self.0 += 1;
        let offset = f64::from(u8::from(name.ends_with("running_var")));
        let values = noise(stream, shape.iter().product(), 0.6, offset);
        Tensor::from_data(TensorData::new(values, shape), &tensor.device())
    }
}
