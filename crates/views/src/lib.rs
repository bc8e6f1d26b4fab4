//! From one example to its augmented views: augmentation policies and exact pixels.
//!
//! A view is sampled as a list of explicit operations ([`draw_view`]), which is then applied ([`apply_all`]): sampling
//! knows no pixels and pixels know no randomness, so the same list can be replayed by another implementation and
//! compared. [`write_normalized`] turns the result into what a network takes.

#[macro_use]
mod vectors;

mod canvas;
mod caption;
mod error;
mod image;
mod normalize;
mod op;
mod ops;
mod pipeline;
mod planes;
mod policy;

pub use canvas::Canvas;
pub use error::{OpError, PolicyError};
pub use image::Image;
pub use normalize::{LengthMismatch, MEAN, STD, normalized_values, write_normalized};
pub use op::{MAX_PIXELS, MAX_SIDE, MAX_SIGMA, Op, apply_all, check_image};
pub use ops::blur::ExtendedBox;
pub use ops::resize::{BITS as RESIZE_BITS, Taps};
pub use pipeline::{Pipeline, UnknownPipeline, ViewKey, draw_view};
pub use policy::{CropSpec, Policy, Step, eval_ops};
