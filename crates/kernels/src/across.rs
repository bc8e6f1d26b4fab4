//! What operations exchange between ranks: statistics and sums of batch norm, rows of a batch.

use burn::tensor::{DType, Tensor, TensorData};
use parallax_ranks::Ranks;

/// Count, mean and sum of squared deviations of every channel.
pub struct Moments {
    pub rows: f64,
    /// `[channels]`
    pub mean: Vec<f64>,
    /// `[channels]`
    pub squares: Vec<f64>,
}

impl Moments {
    /// Of no rows.
    pub fn none(channels: usize) -> Self {
        Self {
            rows: 0.0,
            mean: vec![0.0; channels],
            squares: vec![0.0; channels],
        }
    }

    /// Adds those of other rows (Chan, Golub and LeVeque 1979).
    pub fn join(&mut self, rows: f64, mean: impl Fn(usize) -> f64, squares: impl Fn(usize) -> f64) {
        let (before, all) = (self.rows, self.rows + rows);
        for (c, own) in self.mean.iter_mut().enumerate() {
            let delta = mean(c) - *own;
            *own += delta * rows / all;
            self.squares[c] += squares(c) + delta * delta * before * rows / all;
        }
        self.rows = all;
    }

    /// Those of all ranks, joined in rank order; of this rank alone where the exchange fails.
    pub fn of_all(self, ranks: Ranks) -> Self {
        if ranks.is_one() {
            return self;
        }
        let channels = self.mean.len();
        let own = [&[self.rows][..], &self.mean, &self.squares].concat();
        let Ok(all) = ranks.gather(&own) else {
            return self;
        };
        let mut joined = Self::none(channels);
        for of_rank in all.chunks_exact(1 + 2 * channels) {
            let (mean, squares) = of_rank[1..].split_at(channels);
            joined.join(of_rank[0], |c| mean[c], |c| squares[c]);
        }
        joined
    }

    /// Biased variance of every channel.
    pub fn variance(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|squares| squares / self.rows)
    }
}

/// Sums over all ranks, added in rank order, and the rows that they are of; those of this rank alone where the exchange
/// fails.
pub fn summed(sums: Vec<f64>, rows: usize, ranks: Ranks) -> (Vec<f64>, f64) {
    let own = rows as f64;
    if ranks.is_one() {
        return (sums, own);
    }
    let values = [&sums[..], &[own]].concat();
    match ranks.sum(values) {
        Ok(mut of_all) => {
            let rows = of_all.pop().unwrap_or(own);
            (of_all, rows)
        }
        Err(_) => (sums, own),
    }
}

/// The rows of all ranks, `[size rows, ..]`, in rank order, without graph; waits for the device. Where the exchange fails they are
/// this rank's rows again and again.
///
/// # Panics
/// When the device fails.
pub fn gather_rows<const D: usize>(x: Tensor<D>, ranks: Ranks) -> Tensor<D> {
    if ranks.is_one() {
        return x;
    }
    let (mut shape, device) = (x.dims(), x.device());
    let data = x.into_data();
    let size = ranks.size();
    shape[0] *= size;
    let data = match data.dtype() {
        DType::F64 => {
            let own = data.as_slice::<f64>().unwrap_or_default();
            TensorData::new(
                ranks.gather(own).unwrap_or_else(|_| own.repeat(size)),
                shape,
            )
        }
        _ => {
            let own = data.convert::<f32>();
            let own = own.as_slice::<f32>().unwrap_or_default();
            TensorData::new(
                ranks.gather(own).unwrap_or_else(|_| own.repeat(size)),
                shape,
            )
        }
    };
    Tensor::from_data(data, &device)
}
