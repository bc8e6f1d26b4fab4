//! The CPU path: plain slices in, plain slices out; one source for AVX-512, AVX2, NEON and WASM SIMD.
//!
//! Activations are channels-last, `[batch, height, width, channels]`, so that a vector holds channels
//! and every sum runs in one order, whatever the width of the vectors or the number of threads.

mod conv;
mod conv_weight;
mod linear;
mod norm;
mod norm_loops;
mod pack;
mod pool;
mod rounding;
mod scratch;
mod threads;
mod tile;
mod turned;
mod update;
mod weight;
mod winograd;

pub use conv::{conv2d, conv2d_grad_input};
pub use conv_weight::conv2d_grad_weight;
pub use linear::{linear, linear_grad_input, linear_grad_weight};
pub use norm::{NormGrad, NormPass, Normed, batch_norm, batch_norm_backward};
pub use pool::{max_pool, max_pool_backward};
pub use rounding::Rounding;
pub(crate) use scratch::keep;
pub use update::{SgdOptions, sgd_step, weighted_sum};
