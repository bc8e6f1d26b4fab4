//! One optimisation step.

use crate::attempt::Attempt;
use crate::batch::Batch;
use crate::device_batch::DeviceBatch;
use crate::error::RunError;
use crate::norms::{Norms, roots};
use crate::report::{OnlineReport, StepReport};
use crate::run::Run;

impl Run {
    /// One optimisation step, in the order of methods.md 2.4.
    ///
    /// # Errors
    /// On a NaN or infinite loss, or in f16 gradient, or when another rank has ended; the run then is as it was before the step
    /// and can be saved. On a failure of the device the run is of no more use: resume from a checkpoint.
    pub async fn step(&mut self, batch: Batch) -> Result<StepReport, RunError> {
        let batch = DeviceBatch::new(batch, self.recipe.run.precision, &self.device)?;
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
        let online = forward.online.as_ref().map(|_| OnlineReport {
            loss: figures[2],
            accuracy: 100.0 * figures[3] as f32,
        });
        if let (Some(classifier), Some(evaluation)) = (&mut self.classifier, forward.online) {
            classifier.learn(evaluation, self.online_schedule.rate(self.step));
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
}
