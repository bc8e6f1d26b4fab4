//! Why views cannot be computed on a GPU.

use parallax_views::OpError;

/// What is wrong with a list of operations, a batch or the device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ViewError {
    /// The operation cannot be applied, on the CPU either.
    #[error(transparent)]
    Op(#[from] OpError),
    /// Pixels are resampled once, before colour operations and blur. The CPU engine takes any order.
    #[error("{op} after {after}: on a GPU, crops and one resize come first")]
    Order {
        /// The operation that comes too late.
        op: &'static str,
        /// The earlier operation.
        after: &'static str,
    },
    /// The blur is wider than a tile's margin.
    #[error("blur: sigma is {sigma}, but must be below 2.449 on a GPU")]
    Blur {
        /// What was asked for, in pixels.
        sigma: f64,
    },
    /// Views of one batch differ in size or number.
    #[error("view {view} of image {image} is {found}, but the first one is {expected}")]
    Uneven {
        /// Index of the image in the batch.
        image: usize,
        /// The view.
        view: usize,
        /// Its size, or `"missing"`.
        found: String,
        /// The first view's.
        expected: String,
    },
    /// A batch without images or views.
    #[error("a batch needs at least one image and one view")]
    Empty,
    /// More than a buffer binding of a WebGPU device holds.
    #[error("{what} needs {bytes} bytes, more than the {limit} of a GPU buffer")]
    TooLarge {
        /// An image, or a tensor.
        what: &'static str,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size in bytes.
        limit: u64,
    },
    /// The device has no kernels for views.
    #[error("this device has no kernels for views; the CPU engine computes them")]
    NoGpu,
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl ViewError {
    /// Whether this is a limit of the GPU kernels alone, so that the CPU engine can compute the views.
    pub fn is_gpu_limit(&self) -> bool {
        matches!(
            self,
            ViewError::Order { .. } | ViewError::Blur { .. } | ViewError::TooLarge { .. }
        )
    }
}
