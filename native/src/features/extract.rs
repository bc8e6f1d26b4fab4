//! Features of a source, block by block: threads prepare the views of the next batches while the device computes.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context as _, Result};
use parallax_data::Source;
use parallax_probes::Features;
use parallax_train::{Extractor, RunError, ViewBatch, ViewLoader, batches, read};
use pollster::block_on;

/// Batches that are prepared ahead.
const AHEAD: usize = 1;
/// Images of a thread's part of a batch at least.
const PART: usize = 8;

/// Calls `visit` on the features of each batch of a source, in order.
///
/// # Errors
/// When an image cannot be read, the device fails, a feature is not finite, or `visit` fails.
pub fn extract(
    extractor: &mut Extractor,
    source: &dyn Source,
    threads: usize,
    mut visit: impl FnMut(&Features) -> Result<()>,
) -> Result<()> {
    let (loader, columns) = (extractor.loader(), extractor.columns());
    let ranges: Vec<_> = batches(source.len(), extractor.batch()).collect();
    let of_labels = |range: Range<usize>| range.map(|index| source.label(index)).collect();
    let mut done = |(range, rows): (Range<usize>, _)| {
        let values = block_on(read(rows))?;
        visit(&Features::new(values, of_labels(range), columns)?)
    };
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        let own = ranges.clone();
        scope.spawn(move || {
            for range in own {
                // A closed channel means that nobody waits any more.
                if sender
                    .send(prepare(loader, source, range, threads))
                    .is_err()
                {
                    return;
                }
            }
        });
        consume(extractor, receiver, ranges, &mut done)
    })
}

fn consume<T>(
    extractor: &mut Extractor,
    receiver: Receiver<Result<ViewBatch, RunError>>,
    ranges: Vec<Range<usize>>,
    done: &mut T,
) -> Result<()>
where
    T: FnMut((Range<usize>, burn::tensor::Tensor<2>)) -> Result<()>,
{
    // A batch is queued before the one before is read, so that a GPU does not wait for the host.
    let mut queued = None;
    for range in ranges {
        let batch = receiver.recv();
        let batch = batch.context("the loader stopped before the last image")??;
        let next = (range, extractor.features(batch)?);
        if let Some(before) = queued.replace(next) {
            done(before)?;
        }
    }
    queued.map_or(Ok(()), done)
}

/// One batch, made by several threads.
fn prepare(
    loader: ViewLoader,
    source: &dyn Source,
    range: Range<usize>,
    threads: usize,
) -> Result<ViewBatch, RunError> {
    let part = range.len().div_ceil(threads.max(1)).max(PART);
    let parts: Result<Vec<_>, _> = thread::scope(|scope| {
        let starts = range.clone().step_by(part);
        let working: Vec<_> = starts
            .map(|from| {
                let own = from..(from + part).min(range.end);
                scope.spawn(move || loader.part(source, own))
            })
            .collect();
        let failed = || RunError::Device("a loader thread failed".to_string());
        let parts = working.into_iter().map(|thread| thread.join());
        parts.map(|part| part.map_err(|_| failed())?).collect()
    });
    loader.join(parts?)
}
