//! Every operation of a step by itself, ours and Burn's own.

use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{Adapter, conv2d};
use serde::Serialize;

use crate::cases::{Setting, cases};
use crate::ours::{ours, random};
use crate::plan::{Plan, dash, operations};
use crate::table::{Table, number};
use crate::theirs::theirs;
use crate::timer::{Bench, BenchError};

/// Seconds of a product that a larger one may follow.
const SHORT: f64 = 1e-3;

/// An operation, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient`, `weight gradient` or `backward`.
    pub operation: &'static str,
    /// Seconds of our operation.
    pub seconds: f64,
    /// Seconds of Burn's own.
    pub stock_seconds: f64,
    /// Kernels that ours launched, counted; 0 on the CPU.
    pub dispatches: usize,
    /// Kernels that Burn's own launched.
    pub stock_dispatches: usize,
    /// Multiply-adds counted as two, a second; `None` where memory is what counts.
    pub rate: Option<f64>,
    /// Share of the rate of our best matrix product.
    pub of_best: Option<f64>,
    /// How it is launched where the device is a GPU.
    pub plan: Option<Plan>,
    /// Bytes of every operand read once and every result written once.
    pub minimum: u64,
}

impl KernelLine {
    /// The columns of [`KernelLine::cells`].
    pub fn table() -> Table {
        Table::new(
            &["shape", "operation"],
            &[
                "ours, ms",
                "Burn, ms",
                "ratio",
                "GFLOP/s",
                "of best",
                "GB/s",
                "dispatches",
                "Burn's",
                "of minimum",
                "mul-adds/byte",
            ],
        )
    }

    /// The line as text.
    pub fn cells(&self) -> Vec<String> {
        let count = |launched: usize| match self.plan {
            Some(_) => launched.to_string(),
            None => dash(),
        };
        let of_plan = |figure: fn(&Plan) -> Option<f64>| {
            let value = self.plan.as_ref().and_then(figure);
            value.map_or_else(dash, |value| number(value, 1))
        };
        vec![
            self.shape.clone(),
            self.operation.to_string(),
            number(self.seconds * 1e3, 3),
            number(self.stock_seconds * 1e3, 3),
            number(self.stock_seconds / self.seconds, 2),
            self.rate.map_or_else(dash, |rate| number(rate / 1e9, 1)),
            self.of_best
                .map_or_else(dash, |share| format!("{} %", number(100.0 * share, 0))),
            number(self.minimum as f64 / self.seconds / 1e9, 1),
            count(self.dispatches),
            count(self.stock_dispatches),
            of_plan(|plan| plan.traffic),
            of_plan(|plan| plan.intensity),
        ]
    }
}

/// Operations a second of our best product of two square matrices, a convolution of one tap: of 512 values a side, and of
/// larger ones as long as the device makes short work of them.
///
/// # Errors
/// When the device has failed.
pub async fn product_rate(bench: &Bench<'_>) -> Result<f64, BenchError> {
    let options = ConvOptions {
        stride: 1,
        padding: 0,
        dilation: 1,
    };
    let mut best = 0f64;
    for side in [512, 1024, 2048, 4096] {
        let (x, weight) = (
            random([1, side / 32, 32, side], bench.device()),
            random([side, side, 1, 1], bench.device()),
        );
        let measured = bench
            .measure(|| drop(conv2d(x.clone(), weight.clone(), options)))
            .await?;
        best = best.max(2.0 * (side as f64).powi(3) / measured.seconds);
        if measured.seconds > SHORT {
            break;
        }
    }
    Ok(best)
}

/// Measures everything, and hands each line over as soon as it is there. `best` is [`product_rate`].
///
/// # Errors
/// When a size is zero or the device has failed.
pub async fn kernels(
    bench: &Bench<'_>,
    setting: &Setting,
    best: f64,
    mut on_line: impl FnMut(&KernelLine),
) -> Result<(), BenchError> {
    setting.check()?;
    let adapter = Adapter::of_device(bench.device()).unwrap_or_default();
    for case in cases(setting) {
        let device = bench.device();
        let pairs = ours(device, &case).into_iter().zip(theirs(device, &case));
        for ((operation, choice), (ours, stock)) in
            operations(&case, adapter).into_iter().zip(pairs)
        {
            let measured = bench.in_turn(&[ours, stock]).await?;
            let (ours, stock) = (measured[0], measured[1]);
            let flops = 2.0 * choice.multiply_adds as f64;
            let rate = (flops > 0.0).then(|| flops / ours.seconds);
            on_line(&KernelLine {
                shape: case.name(),
                operation,
                seconds: ours.seconds,
                stock_seconds: stock.seconds,
                dispatches: ours.dispatches,
                stock_dispatches: stock.dispatches,
                rate,
                of_best: rate.map(|rate| rate / best),
                minimum: choice.minimum,
                plan: (ours.dispatches > 0).then(|| choice.into()),
            });
        }
    }
    Ok(())
}
