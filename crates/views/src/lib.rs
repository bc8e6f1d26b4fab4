//! Augmented views of an image: augmentation policies and exact pixels.
//!
//! A view is sampled as a list of explicit operations ([`draw_view`]), which are then applied ([`apply_all`]). Sampling
//! touches no pixels and pixel operations draw nothing at random, so another implementation can replay the same list.
//! [`write_normalized`] writes the result as a network takes it.
//!
//! Modules build on one another in this order: `image`, `op` (operations as data), `ops` (their pixels), `canvas` (applies
//! lists), `policy` (samples lists), `pipeline` (the paper's policies), `geometry` (lists
//! for images with boxes, polygons or label maps, and what they do to those).

#[macro_use]
mod vectors;

mod canvas;
mod caption;
mod error;
mod geometry;
mod image;
mod normalize;
mod op;
mod ops;
mod pipeline;
mod planes;
mod policy;
#[cfg(test)]
mod reference_vectors;

pub use canvas::{Canvas, apply_all};
pub use error::{OpError, PolicyError};
pub use geometry::{Geometry, Moved, has_sides, move_labels, shortest_edge};
pub use image::{Image, MAX_PIXELS, MAX_SIDE};
pub use normalize::{LengthMismatch, MEAN, STD, normalized_values, write_normalized};
pub use op::{MAX_SIGMA, Op, check_image};
pub use ops::blur::ExtendedBox;
pub use ops::resize::{BITS as RESIZE_BITS, Taps};
pub use pipeline::{Pipeline, UnknownPipeline, draw_view};
pub use policy::{CropSpec, Policy, Step, ViewKey, eval_ops};
