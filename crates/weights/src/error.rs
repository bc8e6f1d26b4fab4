//! What can be wrong with a weight file.

/// An unreadable or unfitting weight file; every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not safetensors, or cut off.
    #[error(
        "{file}: not a whole safetensors file ({reason}); it may be cut off or of another format"
    )]
    Format {
        /// Name of the file.
        file: String,
        /// What the parser says.
        reason: String,
    },
    /// A tensor of an element type that no weight has.
    #[error("{file}: tensor '{tensor}' holds {found}; only F32 and I64 can be read")]
    Type {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Its element type.
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
    /// The device did not hand over a tensor.
    #[error("the device failed while tensor '{tensor}' was read: {reason}")]
    Device {
        /// Name of the tensor.
        tensor: String,
        /// What the device says.
        reason: String,
    },
}
