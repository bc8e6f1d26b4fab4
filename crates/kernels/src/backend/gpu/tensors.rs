//! New tensors on a GPU, and the storage type of a kernel's operands.

use burn::backend::ops::IntTensorOps as _;
use burn::tensor::{DType, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};

/// An uninitialised tensor on the device of `like`, stored as `like` is.
pub(super) fn empty(like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    empty_of(like.dtype, like, shape)
}

/// An uninitialised tensor of f32 on the device of `like`: statistics, sums and gradients of parameters, whatever
/// activations are stored in.
pub(super) fn empty_f32(like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    empty_of(DType::F32, like, shape)
}

/// An uninitialised tensor of `dtype` on the device of `like`.
pub(super) fn empty_of(dtype: DType, like: &CubeTensor, shape: Vec<usize>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// Words that the host computed, on the device of `like`.
pub(super) fn words(words: Vec<u32>, like: &CubeTensor) -> CubeTensor {
    let length = [words.len()];
    CubeBackend::int_from_data(TensorData::new(words, length), &like.device)
}

/// What a kernel's storage type `E` stands for: activations may be f16 or bf16, sums are f32.
pub(super) fn storage(tensor: &CubeTensor) -> ElemType {
    ElemType::Float(match tensor.dtype {
        DType::F16 => FloatKind::F16,
        DType::BF16 => FloatKind::BF16,
        _ => FloatKind::F32,
    })
}
