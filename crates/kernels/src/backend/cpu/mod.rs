//! The CPU's loops, from slices to slices: one source for AVX-512, AVX2, NEON and WASM SIMD.
//!
//! Activations are channels-last, `[batch, height, width, channels]`, so that a vector holds channels and every sum has one
//! order, whatever the vector width or the number of threads. [`ConvPlan`] and [`LinearPlan`] select the algorithm.

mod buffers;
mod conv;
mod conv_weight;
mod epilogue;
mod exponential;
mod linear_packed;
mod linear_transposed;
mod norm;
mod norm_loops;
mod pack;
mod pixel_losses;
mod pool;
mod rounding;
mod sampling;
mod select;
mod threads;
mod tile;
mod update;
mod weight;
mod winograd;

pub(crate) use buffers::recycle;
pub use buffers::release_buffers;
pub use epilogue::Epilogue;
pub use norm::{NormGrad, NormPass, Normed, batch_norm, batch_norm_backward};
pub use pixel_losses::{pixel_losses, pixel_losses_backward};
pub use pool::{max_pool, max_pool_backward};
pub use rounding::{Rounding, RoundingError};
pub use sampling::{sample, sample_backward};
pub use select::{
    ConvPlan, LinearPlan, conv2d, conv2d_grad_input, conv2d_grad_weight, conv2d_with, linear,
    linear_grad_input, linear_grad_weight,
};
#[cfg(target_family = "wasm")]
pub use threads::wasm::Lock;
pub use threads::{count as thread_count, each as in_parallel};
pub use update::{sgd_step, weighted_sum};
