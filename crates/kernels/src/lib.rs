//! The operations of Parallax's networks, with their gradients, on CPUs and GPUs.
//!
//! Activations are channels-last, `[batch, height, width, channels]`: a vector register of the CPU and a vector load of the GPU
//! hold neighbouring channels. Weights keep PyTorch's order, `[out, in, height, width]`.
//!
//! Modules, each of which imports only those above it:
//!
//! - [`shape`], [`options`] and `dtype` describe operands;
//! - [`ops`] is the interface of a device, the trait [`ops::Kernels`], and its entry into Burn's dispatch;
//! - `reference` computes in f64, for tests;
//! - [`backend`] implements the trait for CPUs and GPUs. The CPU's loops, in [`backend::cpu`], do not depend on Burn;
//! - `autodiff` has the backward rules;
//! - [`layers`], [`gradients`] and [`update`] are the functions that networks, benchmarks and optimisers call.

mod autodiff;
pub mod backend;
mod choices;
mod dtype;
pub mod gradients;
pub mod layers;
pub mod ops;
pub mod options;
mod reference;
pub mod shape;
pub mod update;

pub use backend::cpu::Rounding;
pub use backend::gpu::adapter::{Adapter, Program, is_software_adapter};
pub use backend::gpu::tile::{assume_tile, tiles};
pub use choices::{Choice, choices, linear_choices, norm_choices, pool_choices};
pub use dtype::{stores, widen};
pub use layers::{
    Normed, batch_norm, conv2d, linear, log_softmax, max_pool2d, normalize_with, row_sums,
};
pub use options::{Activation, ConvOptions, SgdOptions};
pub use shape::{ConvShape, LinearShape, PoolShape};
pub use update::{sgd_step, weighted_sum};
