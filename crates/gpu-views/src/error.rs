//! Why views cannot be made on a GPU.

use parallax_views::OpError;

/// What is wrong with a list of operations, a batch or the device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ViewError {
    /// The operation cannot be applied at all, on the CPU neither.
    #[error(transparent)]
    Op(#[from] OpError),
    /// Pixels are moved once, before colours and blur: the CPU takes any order.
    #[error("{op} after {after}: on a GPU, crops and one resize come first")]
    Order {
        /// The operation that comes too late.
        op: &'static str,
        /// The operation that it must not follow.
        after: &'static str,
    },
    /// The blur reaches further than a tile's margin.
    #[error("blur: sigma is {sigma}, but must be below 2.449 on a GPU")]
    Blur {
        /// What was asked for, in pixels.
        sigma: f64,
    },
    /// Views of one batch differ in size or number.
    #[error("view {view} of image {image} is {found}, but the first one is {expected}")]
    Uneven {
        /// Place of the image in the batch.
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
    /// More than a binding of a WebGPU device holds.
    #[error("{what} needs {bytes} bytes, but a GPU is only asked for {limit}")]
    TooLarge {
        /// An image, or a tensor.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The most there may be.
        limit: u64,
    },
    /// The device computes no kernels.
    #[error("views are made by the CPU engine on this device, not by kernels")]
    NoGpu,
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl ViewError {
    /// Whether only the kernels refuse, and the CPU engine would not.
    pub fn is_of_kernels(&self) -> bool {
        matches!(
            self,
            ViewError::Order { .. } | ViewError::Blur { .. } | ViewError::TooLarge { .. }
        )
    }
}
