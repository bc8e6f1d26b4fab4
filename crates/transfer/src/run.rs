//! A transfer run: a model, its optimiser, its learning rate and its step number.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_nets::{BatchNorm, Mode};
use parallax_ranks::Ranks;
use parallax_train::{Norms, Optimizer, ParamGradients, ParamGroup, Rule, Sgd, read_figures};

use crate::error::TransferError;
use crate::recipe::{BnKind, TransferRecipe};
use crate::sampling::Ranking;
use crate::schedule::TransferSchedule;

/// Names of the parameters of batch norm, which do not decay.
const NORMS: [&str; 3] = ["*bn*", "*norm*", "*downsample.1.*"];

/// A loss by name.
pub struct Loss {
    /// detectron2's name, such as `loss_cls`.
    pub name: &'static str,
    /// `[1]`, with its graph.
    pub value: Tensor<1>,
}

/// What a pass gives for an update.
pub struct Losses {
    /// Their sum is minimised.
    pub named: Vec<Loss>,
    /// Counts over the batch, such as `roi_fg`.
    pub counts: Vec<(&'static str, usize)>,
    /// Proposals of each image.
    pub proposals: Vec<usize>,
}

/// A model that is trained on batches.
pub trait TransferModel: Module {
    /// What a step takes.
    type Batch;
    /// What is not learned of the model.
    type Plan;

    /// The losses of a batch. Running statistics are updated as the mode says, nothing else.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the device fails.
    fn losses(
        &mut self,
        plan: &Self::Plan,
        batch: &Self::Batch,
        ranking: Ranking,
        mode: Mode,
        device: &Device,
    ) -> impl Future<Output = Result<Losses, TransferError>>;

    /// Every batch norm, in the order of the tensors.
    fn norms(&mut self) -> Vec<&mut BatchNorm>;
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferReport {
    /// 1-based.
    pub step: u64,
    /// Sum of the losses.
    pub loss: f64,
    /// Each loss.
    pub losses: Vec<(&'static str, f64)>,
    /// Counts over the batch.
    pub counts: Vec<(&'static str, usize)>,
    /// Proposals of each image.
    pub proposals: Vec<usize>,
    /// Learning rate.
    pub rate: f64,
    /// Where they were asked for.
    pub norms: Option<Norms>,
}

/// A run on one device.
pub struct TransferRun<M: TransferModel> {
    recipe: TransferRecipe,
    plan: M::Plan,
    model: M,
    optimizer: Optimizer,
    schedule: TransferSchedule,
    step: u64,
    device: Device,
    norms: bool,
}

impl<M: TransferModel> TransferRun<M> {
    /// From a model on a device with autodiff.
    pub fn new(recipe: TransferRecipe, (model, plan): (M, M::Plan), device: &Device) -> Self {
        let sgd = Sgd {
            momentum: recipe.optimizer.momentum,
            weight_decay: recipe.optimizer.weight_decay,
            nesterov: false,
        };
        let groups = NORMS.map(|pattern| ParamGroup {
            pattern: pattern.to_string(),
            rate: 1.0,
            weight_decay: Some(0.0),
        });
        Self {
            optimizer: Optimizer::with_groups(Rule::Sgd(sgd), groups.to_vec()),
            schedule: recipe.rates(),
            step: 0,
            device: device.clone(),
            norms: false,
            recipe,
            plan,
            model,
        }
    }

    /// The recipe.
    pub fn recipe(&self) -> &TransferRecipe {
        &self.recipe
    }

    /// The model, with its graph.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, to load other weights into it.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// What is not learned of the model.
    pub fn plan(&self) -> &M::Plan {
        &self.plan
    }

    /// Steps taken so far; also the 0-based index of the next step.
    pub fn step_index(&self) -> u64 {
        self.step
    }

    /// The device of the model, with autodiff.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Optimiser and step number, to be saved and restored.
    pub fn state(&self) -> (&Optimizer, u64) {
        (&self.optimizer, self.step)
    }

    /// Goes on from a saved state.
    pub fn restore(&mut self, optimizer: Optimizer, step: u64) {
        (self.optimizer, self.step) = (optimizer, step);
    }

    /// Whether steps report the norms of gradients and parameters, which takes a second synchronisation with the device.
    pub fn measure_norms(&mut self, on: bool) {
        self.norms = on;
    }

    /// The mode of batch norm in training.
    pub fn mode(&self) -> Mode {
        match self.recipe.model.bn {
            BnKind::Sync => Mode::Sync(Ranks::ONE),
            BnKind::Frozen => Mode::Frozen,
        }
    }

    /// One optimisation step.
    ///
    /// # Errors
    /// As [`TransferModel::losses`], and on a loss that is NaN or infinite; the run then is as it was before the step.
    pub async fn step(
        &mut self,
        batch: &M::Batch,
        ranking: Ranking,
    ) -> Result<TransferReport, TransferError> {
        let untouched = self.model.clone();
        let result = self.update(batch, ranking).await;
        if result.is_err() {
            self.model = untouched;
        }
        result
    }

    async fn update(
        &mut self,
        batch: &M::Batch,
        ranking: Ranking,
    ) -> Result<TransferReport, TransferError> {
        let mode = self.mode();
        let pass = self
            .model
            .losses(&self.plan, batch, ranking, mode, &self.device);
        let Losses {
            named,
            counts,
            proposals,
        } = pass.await?;
        let values: Vec<Tensor<1>> = named.iter().map(|loss| loss.value.clone()).collect();
        let figures = values.iter().map(|value| value.clone().inner()).collect();
        let mut sum = values.into_iter();
        let first = sum
            .next()
            .ok_or_else(|| TransferError::Size("a pass without losses".into()))?;
        let sum = sum.fold(first, |sum, value| sum + value);
        let mut graph = sum.backward();
        let gradients = ParamGradients::take(&self.model, &mut graph);
        let rate = self.schedule.rate(self.step);
        let figures = read_figures(Tensor::cat(figures, 0)).await?;
        for (loss, &value) in named.iter().zip(&figures) {
            if !value.is_finite() {
                return Err(TransferError::Diverged {
                    name: loss.name,
                    value,
                    step: self.step + 1,
                    rate,
                });
            }
        }
        let kept = self.norms.then(|| gradients.clone());
        self.model = self.optimizer.step(self.model.clone(), gradients, rate);
        let norms = match kept {
            Some(gradients) => Some(Norms::of(&gradients, &self.model).await?),
            None => None,
        };
        self.step += 1;
        Ok(TransferReport {
            step: self.step,
            loss: figures.iter().sum(),
            losses: named.iter().map(|loss| loss.name).zip(figures).collect(),
            counts,
            proposals,
            rate,
            norms,
        })
    }
}
