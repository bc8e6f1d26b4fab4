//! `run.gradient_dtype`.

use serde::{Deserialize, Serialize};

/// The dtype in which gradients travel between ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientDtype {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16, each tensor scaled by a power of two so that its largest value is near the largest f16. Sums are made
    /// in f32. Half the bytes.
    F16,
}
