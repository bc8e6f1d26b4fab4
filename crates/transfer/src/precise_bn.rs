//! Precise batch norm: after the last step the running statistics become those of many batches (methods.md 7.7).

use burn::tensor::{Device, Tensor, TensorData};
use parallax_nets::Mode;
use parallax_train::read_figures;

use crate::error::TransferError;
use crate::run::TransferModel;
use crate::sampling::Ranking;

/// Sums over batches, in f64: of each batch norm, the values of a channel, and of each channel their sum and sum of squares.
#[derive(Clone, Debug, Default)]
pub struct PreciseBn {
    layers: Vec<Sums>,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    count: f64,
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl PreciseBn {
    /// Adds a batch that goes through `model` in training mode. Only running statistics change. `model` is one without graph.
    ///
    /// # Errors
    /// As [`TransferModel::losses`].
    pub async fn add<M: TransferModel>(
        &mut self,
        model: &mut M,
        plan: &M::Plan,
        batch: &M::Batch,
        ranking: Ranking,
        device: &Device,
    ) -> Result<(), TransferError> {
        // A batch without regions does not reach the heads: their count stays 0.
        model
            .norms()
            .into_iter()
            .for_each(|norm| norm.reset_count());
        model
            .losses(plan, batch, ranking, Mode::Measure, device)
            .await?;
        let norms = model.norms();
        self.layers.resize_with(norms.len(), Sums::default);
        let statistics = norms.iter().flat_map(|norm| {
            [
                norm.running_mean.val().inner(),
                norm.running_var.val().inner(),
            ]
        });
        let figures = read_figures(Tensor::cat(statistics.collect(), 0)).await?;
        let mut figures = figures.as_slice();
        for (sums, norm) in self.layers.iter_mut().zip(&norms) {
            let channels = norm.running_mean.dims()[0];
            let (mean, rest) = figures.split_at(channels);
            let (variance, rest) = rest.split_at(channels);
            figures = rest;
            sums.add(norm.count() as f64, mean, variance);
        }
        Ok(())
    }

    /// Sets the running statistics of a model. A batch norm that no batch has reached keeps its own.
    pub fn apply<M: TransferModel>(&self, model: &mut M) {
        for (sums, norm) in self.layers.iter().zip(model.norms()) {
            if sums.count > 0.0 {
                let device = norm.running_mean.val().device().inner();
                let vector = |values: Vec<f32>| {
                    let channels = values.len();
                    Tensor::from_data(TensorData::new(values, [channels]), &device)
                };
                let [mean, variance] = sums.statistics();
                norm.set_running(vector(mean), vector(variance));
            }
        }
    }
}

impl Sums {
    fn add(&mut self, count: f64, mean: &[f64], variance: &[f64]) {
        self.values.resize(mean.len(), 0.0);
        self.squares.resize(mean.len(), 0.0);
        self.count += count;
        for (at, (mean, variance)) in mean.iter().zip(variance).enumerate() {
            self.values[at] += count * mean;
            self.squares[at] += count * (mean * mean + variance);
        }
    }

    /// Mean and variance.
    fn statistics(&self) -> [Vec<f32>; 2] {
        let mean: Vec<f64> = self.values.iter().map(|sum| sum / self.count).collect();
        let squares = self.squares.iter().map(|sum| sum / self.count);
        let variance = squares
            .zip(&mean)
            .map(|(square, mean)| (square - mean * mean) as f32);
        let variance = variance.collect();
        [mean.iter().map(|&mean| mean as f32).collect(), variance]
    }
}
