//! Precise batch norm at the end of a run.

use anyhow::Result;
use burn::module::Module as _;
use parallax_transfer::{PreciseBn, Ranking, TransferRun};
use pollster::block_on;

use super::{Kind, Stream, Watch};

/// Flips the highest bit of the seed, so that the stream is none of a run's with a seed that a person chose.
const FRESH: u64 = 1 << 63;

/// The seed of the batches that statistics are taken from.
pub fn seed(run: u64) -> u64 {
    run ^ FRESH
}

/// Sets the running statistics of a run's network to those of `batches` batches of a stream; false where it was stopped, and
/// nothing was changed.
pub fn apply<K: Kind>(
    run: &mut TransferRun<K::Model>,
    stream: &Stream<K::Example>,
    batches: u64,
    watch: &Watch<'_>,
) -> Result<bool> {
    let device = run.device().clone().inner();
    let seed = seed(run.recipe().run.seed);
    let mut model = run.model().valid();
    let mut precise = PreciseBn::default();
    let load = {
        let stream = stream.clone();
        move |step| stream(step)
    };
    let images = run.recipe().run.batch_size as u64;
    let done = watch.each(
        "Precise batch norm",
        [batches, images],
        load,
        |step, batch| {
            let ranking = Ranking::Random { seed, step };
            let added = precise.add(&mut model, run.plan(), &batch, ranking, &device);
            Ok(block_on(added)?)
        },
    )?;
    if !done {
        return Ok(false);
    }
    precise.apply(run.model_mut());
    Ok(true)
}
