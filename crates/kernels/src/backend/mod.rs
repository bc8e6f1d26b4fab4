//! The implementations of [`crate::ops::Kernels`]: loops for CPUs, CubeCL kernels for GPUs.

pub mod cpu;
mod flex;
pub(crate) mod gpu;
mod pooled;
