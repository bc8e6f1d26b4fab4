//! Weights of convolutions in the orders that a GPU's products take.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};

/// A weight `[out, in, kernel, kernel]` once more, in two orders of memory and in the dtype of activations, without graph.
#[derive(Clone, Debug, ExtensionType)]
pub enum Packed<B: Backend> {
    /// It is not: products take the weight itself.
    None,
    /// It is.
    Of {
        /// For the convolution.
        forward: FloatTensor<B>,
        /// For the input gradient.
        gradient: FloatTensor<B>,
    },
}

impl<B: Backend> Packed<B> {
    /// For the convolution, where it is not packed `weight`.
    pub fn forward(&self, weight: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Self::None => weight,
            Self::Of { forward, .. } => forward.clone(),
        }
    }

    /// For the input gradient, likewise.
    pub fn gradient(&self, weight: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Self::None => weight,
            Self::Of { gradient, .. } => gradient.clone(),
        }
    }
}
