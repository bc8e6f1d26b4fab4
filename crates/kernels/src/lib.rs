//! Training operations of Parallax's networks: right and fast on every device, with their gradients.
//!
//! Activations are channels-last, `[batch, height, width, channels]`: a vector of the CPU and a load of
//! the GPU take neighbouring channels. Weights keep PyTorch's order, `[out, in, height, width]`.
//!
//! The way of a call: [`layers`] checks shapes and enters Burn's dispatch; [`ops`] names what a device must
//! offer; [`backend`] implements it for the CPU and for GPUs, `reference` in f64 and in half precision for checks on the CPU;
//! `autodiff` ties forward and backward together. The CPU's loops are in [`backend::cpu`], and know nothing of Burn. The
//! dtype that values are stored in is the operands' own: `dtype`.

mod autodiff;
pub mod backend;
mod choices;
mod dtype;
pub mod gradients;
pub mod layers;
pub mod ops;
mod reference;
pub mod shape;
pub mod update;

pub use backend::cpu::Rounding;
pub use backend::gpu::adapter::{Adapter, Program};
pub use backend::gpu::tile::{assume_tile, tiles};
pub use choices::{Choice, choices, linear_choices, norm_choices, pool_choices};
pub use dtype::{stores, widen};
pub use layers::{
    Activation, Normed, batch_norm, conv2d, linear, log_softmax, max_pool2d, normalize_with,
    row_sums,
};
pub use shape::{ConvShape, LinearShape, PoolShape};
pub use update::{SgdOptions, sgd_step, weighted_sum};
