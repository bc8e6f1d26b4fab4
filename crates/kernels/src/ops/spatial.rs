//! The operations of detection and segmentation as extensions of Burn's dispatch.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use super::kernels::Kernels;
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::sampling::Sampling;

/// The operations with a graph where the device has autodiff: what [`crate::resample`] and [`crate::hard_pixels`] call.
#[backend_extension(Flex, Cube, Autodiff)]
pub trait SpatialOps: Backend {
    /// See [`Kernels::sample`].
    fn spatial_sample(x: FloatTensor<Self>, sampling: Arc<Sampling>) -> FloatTensor<Self>;

    /// The first of [`Kernels::pixel_losses`].
    fn spatial_pixel_losses(
        logits: FloatTensor<Self>,
        labels: Arc<PixelLabels>,
        shape: LogitShape,
    ) -> FloatTensor<Self>;
}

macro_rules! without_graph {
    ($backend:ty) => {
        impl SpatialOps for $backend {
            fn spatial_sample(x: FloatTensor<Self>, sampling: Arc<Sampling>) -> FloatTensor<Self> {
                Self::sample(x, &sampling)
            }

            fn spatial_pixel_losses(
                logits: FloatTensor<Self>,
                labels: Arc<PixelLabels>,
                shape: LogitShape,
            ) -> FloatTensor<Self> {
                let [losses, _] = Self::pixel_losses(logits, &labels, shape);
                losses
            }
        }
    };
}

without_graph!(burn_flex::Flex);
without_graph!(burn_cubecl::CubeBackend);
