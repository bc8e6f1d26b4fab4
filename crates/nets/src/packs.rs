//! The weights of several convolutions, packed together before they are used.

use std::vec::IntoIter;

use burn::tensor::Tensor;
use parallax_kernels::PackedWeight;

use crate::conv::Conv2d;

/// Packed weights in the order in which the convolutions take them; on a CPU there are none.
pub(crate) struct Packs(IntoIter<Option<PackedWeight>>);

impl Packs {
    /// For activations of the dtype of `x`.
    pub fn of<'a>(convolutions: impl Iterator<Item = &'a Conv2d>, x: &Tensor<4>) -> Self {
        let weights: Vec<Tensor<4>> = convolutions.map(|conv| conv.weight.val()).collect();
        let gradients = weights.iter().any(Tensor::is_autodiff);
        let weights = weights.into_iter().map(Tensor::without_autodiff).collect();
        Self(PackedWeight::pack(weights, x.dtype(), gradients).into_iter())
    }

    /// Of the next convolution.
    pub fn next(&mut self) -> Option<PackedWeight> {
        self.0.next().flatten()
    }
}
