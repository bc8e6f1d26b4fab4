//! A run: the method, its optimiser and its place in time.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_data::Source;
use parallax_kernels::Adapter;
use parallax_methods::{Method, MethodConfig, PartsMut, Views, build, random_backbone};
use parallax_nets::ResNet;
use parallax_probes::embedding_std;

use crate::attempt::Attempt;
use crate::batch::Batch;
use crate::classifier::{OnlineClassifier, Verdict};
use crate::error::{RecipeError, RunError};
use crate::gradients::{ParamGradients, param_squares};
use crate::memory::MemoryEstimate;
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::schedule::{EmaSchedule, Schedule};

/// What a run must know of its data before the first batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataShape {
    /// Training examples.
    pub examples: usize,
    /// Classes of their labels.
    pub classes: usize,
}

impl DataShape {
    /// That of a source.
    pub fn of(source: &dyn Source) -> Self {
        Self {
            examples: source.len(),
            classes: source.classes().len(),
        }
    }
}

/// What one step was like.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// 1-based.
    pub step: u64,
    /// Passes over the data so far.
    pub epoch: f64,
    /// Loss of the step's batch.
    pub loss: f64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Target momentum after the step; `None` without a target.
    pub momentum: Option<f64>,
    /// Spread of the embeddings: 1 even, 0 collapsed.
    pub embedding_std: f32,
    /// What the online classifier made of the batch.
    pub online: Option<OnlineReport>,
    /// Lengths, where [`Run::measure_norms`] asked for them.
    pub norms: Option<Norms>,
    /// What the loss was multiplied by on the way back, to hold gradients in f16; in f32 and bf16 1.
    pub loss_scale: f64,
}

/// The online classifier on a step's batch, before it learned from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnlineReport {
    /// Cross-entropy.
    pub loss: f64,
    /// Right answers in percent.
    pub accuracy: f32,
}

/// Lengths of the online network's trained parameters by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norms {
    /// Of the gradients, without weight decay.
    pub gradients: BTreeMap<String, f64>,
    /// Of the parameters after the step.
    pub parameters: BTreeMap<String, f64>,
}

impl Norms {
    /// The gradient's length as one vector.
    pub fn gradient(&self) -> f64 {
        whole(&self.gradients)
    }

    /// The parameters' length as one vector.
    pub fn parameter(&self) -> f64 {
        whole(&self.parameters)
    }
}

fn whole(norms: &BTreeMap<String, f64>) -> f64 {
    norms.values().map(|norm| norm * norm).sum::<f64>().sqrt()
}

/// A pre-training run on one device.
pub struct Run {
    pub(crate) recipe: Recipe,
    pub(crate) data: DataShape,
    pub(crate) method: Box<dyn Method>,
    pub(crate) optimizer: Optimizer,
    pub(crate) classifier: Option<OnlineClassifier>,
    pub(crate) step: u64,
    pub(crate) device: Device,
    schedule: Schedule,
    online_schedule: Schedule,
    momentum: EmaSchedule,
    pub(crate) norms: bool,
}

