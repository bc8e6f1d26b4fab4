//! A step's loss and gradients, before anything has moved by them: taken again where f16 could not hold a gradient, given
//! up where the loss is no number.

use burn::tensor::Tensor;
use parallax_methods::PartsMut;

use crate::device_batch::DeviceBatch;
use crate::error::RunError;
use crate::forward::{Forward, read};
use crate::precision::Precision;
use crate::run::Run;

/// What [`Run::attempt`] gives: all that a step is made of.
pub(crate) struct Attempt {
    pub forward: Forward,
    /// Loss and spread of the embeddings, then loss and accuracy of the classifier, if there is one, then from
    /// `at_norms` on squared lengths of the gradients, where they were asked for.
    pub figures: Vec<f64>,
    /// The gradients' parameters.
    pub names: Vec<String>,
    pub at_norms: usize,
    /// What the loss was multiplied by on the way back.
    pub scale: f64,
}

impl Run {
    /// Loss and gradients of a batch. Running statistics move, nothing else.
    ///
    /// # Errors
    /// As [`Run::step`]; then running statistics, too, are as they were.
    pub(crate) async fn attempt(&mut self, batch: DeviceBatch) -> Result<Attempt, RunError> {
        let (online, target) = (self.method.online(), self.method.parts().target);
        let untouched = (online.clone(), target.cloned());
        let run = &self.recipe.run;
        let precision = run.precision;
        let mut scale = precision.loss_scale(batch.size / run.accumulate);
        loop {
            let attempt = self.measured(&batch, scale).await?;
            let loss = attempt.figures[0];
            // A gradient that overflowed shows in its length.
            let held = match precision {
                Precision::F16 => attempt.figures[attempt.at_norms..]
                    .iter()
                    .all(|square| square.is_finite()),
                Precision::F32 | Precision::Bf16 => true,
            };
            if loss.is_finite() && held {
                return Ok(attempt);
            }
            let PartsMut { online, target, .. } = self.method.parts_mut();
            *online = untouched.0.clone();
            if let (Some(target), Some(before)) = (target, &untouched.1) {
                *target = before.clone();
            }
            if !loss.is_finite() {
                return Err(self.diverged(loss).await);
            }
            match precision.smaller_scale(scale) {
                Some(smaller) => scale = smaller,
                None => return Err(self.overflow(loss)),
            }
        }
    }

    /// One pass forward and back, and its figures. One read for all of them: reading waits for the device.
    async fn measured(&mut self, batch: &DeviceBatch, scale: f64) -> Result<Attempt, RunError> {
        let forward = self.forward(batch, scale);
        let mut figures = vec![forward.loss.clone(), forward.embedding_std.clone()];
        if let Some(online) = &forward.online {
            figures.extend([online.loss.clone(), online.accuracy.clone()]);
        }
        let at_norms = figures.len();
        let watched = self.norms || self.recipe.run.precision == Precision::F16;
        let (names, squares) = match watched {
            true => forward.gradients.squares(),
            false => (Vec::new(), None),
        };
        figures.extend(squares);
        Ok(Attempt {
            figures: read(Tensor::cat(figures, 0)).await?,
            forward,
            names,
            at_norms,
            scale,
        })
    }

    /// Says where a gradient outgrew f16.
    fn overflow(&self, loss: f64) -> RunError {
        let step = self.step + 1;
        let seen = step as f64 * self.recipe.run.batch_size as f64;
        RunError::Overflow {
            step,
            epoch: seen / self.data.examples as f64,
            loss,
            precision: self.recipe.run.precision.name(),
        }
    }

    /// Where a NaN or infinite loss occurred, and whether the weights before it are finite.
    async fn diverged(&self, loss: f64) -> RunError {
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
