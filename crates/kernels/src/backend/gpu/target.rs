//! What the rules know of the device of a tensor.

use burn_cubecl::tensor::CubeTensor;

use super::adapter::Adapter;
use super::cut::Target;

/// The device of a product's operands. Those in half precision may be rounded for its matrix instructions, those in f32 as
/// [`crate::Operands`] has it.
pub(super) fn target_of(tensor: &CubeTensor) -> Target {
    let target = Target::of_adapter(Adapter::of_tensor(tensor));
    #[cfg(not(target_family = "wasm"))]
    if let Some(matrices) = super::instructions::of_tensor(tensor) {
        return target.with_matrices(matrices);
    }
    target
}
