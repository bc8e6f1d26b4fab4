//! Every product of a step with each tile that the rule for GPUs chooses among: what the rule should say.

use std::rc::Rc;

use burn::tensor::Device;
use parallax_kernels::{Adapter, assume_tile, tiles};
use serde::Serialize;

use crate::cases::{Case, Setting, cases};
use crate::ours::ours;
use crate::plan::operations;
use crate::table::number;
use crate::timer::{Bench, BenchError, Work};

/// A product, measured with every tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TileLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient` or `weight gradient`.
    pub operation: &'static str,
    /// The tile of the rule.
    pub rule: String,
    /// Seconds with the rule's choice.
    pub seconds: f64,
    /// Seconds with each of [`tiles`].
    pub with: Vec<f64>,
}

impl TileLine {
    /// Seconds as milliseconds, the rule's first.
    pub fn cells(&self) -> Vec<String> {
        let times = std::iter::once(&self.seconds).chain(&self.with);
        let times = times.map(|seconds| number(seconds * 1e3, 3));
        [self.shape.clone(), self.operation.to_string()]
            .into_iter()
            .chain(times)
            .collect()
    }
}

/// Measures every product with every tile, and hands each line over as soon as it is there.
///
/// # Errors
/// When a size is zero, the device has failed, or it does not choose among tiles.
pub async fn tile_lines(
    bench: &Bench<'_>,
    setting: &Setting,
    mut on_line: impl FnMut(&TileLine),
) -> Result<(), BenchError> {
    setting.check()?;
    check(bench.device())?;
    for case in cases(setting) {
        if !matches!(case, Case::Conv(_) | Case::Linear(..)) {
            continue;
        }
        let works = ours(bench.device(), &case).into_iter();
        for ((operation, choice), work) in
            operations(&case, Adapter::Hardware).into_iter().zip(works)
        {
            let mut works: Vec<Work> = vec![work.clone()];
            for number in 0..tiles().len() {
                let work = work.clone();
                works.push(Rc::new(move || {
                    assume_tile(Some(number));
                    work();
                    assume_tile(None);
                }));
            }
            let measured = bench.in_turn(&works).await?;
            let mut times = measured.iter().map(|measured| measured.seconds);
            on_line(&TileLine {
                shape: case.name(),
                operation,
                rule: choice.tile,
                seconds: times.next().unwrap_or_default(),
                with: times.collect(),
            });
        }
    }
    Ok(())
}

fn check(device: &Device) -> Result<(), BenchError> {
    match Adapter::of_device(device) {
        Some(Adapter::Hardware) => Ok(()),
        _ => Err(BenchError::NoTiles),
    }
}
