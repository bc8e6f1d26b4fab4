//! Augmented views on a GPU, bit for bit those of the CPU (`parallax_views`, methods.md 1.4).
//!
//! The way of a batch: [`Packer`] takes decoded images with the operations of their views; `plan` turns a list of
//! operations into a movement of pixels and stages of colours and blur; `program` writes plans, weights and tables as
//! words; `kernels` computes with integers alone. Three dispatches make both views of a batch: one moves pixels, one
//! a view does the rest.

mod batch;
mod blend;
mod colour;
mod cost;
mod error;
mod hue;
mod kernels;
mod ops;
mod plan;
mod program;
mod run;

pub use batch::{Packer, ViewBatch};
pub use cost::Cost;
pub use error::ViewError;
pub use ops::{Launch, ViewOps};
pub use run::runs_on;
