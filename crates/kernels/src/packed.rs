//! Weights of convolutions in the orders that a GPU's products take: made once for many layers, where each product would copy
//! its own.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};

use crate::backend::gpu::adapter::is_gpu;
use crate::backend::gpu::pack::PackOps;
use crate::ops::{Many, Packed};

/// A weight in the orders of a convolution and of its input gradient, without graph. It is of use until the weight changes.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    forward: Tensor<4>,
    gradient: Tensor<4>,
}

impl PackedWeight {
    /// Packs weights `[out, in, kernel, kernel]` of f32 for activations of `dtype`, for the input gradient only if `gradients`.
    /// `None` for each on a CPU, whose products take the weight itself.
    pub fn pack(weights: Vec<Tensor<4>>, dtype: DType, gradients: bool) -> Vec<Option<Self>> {
        let takes = |weight: &Tensor<4>| is_gpu(&weight.device()) && weight.dtype() == DType::F32;
        if weights.is_empty() || !weights.iter().all(takes) {
            return weights.iter().map(|_| None).collect();
        }
        let weights = Many(weights.into_iter().map(Tensor::into_dispatch).collect());
        let (forward, gradient) = Dispatch::pack_weights(weights, dtype, gradients);
        let of = |(forward, gradient)| {
            Some(Self {
                forward: Tensor::from_dispatch(forward),
                gradient: Tensor::from_dispatch(gradient),
            })
        };
        forward.0.into_iter().zip(gradient.0).map(of).collect()
    }

    /// The weight in the order of a convolution without a graph.
    pub fn into_forward(self) -> Tensor<4> {
        self.forward
    }

    /// To a device.
    pub(crate) fn given(self) -> Packed<Dispatch> {
        Packed::Of {
            forward: self.forward.into_dispatch(),
            gradient: self.gradient.into_dispatch(),
        }
    }
}
