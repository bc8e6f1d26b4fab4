//! CPU tensors in pooled buffers, which return to the pool when the tensor is dropped.
#![expect(
    unsafe_code,
    reason = "Burn takes memory of another allocator through an unsafe interface alone"
)]

use std::fmt;
use std::mem::MaybeUninit;

use burn_flex::{FlexTensor, Layout};
use burn_std::{
    AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes, DType, Shape,
};

use super::cpu::recycle;

/// A tensor of these values in a pooled buffer.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    shaped(values, Shape::from(shape))
}

/// A tensor of these values in a shape of any rank.
pub fn shaped(values: Vec<f32>, shape: Shape) -> FlexTensor {
    let len = size_of_val(values.as_slice());
    // SAFETY: all `len` bytes are initialised: they are those of the vector's values.
    let bytes = unsafe { Bytes::from_controller(Box::new(Pooled(values)), len) };
    FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32)
}

/// Owns the values; never grows.
struct Pooled(Vec<f32>);

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pooled({} values)", self.0.len())
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        recycle(std::mem::take(&mut self.0));
    }
}

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let values = self.0.as_mut_slice();
        let (start, len) = (values.as_mut_ptr(), size_of_val(values));
        // SAFETY: the same memory for as long as `self` is borrowed; bytes need no alignment, and the caller promises to
        // write initialised ones only, of which any four are a number.
        Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), len) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let (start, len) = (self.0.as_ptr(), size_of_val(self.0.as_slice()));
        // SAFETY: the same memory for as long as `self` is borrowed; bytes need no alignment.
        Ok(unsafe { std::slice::from_raw_parts(start.cast(), len) })
    }
}
