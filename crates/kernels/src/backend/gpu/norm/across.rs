//! Batch norm over the batches of all ranks: the few values of each channel that ranks exchange pass through the host, between
//! the pass that reduces and the one that applies.

use burn::backend::ops::FloatTensorOps as _;
use burn::tensor::TensorData;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use burn_std::reader::try_read_sync;
use parallax_ranks::Ranks;

use crate::across::{Moments, summed};

/// Mean and biased variance of each channel, `[channels]`, over all ranks, from those of `rows` rows of this one.
pub(super) fn statistics(of_rank: [CubeTensor; 2], rows: usize, ranks: Ranks) -> [CubeTensor; 2] {
    if ranks.is_one() {
        return of_rank;
    }
    let [mean, variance] = of_rank.each_ref().map(read);
    let rows = rows as f64;
    let of_all = Moments {
        rows,
        squares: variance.iter().map(|variance| variance * rows).collect(),
        mean,
    };
    let of_all = of_all.of_all(ranks);
    let variance: Vec<f64> = of_all.variance().collect();
    let [like, _] = of_rank;
    [of_all.mean, variance].map(|values| written(&values, &like))
}

/// The factors of the input gradient, `[3, channels]`, over all ranks; see [`super::merge::merged_gradients`]. `sums` are the
/// gradients of scale and shift of `rows` rows of this rank.
pub(super) fn factors(
    sums: [&CubeTensor; 2],
    [weight, variance]: [&CubeTensor; 2],
    (rows, epsilon): (usize, f64),
    ranks: Ranks,
) -> CubeTensor {
    let [grad_weight, grad_bias] = sums.map(read);
    let channels = grad_bias.len();
    let (sums, rows) = summed([grad_bias, grad_weight].concat(), rows, ranks);
    let (plain, weighted) = sums.split_at(channels);
    let (scale, variance) = (read(weight), read(variance));
    let inverse = variance.iter().map(|value| 1.0 / (value + epsilon).sqrt());
    let inverse: Vec<f64> = inverse.collect();
    let of = |value: &dyn Fn(usize) -> f64| (0..channels).map(value).collect::<Vec<f64>>();
    let scale = of(&|c| scale[c] * inverse[c]);
    // The gradient of the scale has one factor of 1 / sigma already.
    let slope = of(&|c| scale[c] * inverse[c] * weighted[c] / rows);
    let shift = of(&|c| scale[c] * plain[c] / rows);
    let values = written(&[scale, slope, shift].concat(), weight);
    CubeBackend::float_reshape(values, [3, channels].into())
}

/// Copies values from the device, for which it waits. Ranks are never in a browser, which must not wait.
fn read(tensor: &CubeTensor) -> Vec<f64> {
    let data = try_read_sync(CubeBackend::float_into_data(tensor.clone()));
    match data {
        Some(Ok(data)) => data.iter::<f64>().collect(),
        // A failed device is reported by whatever reads the step's result.
        _ => vec![f64::NAN; tensor.meta.shape().num_elements()],
    }
}

/// f32 on the device of `like`.
fn written(values: &[f64], like: &CubeTensor) -> CubeTensor {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let length = [values.len()];
    CubeBackend::float_from_data(TensorData::new(values, length), &like.device)
}
