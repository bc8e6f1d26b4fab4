//! Benchmarks: the operations of a step and of augmentation, ours and Burn's own, and whole training steps; one definition
//! for the command line and for a browser.
//!
//! Time is handed in as a closure that gives seconds. What waits for a device is `async`, because a browser must not
//! block. What the kernels launch for a shape is listed without a device: [`launch_lines`].

mod cases;
mod kernels;
mod launch_lines;
mod launches;
mod ours;
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
pub use launch_lines::{Launch, LaunchLine, launch_lines};
pub use launches::{count_launches, launches};
pub use step::{StepReport, StepSetting, step};
pub use table::Table;
pub use tiles::{TileLine, tile_lines};
pub use timer::{Bench, BenchError, Measured};
pub use views::{Bytes, ViewLine, ViewSetting, image, views};
