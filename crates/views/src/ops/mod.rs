//! The pixel arithmetic of methods.md 1.4, bit for bit what Pillow 9 to 11 computes.
//!
//! Every operation maps 8-bit values to 8-bit values. The functions trust their arguments, which `Op::check` has checked.
//! They run on the CPU for every training image: none allocates inside a loop over pixels, and the inner loops run over
//! planes without branches, so that the compiler vectorises them.

pub(crate) mod blend;
pub(crate) mod blur;
pub(crate) mod hue;
pub(crate) mod resize;
pub(crate) mod tone;
