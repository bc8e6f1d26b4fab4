//! The exact pixel arithmetic of methods.md 1.4: bit for bit what Pillow 9 to 11 computes.
//!
//! Every operation takes and leaves 8-bit values. The functions here trust their arguments; `Op::apply` checks them.
//! They run on the CPU for every training picture, so none allocates inside a loop over pixels.

pub mod blend;
pub mod blur;
pub mod geometry;
pub mod hue;
pub mod resize;
pub mod tone;

#[cfg(test)]
mod golden;
