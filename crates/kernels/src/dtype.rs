//! Dtypes of activations. Where a device supports half precision (f16 or bf16), activations and their gradients may be stored
//! in it; every sum, statistic and parameter is f32.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Whether a device supports activations of `dtype`. A CPU stores f32 alone: it would convert half precision before it
/// computes, and gain nothing.
pub fn stores(device: &Device, dtype: FloatDType) -> bool {
    match dtype {
        FloatDType::F32 => true,
        FloatDType::F16 | FloatDType::BF16 => {
            let cpu = matches!(
                device.clone().inner().as_dispatch(),
                DispatchDevice::Flex(_)
            );
            !cpu && device.supports_dtype(dtype)
        }
        _ => false,
    }
}

/// Whether a dtype is half precision.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// `x` as f32 where it is half precision; otherwise `x`.
pub fn widen<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match is_half(x.dtype()) {
        true => x.cast(FloatDType::F32),
        false => x,
    }
}
