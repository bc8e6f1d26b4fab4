//! What the kernels for GPUs launch, listed without a device.

use parallax_kernels::{Adapter, Choice, choices, linear_choices, norm_choices, pool_choices};
use serde::Serialize;

use crate::cases::{Case, Setting, Weight, cases};
use crate::table::{Table, million, number};
use crate::timer::BenchError;

/// How an operation is launched on a GPU: see [`Choice`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// As in `4 x 4 by 16 x 16 units, depth 16`; empty without a tile.
    pub tile: String,
    /// Cubes of the products.
    pub cubes: usize,
    /// Parts of a sum, side by side.
    pub parts: usize,
    /// Kernels launched.
    pub dispatches: usize,
    /// Bytes asked of global memory; `None` where that depends on values.
    pub bytes: Option<u64>,
    /// Bytes of every operand read once and every result written once.
    pub minimum: u64,
    /// Multiplications with their additions.
    pub multiply_adds: u64,
    /// Bytes asked for in multiples of the minimum.
    pub traffic: Option<f64>,
    /// Multiply-adds for each byte asked for.
    pub intensity: Option<f64>,
}

impl From<Choice> for Plan {
    fn from(choice: Choice) -> Self {
        Self {
            traffic: choice.traffic(),
            intensity: choice.intensity(),
            tile: choice.tile,
            cubes: choice.cubes,
            parts: choice.parts,
            dispatches: choice.dispatches,
            bytes: choice.bytes,
            minimum: choice.minimum,
            multiply_adds: choice.multiply_adds,
        }
    }
}

/// An operation and how it is launched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient`, ...
    pub operation: &'static str,
    /// How.
    #[serde(flatten)]
    pub plan: Plan,
}

impl PlanLine {
    /// The columns of [`PlanLine::cells`]; two of text, the tile's last.
    pub fn table() -> Table {
        Table::new(
            &["shape", "operation"],
            &[
                "cubes",
                "parts",
                "dispatches",
                "MB",
                "of minimum",
                "mul-adds/byte",
                "tile",
            ],
        )
    }

    /// The line as text.
    pub fn cells(&self) -> Vec<String> {
        let plan = &self.plan;
        vec![
            self.shape.clone(),
            self.operation.to_string(),
            plan.cubes.to_string(),
            plan.parts.to_string(),
            plan.dispatches.to_string(),
            plan.bytes.map_or_else(dash, |bytes| million(bytes as f64)),
            plan.traffic.map_or_else(dash, |times| number(times, 1)),
            plan.intensity.map_or_else(dash, |rate| number(rate, 1)),
            match plan.tile.is_empty() {
                true => dash(),
                false => plan.tile.clone(),
            },
        ]
    }
}

pub(crate) fn dash() -> String {
    "-".to_string()
}

/// How every operation that [`crate::kernels`] measures is launched on an adapter of this kind.
///
/// # Errors
/// When a size is zero.
pub fn plans(setting: &Setting, adapter: Adapter) -> Result<Vec<PlanLine>, BenchError> {
    setting.check()?;
    let lines = cases(setting).into_iter().flat_map(|case| {
        let shape = case.name();
        let line = move |(operation, choice): (&'static str, Choice)| PlanLine {
            shape: shape.clone(),
            operation,
            plan: choice.into(),
        };
        operations(&case, adapter).into_iter().map(line)
    });
    Ok(lines.collect())
}

/// The operations of a case, in the order in which they are measured.
pub(crate) fn operations(case: &Case, adapter: Adapter) -> Vec<(&'static str, Choice)> {
    const PRODUCTS: [&str; 3] = ["forward", "input gradient", "weight gradient"];
    const PASSES: [&str; 2] = ["forward", "backward"];
    match case {
        Case::Conv(shape) => PRODUCTS.into_iter().zip(choices(shape, adapter)).collect(),
        Case::Norm([rows, channels]) => {
            let choices = norm_choices(*rows, *channels, false, true, adapter);
            PASSES.into_iter().zip(choices).collect()
        }
        Case::Pool(shape) => PASSES.into_iter().zip(pool_choices(shape)).collect(),
        Case::Linear(shape, weight) => {
            let products = if *weight == Weight::Queue { 2 } else { 3 };
            let choices = linear_choices(shape, adapter).into_iter().take(products);
            PRODUCTS.into_iter().zip(choices).collect()
        }
    }
}
