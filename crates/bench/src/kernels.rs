//! Every operation of a step by itself, ours and Burn's own.

use std::rc::Rc;

use burn::tensor::Device;
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{Adapter, Target, conv2d};
use serde::Serialize;

use crate::cases::{Setting, cases};
use crate::launch_lines::{Launch, operations};
use crate::ours::{ours, random};
use crate::table::{Table, dash, number};
use crate::theirs::theirs;
use crate::timer::{Bench, BenchError, Work, median};

/// Sides of the square matrices whose product all rates are compared with.
pub const SIDES: [usize; 4] = [512, 1024, 2048, 4096];
/// A larger product is tried where one takes no more seconds than this.
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
    /// Share of the rate of our best matrix product, measured alternating with this.
    pub of_best: Option<f64>,
    /// How it is launched where the device is a GPU.
    pub launch: Option<Launch>,
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
        let count = |launched: usize| match self.launch {
            Some(_) => launched.to_string(),
            None => dash(),
        };
        let of_launch = |figure: fn(&Launch) -> Option<f64>| {
            let value = self.launch.as_ref().and_then(figure);
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
            of_launch(|launch| Some(launch.traffic)),
            of_launch(|launch| launch.intensity),
        ]
    }
}

/// A product of two square matrices, as a convolution of one tap.
struct Product {
    work: Work,
    /// Multiply-adds counted as two.
    operations: f64,
}

impl Product {
    fn of(side: usize, device: &Device) -> Self {
        let options = ConvOptions {
            stride: 1,
            padding: 0,
            dilation: 1,
        };
        let (x, weight) = (
            random([1, side / 32, 32, side], device),
            random([side, side, 1, 1], device),
        );
        Self {
            work: Rc::new(move || drop(conv2d(x.clone(), weight.clone(), None, options))),
            operations: 2.0 * (side as f64).powi(3),
        }
    }

    /// The product with the best rate: of the first of `sides`, or of a larger one where those are short.
    async fn best(bench: &Bench<'_>, sides: &[usize]) -> Result<Option<Self>, BenchError> {
        let mut best = None;
        let mut best_rate = 0.0;
        for &side in sides {
            let product = Self::of(side, bench.device());
            let seconds = bench.measure(|| (product.work)()).await?.seconds;
            let rate = product.operations / seconds;
            if rate > best_rate {
                (best_rate, best) = (rate, Some(product));
            }
            if seconds > SHORT {
                break;
            }
        }
        Ok(best)
    }
}

/// Measures everything, and hands each line over as soon as it is there. Returns the operations a second of our best product of
/// square matrices with one of `sides`, multiples of 32 and mostly [`SIDES`]: the median of its measurements, each
/// alternating with those of a line.
///
/// # Errors
/// When a size is zero or the device has failed.
pub async fn kernels(
    bench: &Bench<'_>,
    setting: &Setting,
    sides: &[usize],
    mut on_line: impl FnMut(&KernelLine),
) -> Result<f64, BenchError> {
    setting.check()?;
    let best = Product::best(bench, sides).await?;
    let mut best_rates = Vec::new();
    for case in cases(setting) {
        let device = bench.device();
        let pairs = ours(device, &case).into_iter().zip(theirs(device, &case));
        for ((operation, plan), (ours, stock)) in
            operations(&case, Target::of_adapter(Adapter::of_device(device)))
                .into_iter()
                .zip(pairs)
        {
            let flops = 2.0 * plan.cost.multiply_adds as f64;
            let product = best.as_ref().filter(|_| flops > 0.0);
            let works = [ours, stock]
                .into_iter()
                .chain(product.map(|product| product.work.clone()));
            let measured = bench.in_turn(&works.collect::<Vec<_>>()).await?;
            let (ours, stock, best_product) = (measured[0], measured[1], measured.get(2));
            let rate = (flops > 0.0).then(|| flops / ours.seconds);
            let best_rate = product
                .zip(best_product)
                .map(|(product, measured)| product.operations / measured.seconds);
            best_rates.extend(best_rate);
            on_line(&KernelLine {
                shape: case.name(),
                operation,
                seconds: ours.seconds,
                stock_seconds: stock.seconds,
                dispatches: ours.dispatches,
                stock_dispatches: stock.dispatches,
                rate,
                of_best: rate.zip(best_rate).map(|(rate, best)| rate / best),
                minimum: plan.cost.minimum_bytes,
                launch: (ours.dispatches > 0).then(|| plan.into()),
            });
        }
    }
    Ok(median(best_rates))
}
