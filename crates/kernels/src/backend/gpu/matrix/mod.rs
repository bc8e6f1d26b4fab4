//! Products by matrix instructions (cooperative matrices, tensor cores), where a device's driver lists them: through SPIR-V
//! on Vulkan and MSL on Metal. WGSL has none.
//!
//! Operands are rounded to two bytes a value while they are staged in shared memory; products and sums are f32. So a result
//! `r = a_1 b_1 + ... + a_n b_n` has an error of at most `(2 u + u^2) (|a_1 b_1| + ... + |a_n b_n|)` more than the f32
//! product's, with `u = 2^-11` for f16 and `2^-8` for bf16, none where operands are stored so already; f16 operands below
//! 2^-14 are rounded to multiples of 2^-24 instead.

pub(crate) mod fragment;
pub(crate) mod product;
pub(crate) mod tile;
