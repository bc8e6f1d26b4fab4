//! Errors of weight files.

/// A weight file that cannot be read or does not fit; every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Damaged, truncated, or of an unknown format.
    #[error("{file}: not a whole weight file ({reason}); it may be cut off or of another format")]
    Format {
        /// Name of the file.
        file: String,
        /// What the parser says.
        reason: String,
    },
    /// A pickle that needs more than tensors and plain values.
    #[error(
        "{file}: refused, because it asks Python for '{global}', which no state dict needs. \
         Nothing in the file was executed. If you trust where it comes from, open it with PyTorch and save \
         model.state_dict() alone"
    )]
    Refused {
        /// Name of the file.
        file: String,
        /// Module and name.
        global: String,
    },
    /// Tensors that are not, or not clearly, a ResNet's.
    #[error(
        "{file}: {reason}. Read are the layouts of Parallax and the paper's repository, facebookresearch/moco, \
         torchvision, timm, solo-learn, lightly and detectron2"
    )]
    Layout {
        /// Name of the file.
        file: String,
        /// What was found.
        reason: String,
    },
    /// A network that is not in the file.
    #[error("{file}: it holds no {branch} network")]
    Branch {
        /// Name of the file.
        file: String,
        /// `online` or `target`.
        branch: String,
    },
    /// A tensor whose norm is NaN or infinite.
    #[error("{file}: tensor '{tensor}' is not finite")]
    NotFinite {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor of an unsupported dtype.
    #[error("{file}: tensor '{tensor}' holds {found}, a dtype that is not supported")]
    Type {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Its dtype.
        found: String,
    },
    /// A tensor that does not fit the network.
    #[error(
        "{file}: tensor '{tensor}' has the shape {found:?}, the network expects {expected:?}; \
         the file belongs to another architecture, width or head"
    )]
    Shape {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Shape in the network.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor that the network needs and the file lacks.
    #[error(
        "{file}: tensor '{tensor}' is missing ({missing} of {needed} are); \
         the file belongs to another architecture or is incomplete"
    )]
    Missing {
        /// Name of the file.
        file: String,
        /// First missing name.
        tensor: String,
        /// How many are missing.
        missing: usize,
        /// How many the network has.
        needed: usize,
    },
    /// Tensors that do not fit a format.
    #[error("{file}: it cannot be written so: {reason}")]
    Write {
        /// Name of the file that the tensors come from.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A device that failed to transfer a tensor.
    #[error("the device failed while tensor '{tensor}' was read: {reason}")]
    Device {
        /// Name of the tensor.
        tensor: String,
        /// What the device says.
        reason: String,
    },
}
