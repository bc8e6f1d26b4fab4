//! The exact pixel arithmetic of methods.md 1.4: bit for bit what Pillow 9 to 11 computes.
//!
//! Every operation takes and leaves 8-bit values. The functions here trust their arguments; `Op::check` checks them.
//! They run on the CPU for every training image: none allocates inside a loop over pixels, and the inner loops run
//! over planes without branches, so that the compiler makes vectors of them.

pub(crate) mod blend;
pub(crate) mod blur;
pub(crate) mod hue;
pub(crate) mod resize;
pub(crate) mod tone;

#[cfg(test)]
mod golden;
