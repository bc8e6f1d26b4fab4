//! The operations: [`Kernels`] is what a device implements, and the other traits are its entries into Burn's dispatch.

mod dispatch;
mod kernels;
mod spatial;

pub use self::dispatch::{GradientOps, InferenceOps, LayerOps, UpdateOps};
pub use self::kernels::{GivenNorm, Kernels, SavedNorm};
pub use self::spatial::SpatialOps;
