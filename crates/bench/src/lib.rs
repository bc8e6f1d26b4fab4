//! What the operations of a step and views cost on a device, beside Burn's own, and what a whole training step costs:
//! one definition for the command line and for a browser.
//!
//! Time is handed in as a closure that gives seconds. What waits for a device is `async`, because a browser must not
//! block. What the kernels launch for a shape is listed without a device: [`plans`].

mod cases;
mod kernels;
mod launches;
mod ours;
mod plan;
mod step;
mod stock;
mod stock_views;
mod table;
mod theirs;
mod tiles;
mod timer;
mod views;

pub use cases::{Setting, convolutions};
pub use kernels::{KernelLine, SIDES, kernels};
pub use launches::launches;
pub use plan::{Plan, PlanLine, plans};
pub use step::{StepReport, StepSetting, step};
pub use table::Table;
pub use tiles::{TileLine, tile_lines};
pub use timer::{Bench, BenchError, Measured};
pub use views::{Bytes, ViewLine, ViewSetting, image, views};