impl Run {
    /// Fresh weights for a recipe and the shape of its data. `device` is one without autodiff.
    ///
    /// # Errors
    /// When the examples do not fill a batch, the head has fewer outputs than there are classes, or the device lacks the
    /// recipe's precision.
    pub fn new(recipe: Recipe, data: DataShape, device: &Device) -> Result<Self, RunError> {
        let (batch, examples) = (recipe.run.batch_size, data.examples);
        if examples < batch {
            return Err(RunError::TooFew { examples, batch });
        }
        recipe.run.precision.check(device)?;
        let needed = MemoryEstimate::of(&recipe, data.classes).largest;
        if let Some(most) = Adapter::largest_tensor(device).filter(|&most| needed > most) {
            return Err(RunError::TooLarge { needed, most });
        }
        let config = recipe.method_config(data.classes);
        if recipe.method.name.views() == 1 && config.network.out < data.classes {
            let reason = format!("is less than the {} classes of the data", data.classes);
            let key = "method.out".to_string();
            return Err(RecipeError::Value { key, reason }.into());
        }
        let features = config.network.features();
        Ok(Self {
            method: build(&config, device),
            optimizer: Optimizer::of(&recipe.optimizer),
            classifier: recipe
                .probe
                .online
                .then(|| OnlineClassifier::new(features, data.classes, recipe.run.seed, device)),
            step: 0,
            device: device.clone(),
            schedule: recipe.schedule(examples),
            online_schedule: recipe.online_schedule(examples),
            momentum: recipe.momentum(examples),
            norms: false,
            data,
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
        self.recipe.total_steps(self.data.examples)
    }

    /// The online network.
    pub fn online(&self) -> &ResNet {
        self.method.online()
    }

    /// The shape of its data.
    pub fn data_shape(&self) -> DataShape {
        self.data
    }

    /// What the method was built from.
    pub fn method_config(&self) -> MethodConfig {
        self.recipe.method_config(self.data.classes)
    }

    /// The backbone that the run began with, made anew from its seed.
    pub fn random_backbone(&self) -> ResNet {
        random_backbone(&self.method_config(), &self.device)
    }

    /// Where the networks live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The online classifier, to be given other weights than the run drew.
    pub fn classifier_mut(&mut self) -> Option<&mut OnlineClassifier> {
        self.classifier.as_mut()
    }

    /// The method, for tests and tools that look inside.
    pub fn method(&self) -> &dyn Method {
        self.method.as_ref()
    }

    /// The same, to be given weights that the run did not draw.
    pub fn method_mut(&mut self) -> &mut dyn Method {
        self.method.as_mut()
    }

    /// Whether steps report lengths of gradient and parameters. It costs a second wait for the device.
    pub fn measure_norms(&mut self, on: bool) {
        self.norms = on;
    }

    /// One optimiser step, in the order of methods.md 2.4.
    ///
    /// # Errors
    /// When the loss, or in f16 a gradient, is no number, with the run as it was before the step, so that it can be saved;
    /// or when the device fails: go on from a checkpoint then.
    pub async fn step(&mut self, batch: &Batch) -> Result<StepReport, RunError> {
        let Attempt {
            forward,
            figures,
            names,
            at_norms,
            scale,
        } = self.attempt(batch).await?;
        let loss = figures[0];

        let lr = self.schedule.rate(self.step);
        let online = self.method.online().clone();
        *self.method.parts_mut().online = self.optimizer.step(online, forward.gradients, lr);
        if let Some(keys) = forward.keys {
            self.method.enqueue(keys);
        }
        let has_target = self.method.parts().target.is_some();
        let momentum = has_target.then(|| self.momentum.at(self.step + 1));
        if let Some(momentum) = momentum {
            self.method.update_target(momentum);
        }
        let online = forward.verdict.as_ref().map(|_| OnlineReport {
            loss: figures[2],
            accuracy: 100.0 * figures[3] as f32,
        });
        if let (Some(classifier), Some(verdict)) = (&mut self.classifier, forward.verdict) {
            classifier.learn(verdict, self.online_schedule.rate(self.step));
        }
        let norms = match self.norms {
            true => Some(Norms {
                gradients: roots(names, &figures[at_norms..]),
                parameters: self.param_norms().await?,
            }),
            false => None,
        };
        self.step += 1;
        let seen = self.step as f64 * self.recipe.run.batch_size as f64;
        Ok(StepReport {
            step: self.step,
            epoch: seen / self.data.examples as f64,
            loss,
            lr,
            momentum,
            embedding_std: figures[1] as f32,
            online,
            norms,
            loss_scale: scale,
        })
    }

    /// Everything that a step computes before anything but running statistics moves. The loss is multiplied by `scale` on
    /// the way back; gradients come without it.
    pub(crate) fn forward(&mut self, batch: &Batch, scale: f64) -> Result<Forward, RunError> {
        let shape = [batch.size, 3, batch.pixels[0], batch.pixels[1]];
        let precision = self.recipe.run.precision;
        let views = batch.views.tensors(shape, &self.device)?;
        let [first, second] = views.map(|view| precision.store(view));
        let parts = self.recipe.run.accumulate;
        let (mut losses, mut embeddings) = (Vec::new(), Vec::new());
        let (mut features, mut keys) = (Vec::new(), Vec::new());
        let mut gradients = ParamGradients::default();
        let mut after_first = None;
        for number in 0..parts {
            let part = batch.part(number, parts);
            let cut = |view: &Tensor<4>| match parts {
                1 => view.clone(),
                _ => view.clone().narrow(0, part.begin, part.size),
            };
            let views = Views {
                first: cut(&first),
                second: cut(&second),
                labels: labels(&part.labels, &self.device),
                enqueue_second: part.enqueue_second,
                order: part.order,
            };
            let output = self.method.loss(views);
            let mut graph = match scale {
                1.0 => output.loss.backward(),
                _ => (output.loss.clone() * scale).backward(),
            };
            gradients.add(ParamGradients::take(self.method.online(), &mut graph));
            losses.push(output.loss.inner());
            embeddings.push(output.embedding);
            features.push(output.features);
            keys.extend(output.keys);
            if parts > 1 && number == 0 {
                let target = self.method.parts().target.cloned();
                after_first = Some((self.method.online().clone(), target));
            }
        }
        // Parts are virtual devices: the first one's running statistics stay.
        if let Some((first, first_target)) = after_first {
            let PartsMut { online, target, .. } = self.method.parts_mut();
            *online = first;
            if let (Some(target), Some(first)) = (target, first_target) {
                *target = first;
            }
        }
        if parts > 1 || scale > 1.0 {
            gradients.scale(1.0 / (parts as f64 * scale));
        }
        let features = Tensor::cat(features, 0);
        let judge = |classifier: &OnlineClassifier| {
            classifier.judge(features, labels(&batch.labels, &self.device))
        };
        Ok(Forward {
            loss: Tensor::cat(losses, 0).mean(),
            spread: embedding_std(Tensor::cat(embeddings, 0)),
            gradients,
            keys: (!keys.is_empty()).then(|| Tensor::cat(keys, 0)),
            verdict: self.classifier.as_ref().map(judge),
        })
    }

    async fn param_norms(&self) -> Result<BTreeMap<String, f64>, RunError> {
        match param_squares(self.method.online()) {
            (names, Some(squares)) => Ok(roots(names, &read(squares).await?)),
            (_, None) => Ok(BTreeMap::new()),
        }
    }

    /// Says where it happened, and whether what is left can be gone on from.
    pub(crate) async fn diverged(&self, loss: f64) -> RunError {
        let norms = self.param_norms().await;
        let whole = norms.is_ok_and(|norms| norms.values().all(|norm| norm.is_finite()));
        let (step, examples) = (self.step + 1, self.data.examples as f64);
        RunError::Diverged {
            step,
            epoch: step as f64 * self.recipe.run.batch_size as f64 / examples,
            loss,
            lr: self.schedule.rate(self.step),
            whole,
        }
    }
}

/// What [`Run::forward`] gives.
pub(crate) struct Forward {
    pub loss: Tensor<1>,
    pub spread: Tensor<1>,
    pub gradients: ParamGradients,
    pub keys: Option<Tensor<2>>,
    pub verdict: Option<Verdict>,
}

fn roots(names: Vec<String>, squares: &[f64]) -> BTreeMap<String, f64> {
    let roots = squares.iter().map(|square| square.sqrt());
    names.into_iter().zip(roots).collect()
}

fn labels(labels: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub(crate) async fn read(figures: Tensor<1>) -> Result<Vec<f64>, RunError> {
    let data = figures.into_data_async().await;
    let data = data.map_err(RunError::of_device)?;
    Ok(data.iter::<f64>().collect())
}
