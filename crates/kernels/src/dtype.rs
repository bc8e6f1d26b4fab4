//! What values are stored in. Activations and their gradients may lie in memory in f16 or bf16, where a device has it;
//! every sum, every statistic and every parameter is f32.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Whether activations may be stored in `element` on a device. On the CPU that is f32 alone: it would widen every
/// value before it computes, and gain nothing.
pub fn stores(device: &Device, element: FloatDType) -> bool {
    match element {
        FloatDType::F32 => true,
        FloatDType::F16 | FloatDType::BF16 => {
            let cpu = matches!(
                device.clone().inner().as_dispatch(),
                DispatchDevice::Flex(_)
            );
            !cpu && device.supports_dtype(element)
        }
        _ => false,
    }
}

/// Whether an element is narrower than what sums are taken in.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// f32 where `x` is stored in less; else `x`.
pub fn widen<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match is_half(x.dtype()) {
        true => x.cast(FloatDType::F32),
        false => x,
    }
}
