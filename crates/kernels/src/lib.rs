//! The operations of Parallax's networks, with their gradients, on CPUs and GPUs.
//!
//! Activations are channels-last, `[batch, height, width, channels]`: a vector register of the CPU and a vector load of the GPU
//! hold neighbouring channels. Weights keep PyTorch's order, `[out, in, height, width]`.
//!
//! Modules, each of which imports only those above it:
//!
//! - [`shape`], [`options`], `dtype`, `operands`, `sampling` and `pixel_labels` describe operands;
//! - [`ops`] is the interface of a device, the trait [`ops::Kernels`], and its entry into Burn's dispatch;
//! - `reference` computes in f64, for tests;
//! - [`backend`] implements the trait for CPUs and GPUs. The CPU's loops, in [`backend::cpu`], do not depend on Burn;
//! - `autodiff` has the backward rules;
//! - [`update`], `running`, `packed`, [`layers`], `resample`, `hard_pixels` and [`gradients`] are the functions that networks, benchmarks and
//!   optimisers call.

mod across;
mod autodiff;
pub mod backend;
mod dtype;
pub mod gradients;
mod hard_pixels;
pub mod layers;
mod operands;
pub mod ops;
pub mod options;
mod packed;
mod pixel_labels;
mod reference;
mod resample;
mod running;
mod sampling;
pub mod shape;
pub mod update;

pub use across::gather_rows;
#[cfg(target_family = "wasm")]
pub use backend::cpu::Lock;
pub use backend::cpu::{Rounding, in_parallel, release_buffers, thread_count};
pub use backend::gpu::adapter::{
    Adapter, is_gpu, is_software_adapter, largest_tensor, shader_language,
};
pub use backend::gpu::cut::{Cut, Target};
#[cfg(not(target_family = "wasm"))]
pub use backend::gpu::instructions::{
    MatrixInstructions, listed_matrix_instructions, matrix_instructions, set_matrix_instructions,
};
pub use backend::gpu::largest::{InColumn, Largest};
pub use backend::gpu::launch::{LaunchCost, LaunchPlan};
pub use backend::gpu::linear::linear_launch;
#[cfg(not(target_family = "wasm"))]
pub use backend::gpu::matrix::{
    fragment::{Fragment, Operand},
    tile::MatrixTile,
};
pub use backend::gpu::norm::norm_launches;
pub use backend::gpu::plan::conv_launch;
pub use backend::gpu::pool::pool_launches;
pub use backend::gpu::tile::Tile;
pub use backend::gpu::tiled::{conv_with_tile, linear_with_tile};
pub use dtype::{stores, widen};
pub use hard_pixels::hard_pixels;
pub use layers::{
    Normed, batch_norm, conv2d, conv2d_normalized, conv2d_packed, linear, log_softmax, max_pool2d,
    mean_of_pixels, normalize_with, row_sums, synchronised_batch_norm,
};
pub use operands::{Entered, Operands};
pub use options::{Activation, ConvOptions, LarsOptions, RunningUpdate, SgdOptions};
pub use packed::PackedWeight;
pub use pixel_labels::{LogitShape, PixelLabels};
pub use resample::{
    average_pool2d, deconv2x2, resize_bilinear, roi_align, scale_bilinear, upsample_nearest2x,
};
pub use running::RunningStatistics;
pub use sampling::{Roi, RoiAlign, RoiAxis, Sampling};
pub use shape::{ConvShape, LinearShape, PoolShape, Product};
pub use update::{Parameter, lars_steps, sgd_steps, weighted_sum, weighted_sums};
