//! Operands without a gradient: running statistics and packed weights.

use burn::backend::AutodiffBackend as _;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;

use crate::ops::{Kernels, Packed, Running};

impl<B: Kernels, C: CheckpointStrategy> Running<Autodiff<B, C>> {
    /// The tensors themselves.
    pub(super) fn without_graph(self) -> Running<B> {
        match self {
            Self::None => Running::None,
            Self::Of {
                mean,
                variance,
                update,
            } => Running::Of {
                mean: mean.into_primitive(),
                variance: variance.into_primitive(),
                update,
            },
        }
    }
}

impl<B: Kernels> Running<B> {
    /// As tensors of a device with a graph, outside of it.
    pub(super) fn constant<C: CheckpointStrategy>(self) -> Running<Autodiff<B, C>> {
        match self {
            Self::None => Running::None,
            Self::Of {
                mean,
                variance,
                update,
            } => {
                let [mean, variance] = [mean, variance].map(Autodiff::<B, C>::from_inner);
                Running::Of {
                    mean,
                    variance,
                    update,
                }
            }
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> Packed<Autodiff<B, C>> {
    /// The tensors themselves.
    pub(super) fn without_graph(self) -> Packed<B> {
        match self {
            Self::None => Packed::None,
            Self::Of { forward, gradient } => Packed::Of {
                forward: forward.into_primitive(),
                gradient: gradient.into_primitive(),
            },
        }
    }
}
