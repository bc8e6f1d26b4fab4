//! Precise batch norm at the end of a run.

use anyhow::Result;
use burn::module::Module as _;
use parallax_transfer::{PreciseBn, Ranking, TransferRun};
use pollster::block_on;

use super::{Kind, Stream, Watch};
use crate::data::progress::Unit;
use crate::prefetch::Prefetch;

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
    let mut loaded = Prefetch::start(load, 0, batches, watch.threads);
    let images = run.recipe().run.batch_size as u64;
    watch
        .progress
        .start("Precise batch norm", batches * images, Unit::Images);
    for step in 0..batches {
        if watch.stopped() {
            watch.progress.clear();
            return Ok(false);
        }
        let batch = loaded.next()?;
        let ranking = Ranking::Random { seed, step };
        block_on(precise.add(&mut model, run.plan(), &batch, ranking, &device))?;
        watch.progress.at((step + 1) * images);
    }
    watch.progress.clear();
    precise.apply(run.model_mut());
    Ok(true)
}
