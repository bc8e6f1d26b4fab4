//! The operations behind a backbone as extensions of Burn's dispatch.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use super::kernels::Kernels;

/// The operations with a graph where the device has autodiff: what [`crate::layers`] calls for a GPU.
#[backend_extension(Flex, Cube, Autodiff)]
pub trait HeadOps: Backend {
    /// See [`Kernels::mean_of_pixels`] of images of `size`.
    fn head_mean_of_pixels(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    /// See [`Kernels::log_softmax`].
    fn head_log_softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

macro_rules! without_graph {
    ($backend:ty) => {
        impl HeadOps for $backend {
            fn head_mean_of_pixels(x: FloatTensor<Self>, _size: [usize; 2]) -> FloatTensor<Self> {
                Self::mean_of_pixels(x)
            }

            fn head_log_softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
                <Self as Kernels>::log_softmax(x)
            }
        }
    };
}

without_graph!(burn_flex::Flex);
without_graph!(burn_cubecl::CubeBackend);
