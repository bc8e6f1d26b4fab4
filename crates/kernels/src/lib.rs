//! Training operations of Parallax's networks: right and fast on every device, with their gradients.
//!
//! Activations are channels-last, `[batch, height, width, channels]`: a vector of the CPU and a load of
//! the GPU take neighbouring channels. Weights keep PyTorch's order, `[out, in, height, width]`.
//!
//! The way of a call: [`layers`] checks shapes and enters Burn's dispatch; [`ops`] names what a device must
//! offer; `flex` (CPU) and `cube` (GPU) offer it, `double` in f64 and `narrow` in f16 for checks on the CPU; `autodiff` ties
//! forward and backward together. The CPU's loops are in [`cpu`], and know nothing of Burn. What values are stored in is
//! the operands' own business: `element`.

mod autodiff;
mod choices;
pub mod cpu;
mod cube;
mod double;
mod element;
mod flex;
pub mod gradients;
mod kept;
pub mod layers;
mod narrow;
pub mod ops;
pub mod update;

pub use choices::{Choice, choices, linear_choices, norm_choices, pool_choices};
pub use cpu::{ConvShape, LinearShape, PoolShape, Rounding};
pub use cube::adapter::{Adapter, Program};
pub use cube::tile::{assume_tile, tiles};
pub use element::{stores, widen};
pub use layers::{
    Activation, Normed, batch_norm, conv2d, linear, log_softmax, max_pool2d, normalize_with,
    row_sums,
};
pub use update::{Momentum, momentum_step, weighted_sum};
