//! Fine-tuning: the whole network trained with labels from given weights (methods.md 5.3).

use burn::tensor::{Device, Tensor};
use parallax_data::Source;
use parallax_nets::ResNet;
use parallax_nets::names::{self, Visit};
use parallax_train::{
    Batch, Checkpoint, Classifier, DataShape, Driver, Extractor, ModelSection, ONLINE, Plan,
    Recipe, Run, RunError, STATE_FILE, Sgd, StepReport,
};
use parallax_weights::{WeightFile, collect, load};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, broken};
use crate::history::{HISTORY_FILE, History};
use crate::score::{Scores, score};

/// The settings of a fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuneConfig {
    /// Epochs, each of `examples / batch_size` whole batches.
    pub epochs: u64,
    /// Images in a step's batch.
    pub batch_size: usize,
    /// Learning rate for 256 images a step.
    pub base_lr: f64,
    /// Weight decay of all parameters but those of batch norm.
    pub weight_decay: f64,
    /// Epochs between two evaluations; 0 for the last one only.
    pub eval_every: u64,
    /// Epochs between two checkpoints; 0 for the last one only.
    pub checkpoint_every: u64,
    /// Side of a view in pixels.
    pub size: u32,
    /// Of the head's initial weights, the order of images and the views.
    pub seed: u64,
}

impl FineTuneConfig {
    /// The defaults, on views of `size` pixels.
    pub fn new(size: u32) -> Self {
        Self {
            epochs: 24,
            batch_size: 64,
            base_lr: 0.1,
            weight_decay: 1e-4,
            eval_every: 4,
            checkpoint_every: 4,
            size,
            seed: 0,
        }
    }

    /// The supervised run that this is: the network of `model`, one view an image, momentum SGD without decay of batch norm,
    /// the schedule of transfer.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn recipe(&self, model: &ModelSection) -> Result<Recipe, EvalError> {
        if i64::try_from(self.seed).is_err() {
            let reason = "must be below 2^63".to_string();
            return Err(EvalError::Value {
                key: "seed",
                reason,
            });
        }
        let model = toml::to_string(model).map_err(|error| broken("model", error))?;
        let Self {
            epochs,
            batch_size,
            base_lr,
            weight_decay,
            checkpoint_every,
            size,
            seed,
            ..
        } = self;
        let text = format!(
            "[run]\nepochs = {epochs}\nbatch_size = {batch_size}\nseed = {seed}\n\
             [views]\nsize = {size}\npipeline = 'supervised'\n\
             [model]\n{model}\n\
             [method]\nname = 'supervised'\nbn = 'sync'\n\
             [optimizer]\nname = 'sgd'\nbase_lr = {base_lr:e}\nweight_decay = {weight_decay:e}\n\
             [[optimizer.groups]]\npattern = '*bn*'\nweight_decay = 0.0\n\
             [[optimizer.groups]]\npattern = '*downsample.1.*'\nweight_decay = 0.0\n\
             [schedule]\nkind = 'transfer'\n\
             [probe]\nknn_every = 0\ntable = false\n\
             [checkpoint]\nevery = {checkpoint_every}\n"
        );
        Ok(Recipe::parse(&text, &[]).map_err(RunError::from)?)
    }
}

/// A fine-tuning on one device.
pub struct FineTune {
    run: Run,
    eval_every: u64,
    history: History,
}

impl FineTune {
    /// From the weights of `backbone`, with a new linear head.
    ///
    /// # Errors
    /// When a value is out of range, the images do not fill a batch, or the device fails.
    pub async fn new(
        config: &FineTuneConfig,
        (backbone, model): (&ResNet, &ModelSection),
        data: DataShape,
        device: &Device,
    ) -> Result<Self, EvalError> {
        let (examples, batch) = (data.examples, config.batch_size);
        if examples < batch {
            return Err(EvalError::TooFew { examples, batch });
        }
        let mut run = Run::new(config.recipe(model)?, data, device)?;
        // The new head's own weights, and the given ones of everything else.
        let mut tensors = collect(run.online(), ONLINE).await?;
        tensors.extend(collect(backbone, ONLINE).await?);
        let file = WeightFile::new("the encoder", tensors);
        let online = run.method_mut().parts_mut().online;
        *online = load(online.clone(), ONLINE, &file)?.0;
        Ok(Self {
            run,
            eval_every: config.eval_every,
            history: History::default(),
        })
    }

