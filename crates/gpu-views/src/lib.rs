//! Augmented views on a GPU, bit for bit those of the CPU engine (`parallax_views`, methods.md 1.4).
//!
//! [`Packer`] collects decoded images with the operations of their views. `plan` turns each list of operations into one
//! resampling and stages of colour operations and blur, `encode` writes plans, resize weights and tables as words, and
//! `kernels` computes them in integers. [`ViewBatch::normalized`] takes one launch for all views, and one more for each
//! view of an image, where no view needs more than one stage.

mod batch;
mod blend;
mod colour;
mod cost;
mod encode;
mod error;
mod hue;
mod kernels;
mod ops;
mod plan;
mod run;

pub use batch::{Packer, ViewBatch};
pub use cost::Cost;
pub use error::ViewError;
pub use ops::{Launch, ViewOps};
pub use run::runs_on;
