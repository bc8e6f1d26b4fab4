//! What the kernels for GPUs launch, listed without a device.

use parallax_kernels::{
    LaunchPlan, Product, Target, conv_launch, linear_launch, norm_launches, pool_launches,
};
use serde::Serialize;

use crate::cases::{Case, Setting, cases};
use crate::table::{Table, dash, million, number};
use crate::timer::BenchError;

/// How an operation is launched on a GPU and what that costs: see [`LaunchPlan`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Launch {
    /// As in `4 x 4 by 16 x 16 invocations, depth 16`; empty without a tile.
    pub tile: String,
    /// Bytes of shared memory that are read for each multiply-add; `None` without a tile.
    pub shared_traffic: Option<f64>,
    /// Bytes of shared memory of a workgroup; 0 without a tile.
    pub shared_bytes: usize,
    /// Sums that an invocation keeps in registers; 0 without a tile.
    pub sums: usize,
    /// Matrix instructions, those on the padding of tiles left out; 0 where registers multiply.
    pub matrix_instructions: u64,
    /// Workgroups of the main kernel.
    pub workgroups: usize,
    /// Splits of a sum, computed concurrently.
    pub splits: usize,
    /// Kernels launched.
    pub dispatches: usize,
    /// Bytes loaded and stored in global memory.
    pub bytes: u64,
    /// Bytes of every operand read once and every result written once.
    pub minimum: u64,
    /// Multiply-adds of the result.
    pub multiply_adds: u64,
    /// Bytes in multiples of the minimum.
    pub traffic: f64,
    /// Multiply-adds for each byte; `None` where an operation is bound by memory.
    pub intensity: Option<f64>,
}

impl From<LaunchPlan> for Launch {
    fn from(plan: LaunchPlan) -> Self {
        let cost = plan.cost;
        Self {
            tile: plan.cut.map_or_else(String::new, |cut| cut.to_string()),
            shared_traffic: plan.cut.map(|cut| cut.shared_traffic()),
            shared_bytes: plan.cut.map_or(0, |cut| cut.shared_bytes()),
            sums: plan.cut.map_or(0, |cut| cut.sums()),
            matrix_instructions: plan
                .cut
                .and_then(|cut| cut.matrix_instruction())
                .map_or(0, |each| cost.multiply_adds.div_ceil(each)),
            workgroups: plan.workgroups,
            splits: plan.splits,
            dispatches: plan.dispatches,
            bytes: cost.bytes,
            minimum: cost.minimum_bytes,
            multiply_adds: cost.multiply_adds,
            traffic: cost.traffic(),
            intensity: cost.intensity(),
        }
    }
}

/// An operation and how it is launched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaunchLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient`, ...
    pub operation: &'static str,
    /// How.
    #[serde(flatten)]
    pub launch: Launch,
}

impl LaunchLine {
    /// The columns of [`LaunchLine::cells`]; two of text, the tile's last.
    pub fn table() -> Table {
        Table::new(
            &["shape", "operation"],
            &[
                "workgroups",
                "splits",
                "dispatches",
                "MB",
                "of minimum",
                "mul-adds/byte",
                "shared B/mul-add",
                "matrix instructions",
                "tile",
            ],
        )
    }

    /// The line as text.
    pub fn cells(&self) -> Vec<String> {
        let launch = &self.launch;
        vec![
            self.shape.clone(),
            self.operation.to_string(),
            launch.workgroups.to_string(),
            launch.splits.to_string(),
            launch.dispatches.to_string(),
            million(launch.bytes as f64),
            number(launch.traffic, 1),
            launch.intensity.map_or_else(dash, |rate| number(rate, 1)),
            launch.shared_traffic.map_or_else(dash, |it| number(it, 3)),
            match launch.matrix_instructions {
                0 => dash(),
                count => million(count as f64),
            },
            match launch.tile.is_empty() {
                true => dash(),
                false => launch.tile.clone(),
            },
        ]
    }
}

/// How every operation that [`crate::kernels`] measures is launched on a device of this kind.
///
/// # Errors
/// When a size is zero.
pub fn launch_lines(setting: &Setting, target: Target) -> Result<Vec<LaunchLine>, BenchError> {
    setting.check()?;
    let lines = cases(setting).into_iter().flat_map(|case| {
        let shape = case.name();
        let line = move |(operation, plan): (&'static str, LaunchPlan)| LaunchLine {
            shape: shape.clone(),
            operation,
            launch: plan.into(),
        };
        operations(&case, target).into_iter().map(line)
    });
    Ok(lines.collect())
}

/// The operations of a case, in the order in which they are measured.
pub(crate) fn operations(case: &Case, target: Target) -> Vec<(&'static str, LaunchPlan)> {
    const PASSES: [&str; 2] = ["forward", "backward"];
    match case {
        Case::Conv(shape) => Product::ALL
            .map(|product| (product.name(), conv_launch(shape, product, target)))
            .to_vec(),
        Case::Norm([rows, channels]) => {
            let plans = norm_launches(*rows, *channels, false, true);
            PASSES.into_iter().zip(plans).collect()
        }
        Case::Pool(shape) => PASSES.into_iter().zip(pool_launches(shape)).collect(),
        Case::Linear(shape, weight) => weight
            .products()
            .iter()
            .map(|&product| (product.name(), linear_launch(shape, product, target)))
            .collect(),
    }
}
