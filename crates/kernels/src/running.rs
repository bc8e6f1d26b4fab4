//! Running statistics of batch norm.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::Running;
use crate::options::RunningUpdate;
use crate::update::weighted_sum;

/// Running statistics of batch norm, `[channels]` each, without graph.
#[derive(Clone, Debug)]
pub struct RunningStatistics {
    /// Mean.
    pub mean: Tensor<1>,
    /// Variance.
    pub variance: Tensor<1>,
}

impl RunningStatistics {
    /// To a device, to be updated.
    pub(crate) fn given(&self, update: RunningUpdate) -> Running<Dispatch> {
        Running::Of {
            mean: self.mean.clone().into_dispatch(),
            variance: self.variance.clone().into_dispatch(),
            update,
        }
    }

    /// From a device, if it has updated them.
    pub(crate) fn taken(next: Running<Dispatch>) -> Option<Self> {
        match next {
            Running::None => None,
            Running::Of { mean, variance, .. } => Some(Self {
                mean: Tensor::from_dispatch(mean).inner(),
                variance: Tensor::from_dispatch(variance).inner(),
            }),
        }
    }

    /// After those of a batch.
    pub(crate) fn updated(self, update: RunningUpdate, [mean, variance]: [&Tensor<1>; 2]) -> Self {
        let next = |before, batch: Tensor<1>| {
            weighted_sum(
                before,
                1.0 - update.momentum,
                batch.inner(),
                update.momentum,
            )
        };
        let unbiased = match update.correction {
            1.0 => variance.clone(),
            correction => variance.clone() * correction,
        };
        Self {
            mean: next(self.mean, mean.clone()),
            variance: next(self.variance, unbiased),
        }
    }
}
