//! The loss and gradients of a step before any update: repeated with a smaller loss scale where a gradient overflows f16,
//! an error where the loss is NaN or infinite.

use burn::tensor::Tensor;
use parallax_methods::PartsMut;
use parallax_nets::ResNet;

use crate::device_batch::DeviceBatch;
use crate::error::RunError;
use crate::forward::{Forward, read};
use crate::run::Run;

/// The result of [`Run::attempt`]: everything that a step updates by.
pub(crate) struct Attempt {
    pub forward: Forward,
    /// Loss and standard deviation of the embeddings; loss and accuracy of the online classifier, if there is one; from
    /// `at_norms` on the squared norms of the gradients, where they were asked for.
    pub figures: Vec<f64>,
    /// Names of the parameters whose gradients' norms are in `figures`.
    pub names: Vec<String>,
    pub at_norms: usize,
    /// The loss scale of the backward pass.
    pub scale: f64,
}

impl Run {
    /// Loss and gradients of a batch. Only running statistics are updated.
    ///
    /// # Errors
    /// As [`Run::step`]; running statistics are then restored.
    pub(crate) async fn attempt(&mut self, batch: DeviceBatch) -> Result<Attempt, RunError> {
        let (online, target) = (self.method.online(), self.method.parts().target);
        let untouched = (online.clone(), target.cloned());
        let run = &self.recipe.run;
        let precision = run.precision;
        let mut scale = precision.loss_scale(batch.size / run.accumulate);
        loop {
            let attempt = match self.shared(&batch, scale).await {
                Ok(attempt) => attempt,
                Err(error) => {
                    self.restore(&untouched);
                    return Err(error);
                }
            };
            let loss = attempt.figures[0];
            // A gradient that overflowed has a norm that is not finite.
            let norms = &attempt.figures[attempt.at_norms..];
            let held = !precision.overflows() || norms.iter().all(|square| square.is_finite());
            if loss.is_finite() && held {
                return Ok(attempt);
            }
            self.restore(&untouched);
            if !loss.is_finite() {
                return Err(self.diverged(loss).await);
            }
            match precision.smaller_scale(scale) {
                Some(smaller) => scale = smaller,
                None => return Err(self.overflow(loss)),
            }
        }
    }

    /// One forward and backward pass that every rank has ended.
    async fn shared(&mut self, batch: &DeviceBatch, scale: f64) -> Result<Attempt, RunError> {
        let attempt = self.measured(batch, scale).await?;
        self.share_statistics().await?;
        self.ranks.check()?;
        Ok(attempt)
    }

    /// Puts both networks back as they were.
    fn restore(&mut self, (before, target_before): &(ResNet, Option<ResNet>)) {
        let PartsMut { online, target, .. } = self.method.parts_mut();
        *online = before.clone();
        if let (Some(target), Some(before)) = (target, target_before) {
            *target = before.clone();
        }
    }

    /// One forward and backward pass, and its figures: one transfer for all of them, because it waits for the device.
    async fn measured(&mut self, batch: &DeviceBatch, scale: f64) -> Result<Attempt, RunError> {
        let forward = {
            let _operands = self.recipe.run.precision.operands().enter();
            self.forward(batch, scale).await?
        };
        let mut figures = vec![forward.loss.clone(), forward.embedding_std.clone()];
        if let Some(online) = &forward.online {
            figures.extend([online.loss.clone(), online.accuracy.clone()]);
        }
        let at_norms = figures.len();
        let watched = self.norms || self.recipe.run.precision.overflows();
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

    /// The error of a gradient that overflows f16 at any loss scale.
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
