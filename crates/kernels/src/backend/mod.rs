//! Devices: what implements [`crate::ops`] on each.

pub mod cpu;
mod flex;
pub(crate) mod gpu;
pub(crate) mod pooled;
