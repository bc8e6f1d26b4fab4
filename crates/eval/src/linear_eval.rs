//! Linear evaluation: a linear classifier trained on frozen features (methods.md 5.2).

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_probes::{Features, Metrics};
use parallax_train::{Checkpoint, Classifier, DataShape, Driver, LOSS, LR, RunError, Schedule};
use parallax_weights::WeightFile;

use crate::config::LinearEvalConfig;
use crate::error::EvalError;
use crate::history::{HISTORY_FILE, History};
use crate::metrics::ACCURACY;
use crate::score::{Scores, score};

/// The classifier and its velocities in a checkpoint: `classifier.weight` `[classes, features]`, `classifier.bias`.
pub const CLASSIFIER_FILE: &str = "classifier.safetensors";

/// A linear evaluation on one device. It takes features: those of [`view_features`](crate::view_features) or of a
/// [`FeatureLoader`](crate::FeatureLoader).
///
/// ```
/// use std::sync::Arc;
///
/// use burn::tensor::Device;
/// use parallax_eval::{FeatureLoader, LinearEval, LinearEvalConfig, Preset};
/// use parallax_probes::Features;
/// use parallax_train::{Control, DataShape, Due};
///
/// // Two classes that the second of two features tells apart.
/// let values = (0..40).flat_map(|row| [1.0, if row % 2 == 0 { 1.0 } else { -1.0 }]);
/// let features = Features::new(values.collect(), (0..40).map(|row| row % 2).collect(), 2)?;
/// let device = Device::flex(); // the CPU
/// let config = LinearEvalConfig { batch_size: 8, epochs: 4, ..LinearEvalConfig::of(Preset::LargeNorm, 32) };
/// let loader = FeatureLoader::new(Arc::new(features.clone()), config.batch_size, config.seed)?;
/// let data = DataShape::new(40, 2);
/// let mut run = LinearEval::new(config, 2, data, &device)?;
/// let mut driver = run.driver();
/// loop {
///     match driver.next(run.step_index(), Control::default()) {
///         Due::Step => {
///             let (features, labels) = loader.load(run.step_index(), &device);
///             pollster::block_on(run.step(features, &labels))?;
///         }
///         Due::Probe | Due::Evaluate => {
///             let scores = pollster::block_on(run.evaluate(&features))?;
///             assert_eq!(scores.top1, 100.0);
///         }
///         Due::Checkpoint => drop(pollster::block_on(run.checkpoint())?),
///         Due::Done => break,
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LinearEval {
    config: LinearEvalConfig,
    data: DataShape,
    classifier: Classifier,
    schedule: Schedule,
    history: History,
    step: u64,
    norms: bool,
    device: Device,
}

/// What one step was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassifierReport {
    /// 1-based.
    pub step: u64,
    /// Epochs so far.
    pub epoch: f64,
    /// Cross-entropy of the batch, before the step.
    pub loss: f64,
    /// Top-1 accuracy on the batch, before the step, in percent.
    pub accuracy: f64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Norms, where [`LinearEval::measure_norms`] asked for them.
    pub norms: Option<ClassifierNorms>,
}

/// L2 norms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassifierNorms {
    /// Of the gradients of weight and bias as one vector.
    pub gradient: f64,
    /// Of weight and bias as one vector, after the step.
    pub parameter: f64,
    /// Of the weight alone, after the step.
    pub weight: f64,
}

impl ClassifierReport {
    /// The step's metrics by name.
    pub fn metrics(&self) -> Metrics {
        Metrics::new()
            .with(&LOSS, self.loss)
            .with(&LR, self.lr)
            .with(&ACCURACY, self.accuracy)
    }
}

