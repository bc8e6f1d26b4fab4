//! A run: the method, its optimiser and its place in time.

use burn::tensor::{Device, Tensor};
use parallax_methods::{Method, Views, build, random_backbone};
use parallax_nets::ResNet;
use parallax_probes::embedding_std;

use crate::batch::Batch;
use crate::error::RunError;
use crate::recipe::Recipe;
use crate::schedule::{Momentum, Schedule};
use crate::sgd::Sgd;

/// What one step was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// 1-based.
    pub step: u64,
    /// Passes over the data so far.
    pub epoch: f64,
    /// Loss of the step's batch.
    pub loss: f32,
    /// Learning rate of the step.
    pub lr: f64,
    /// Target momentum after the step.
    pub momentum: f64,
    /// Spread of the target's embeddings: 1 even, 0 collapsed.
    pub embedding_std: f32,
}

/// A pre-training run on one device.
pub struct Run {
    pub(crate) recipe: Recipe,
    pub(crate) examples: usize,
    pub(crate) method: Box<dyn Method>,
    pub(crate) optimizer: Sgd,
    pub(crate) step: u64,
    pub(crate) device: Device,
    schedule: Schedule,
    momentum: Momentum,
}

impl Run {
    /// Fresh weights for a recipe and a number of training examples. `device` is one without autodiff.
    ///
    /// # Errors
    /// When the examples do not fill a batch.
    pub fn new(recipe: Recipe, examples: usize, device: &Device) -> Result<Self, RunError> {
        let batch = recipe.run.batch_size;
        if examples < batch {
            return Err(RunError::TooFew { examples, batch });
        }
        Ok(Self {
            method: build(&recipe.method_config(), device),
            optimizer: Sgd::new(recipe.optimizer.momentum, recipe.optimizer.weight_decay),
            step: 0,
            device: device.clone(),
            schedule: recipe.schedule(examples),
            momentum: recipe.momentum(examples),
            examples,
            recipe,
        })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps taken so far; also the 0-based index of the next step.
    pub fn step_index(&self) -> u64 {
        self.step
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.recipe.total_steps(self.examples)
    }

    /// The online network.
    pub fn online(&self) -> &ResNet {
        self.method.online()
    }

    /// The backbone that the run began with, made anew from its seed.
    pub fn random_backbone(&self) -> ResNet {
        random_backbone(&self.recipe.method_config(), &self.device)
    }

    /// Where the networks live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The method, for tests and tools that look inside.
    pub fn method(&self) -> &dyn Method {
        self.method.as_ref()
    }

    /// One optimiser step, in the order of methods.md 2.4.
    ///
    /// # Errors
    /// When the loss is no number or the device fails. The step then did not count, but weights may have
    /// moved: go on from a checkpoint.
    pub async fn step(&mut self, batch: &Batch) -> Result<StepReport, RunError> {
        let shape = [batch.size, 3, batch.side, batch.side];
        let [first, second] = batch.views.tensors(shape, &self.device)?;
        let output = self.method.loss(Views {
            first,
            second,
            enqueue_second: batch.enqueue_second,
        });
        let mut gradients = output.loss.backward();
        let lr = self.schedule.rate(self.step);
        let online = self.method.online().clone();
        *self.method.online_mut() = self.optimizer.step(online, &mut gradients, lr);
        let momentum = self.momentum.at(self.step + 1);
        self.method.update_target(momentum);

        // One read for both figures: reading waits for the device.
        let figures = Tensor::cat(
            vec![output.loss.inner(), embedding_std(output.embedding)],
            0,
        );
        let figures = figures.into_data_async().await;
        let figures = figures.map_err(|error| RunError::Device(format!("{error:?}")))?;
        let figures = figures
            .try_to_vec::<f32>()
            .map_err(|e| RunError::Device(format!("{e:?}")))?;
        let (loss, embedding_std) = (figures[0], figures[1]);
        if !loss.is_finite() {
            return Err(RunError::Diverged {
                step: self.step + 1,
                loss,
            });
        }
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            epoch: self.step as f64 * self.recipe.run.batch_size as f64 / self.examples as f64,
            loss,
            lr,
            momentum,
            embedding_std,
        })
    }
}
