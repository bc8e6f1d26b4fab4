//! The operations: [`Kernels`] is what a device implements, and the other traits are its entries into Burn's dispatch.

mod dispatch;
mod head;
mod kernels;
mod many;
mod pack;
mod spatial;

pub use self::dispatch::{GradientOps, InferenceOps, LayerOps, UpdateOps};
pub use self::head::HeadOps;
pub use self::kernels::{GivenNorm, Kernels, ReluMask, Running, SavedNorm, SgdParameter};
pub use self::many::Many;
pub use self::pack::Packed;
pub use self::spatial::SpatialOps;