impl LinearEval {
    /// A new classifier on `features` features, with PyTorch's initialisation; `data` is the shape of the training images.
    ///
    /// # Errors
    /// When a setting is out of range or the images do not fill a batch.
    pub fn new(
        config: LinearEvalConfig,
        features: usize,
        data: DataShape,
        device: &Device,
    ) -> Result<Self, EvalError> {
        config.check()?;
        let (examples, batch) = (data.examples, config.batch_size);
        if examples < batch {
            return Err(EvalError::TooFew { examples, batch });
        }
        let (rule, seed) = (config.rule(), config.seed);
        Ok(Self {
            classifier: Classifier::new(features, data.classes, rule, seed, device),
            schedule: config.schedule(examples),
            history: History::default(),
            step: 0,
            norms: false,
            device: device.clone(),
            config,
            data,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &LinearEvalConfig {
        &self.config
    }

    /// The shape of the training images.
    pub fn data_shape(&self) -> DataShape {
        self.data
    }

    /// Steps taken so far; also the 0-based index of the next step.
    pub fn step_index(&self) -> u64 {
        self.step
    }

    /// Steps of the whole evaluation.
    pub fn total_steps(&self) -> u64 {
        self.schedule.total_steps
    }

    /// Says what is due, from the step where the run stands.
    pub fn driver(&self) -> Driver {
        Driver::of(self.config.plan(self.data.examples), self.step)
    }

    /// The evaluations so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The classifier.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The classifier, to load other weights into it.
    pub fn classifier_mut(&mut self) -> &mut Classifier {
        &mut self.classifier
    }

    /// Whether steps report norms, which takes a second synchronisation with the device.
    pub fn measure_norms(&mut self, on: bool) {
        self.norms = on;
    }

    fn epoch(&self) -> f64 {
        let epoch = self.config.steps_per_epoch(self.data.examples);
        self.step as f64 / epoch.max(1) as f64
    }

    /// One step of SGD on the features of a batch, `[batch, features]`, and its labels.
    ///
    /// # Errors
    /// On a NaN or infinite loss; the classifier then is as it was before the step.
    pub async fn step(
        &mut self,
        features: Tensor<2>,
        labels: &[u32],
    ) -> Result<ClassifierReport, EvalError> {
        let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
        let shape = [labels.len()];
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, shape), &self.device);
        let pass = self.classifier.evaluate(features, labels);
        let mut figures = vec![pass.loss.clone(), pass.accuracy.clone()];
        if self.norms {
            let gradients = pass.gradients.iter();
            figures.extend(gradients.map(|gradient| gradient.clone().square().sum()));
        }
        let figures = read(Tensor::cat(figures, 0)).await?;
        let (loss, lr) = (figures[0], self.schedule.rate(self.step));
        if !loss.is_finite() {
            let step = self.step + 1;
            return Err(EvalError::Diverged { step, loss, lr });
        }
        self.classifier.learn(pass, lr);
        self.step += 1;
        let norms = match self.norms {
            true => {
                let Classifier { weight, bias, .. } = &self.classifier;
                let squares = [weight.clone().square().sum(), bias.clone().square().sum()];
                let squares = read(Tensor::cat(squares.to_vec(), 0)).await?;
                Some(ClassifierNorms {
                    gradient: (figures[2] + figures[3]).sqrt(),
                    parameter: (squares[0] + squares[1]).sqrt(),
                    weight: squares[0].sqrt(),
                })
            }
            false => None,
        };
        Ok(ClassifierReport {
            step: self.step,
            epoch: self.epoch(),
            loss,
            accuracy: 100.0 * figures[1],
            lr,
            norms,
        })
    }

    /// Scores the classifier on the features of the test images and adds the result to the history.
    ///
    /// # Errors
    /// As [`score`].
    pub async fn evaluate(&mut self, test: &Features) -> Result<Scores, EvalError> {
        let scores = score(&self.classifier, test, &self.device).await?;
        self.history.push(self.step, self.epoch(), &scores);
        Ok(scores)
    }

    /// Copies the run from its device.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn checkpoint(&self) -> Result<Checkpoint, EvalError> {
        let classifier = WeightFile::new(CLASSIFIER_FILE, self.classifier.tensors().await?);
        let files = vec![
            (CLASSIFIER_FILE.to_string(), classifier.to_bytes()?),
            (HISTORY_FILE.to_string(), self.history.to_bytes()?),
        ];
        Ok(Checkpoint::new(self.step, self.data, files)?)
    }

    /// Takes over the state of a checkpoint of the same evaluation.
    ///
    /// # Errors
    /// When the checkpoint is damaged, or was made with another number of images, classes or features.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), EvalError> {
        let step = checkpoint.is_of(self.data)?;
        let bytes = checkpoint.file(CLASSIFIER_FILE)?;
        self.classifier
            .load(&WeightFile::from_bytes(CLASSIFIER_FILE, bytes)?)?;
        self.history = History::from_bytes(checkpoint.file(HISTORY_FILE)?)?;
        self.step = step;
        Ok(())
    }
}

/// Copies a vector from the device.
async fn read(figures: Tensor<1>) -> Result<Vec<f64>, EvalError> {
    let data = figures.into_data_async().await;
    let data = data.map_err(|error| RunError::Device(format!("{error:?}")))?;
    Ok(data.iter::<f64>().collect())
}