    /// Resumes from a checkpoint, on any device.
    ///
    /// # Errors
    /// When the checkpoint is damaged, or was made with other data.
    pub fn resume(
        config: &FineTuneConfig,
        checkpoint: &Checkpoint,
        data: DataShape,
        device: &Device,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            run: Run::resume(checkpoint, data, device)?,
            eval_every: config.eval_every,
            history: History::from_bytes(checkpoint.file(HISTORY_FILE)?)?,
        })
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The evaluations so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Says what is due, from the step where the run stands.
    pub fn driver(&self) -> Driver {
        let (recipe, examples) = (self.run.recipe(), self.run.data_shape().examples);
        let plan = Plan {
            probe_every: vec![self.eval_every * recipe.steps_per_epoch(examples)],
            evaluate: true,
            ..Plan::of(recipe, self.run.data_shape())
        };
        Driver::of(plan, self.run.step_index())
    }

    /// One optimisation step.
    ///
    /// # Errors
    /// As [`Run::step`].
    pub async fn step(&mut self, batch: Batch) -> Result<StepReport, RunError> {
        self.run.step(batch).await
    }

    /// The network in evaluation mode, and its head, to be scored by [`FineTune::scored`].
    ///
    /// # Errors
    /// When the network has no linear head.
    pub fn parts(&self) -> Result<(Extractor, Classifier), EvalError> {
        let (side, device) = (self.run.recipe().views.size, self.run.device());
        let extractor = Extractor::new(self.run.online(), side, device);
        Ok((extractor, head(self.run.online())?))
    }

    /// Scores the network on labelled images and adds the result to the history.
    ///
    /// # Errors
    /// When an image cannot be read, or the device fails.
    pub async fn evaluate(&mut self, test: &dyn Source) -> Result<Scores, EvalError> {
        let (mut extractor, head) = self.parts()?;
        let features = extractor.all(test).await?;
        let scores = score(&head, &features, self.run.device()).await?;
        self.scored(&scores);
        Ok(scores)
    }

    /// Adds scores of the network as it is to the history.
    pub fn scored(&mut self, scores: &Scores) {
        let step = self.run.step_index();
        let epoch = self.run.recipe().run.batch_size as f64 * step as f64
            / self.run.data_shape().examples as f64;
        self.history.push(step, epoch, scores);
    }

    /// Copies the run from its device.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn checkpoint(&self) -> Result<Checkpoint, EvalError> {
        let Checkpoint { step, mut files } = self.run.checkpoint().await?;
        files.retain(|(name, _)| name != STATE_FILE);
        files.push((HISTORY_FILE.to_string(), self.history.to_bytes()?));
        Ok(Checkpoint::new(step, self.run.data_shape(), files)?)
    }
}

/// The linear head of a network.
fn head(network: &ResNet) -> Result<Classifier, EvalError> {
    #[derive(Default)]
    struct Find {
        weight: Option<Tensor<2>>,
        bias: Option<Tensor<1>>,
    }
    impl Visit for Find {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            let shape = tensor.dims();
            match (name, shape.as_slice()) {
                ("fc.0.weight", &[outputs, inputs]) => {
                    let flat = tensor.without_autodiff();
                    self.weight = Some(flat.reshape([outputs, inputs]));
                }
                ("fc.0.bias", &[outputs]) => {
                    self.bias = Some(tensor.without_autodiff().reshape([outputs]));
                }
                _ => {}
            }
        }
    }
    let mut find = Find::default();
    names::visit(network, &mut find);
    match (find.weight, find.bias) {
        (Some(weight), Some(bias)) => Ok(Classifier {
            weight,
            bias,
            velocity: None,
            rule: Sgd::CLASSIFIER,
        }),
        _ => Err(broken("the network", "has no linear head")),
    }
}
