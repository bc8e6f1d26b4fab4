//! `run.precision`: the dtype that the backbone's activations and their gradients are stored in.
//!
//! In f16 and bf16 the views, every activation of the backbone, its gradient, and the copies of the convolutions' weights
//! that a pass reads take 2 bytes a value. Everything else is f32: every sum, batch norm's statistics, pooled features,
//! heads, losses, the queue, and the state of a run (weights, velocities, target, running statistics, classifier), so that
//! a checkpoint is the same in any precision.
//!
//! **Operands of products.** Where the device has matrix instructions (tensor cores), f16 and bf16 round the operands of all
//! products to them, those of heads and of the similarity with the queue included; sums are f32. `f16-operands` does this and
//! nothing else: what is stored stays f32. f16 has the 11 bits of TF32, and the loss scale below stands for its missing
//! range: a scale for each tensor would have to read every operand once more.
//!
//! **Loss scaling.** In f16, stored or as an operand, a gradient below 2^-24 is zero and one below 2^-14 loses digits, while the largest value is
//! 65,504. The loss is a mean over the batch and features are means over pixels, so the gradients of activations shrink as
//! batch and images grow, and would underflow. So the loss is multiplied by a power of two before the backward pass, and
//! every parameter's gradient, which is f32, is divided by it afterwards; both are exact. The power is a fixed rule
//! ([`Precision::loss_scale`]), so that it is not part of a run's state. Measured at the first step of a tiny network, of a
//! ResNet-18 and of a ResNet-50 of width 8 (supervised, MoCo v2+, BYOL; 32 images of 16 pixels), scales from 2^0 on give
//! the same gradients, gradients underflow below 2^-8, and overflow from 2^15 on at the earliest (ResNet-50, MoCo v2+). The
//! rule gives 2^8 there: 2^6 below the overflow, and 2^8 or more above the loss of digits, of which images of 224 pixels
//! take 2^4. Where a gradient overflows nevertheless, the step is repeated from the same state with a smaller scale
//! ([`Precision::smaller_scale`]): no batch is skipped. bf16 has the range of f32 and needs none of this.

use burn::tensor::{Device, FloatDType, Tensor};
use parallax_kernels::Operands;
use serde::{Deserialize, Serialize};

use crate::error::RecipeError;

/// The dtype of the backbone's activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 24 bits of precision.
    #[default]
    F32,
    /// 11 bits of precision, exponents from -24 to 15.
    F16,
    /// 8 bits of precision, the exponents of f32.
    Bf16,
    /// Stored in f32, operands of products rounded to f16.
    F16Operands,
}

/// The loss scale of a single image; that of a batch grows with its size, because its loss is a mean.
const IMAGE_SCALE: f64 = 8.0;
/// The factor by which a scale is divided after an overflow.
const BACK_OFF: f64 = 256.0;

impl Precision {
    /// Every precision.
    pub const ALL: [Precision; 4] = [
        Precision::F32,
        Precision::F16,
        Precision::Bf16,
        Precision::F16Operands,
    ];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
            Precision::F16Operands => "f16-operands",
        }
    }

    /// Burn's dtype of what is stored.
    pub fn dtype(self) -> FloatDType {
        match self {
            Precision::F32 | Precision::F16Operands => FloatDType::F32,
            Precision::F16 => FloatDType::F16,
            Precision::Bf16 => FloatDType::BF16,
        }
    }

    /// `x` cast to this dtype. In f32 it is not cast, because tests run in f64.
    pub(crate) fn store<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Precision::F32 | Precision::F16Operands => x,
            Precision::F16 | Precision::Bf16 => x.cast(self.dtype()),
        }
    }

    /// Bytes of a stored value.
    pub fn bytes(self) -> u64 {
        match self {
            Precision::F32 | Precision::F16Operands => 4,
            Precision::F16 | Precision::Bf16 => 2,
        }
    }

    /// What the operands of a step's products are rounded to, on a device that can.
    pub fn operands(self) -> Operands {
        match self {
            Precision::F32 => Operands::Stored,
            Precision::F16 | Precision::F16Operands => Operands::F16,
            Precision::Bf16 => Operands::Bf16,
        }
    }

    /// Whether gradients may overflow.
    pub(crate) fn overflows(self) -> bool {
        self.operands() == Operands::F16
    }

    /// The precisions that a device supports.
    pub fn of(device: &Device) -> Vec<Self> {
        let has = |precision: &Self| match precision {
            Precision::F16Operands => has_matrix_instructions(device),
            stored => parallax_kernels::stores(device, stored.dtype()),
        };
        Self::ALL.into_iter().filter(has).collect()
    }

    /// Checks that a device supports this precision.
    ///
    /// # Errors
    /// Where it does not; the message names those that it does.
    pub fn check(self, device: &Device) -> Result<(), RecipeError> {
        let has = Self::of(device);
        if has.contains(&self) {
            return Ok(());
        }
        let has: Vec<&str> = has.into_iter().map(Self::name).collect();
        let why = match self {
            Precision::Bf16 => "WGSL, the language of the shaders, has no bf16",
            Precision::F16Operands => {
                "that takes matrix instructions for f16 and the cargo feature tensor-cores"
            }
            _ => "that takes a GPU with the feature shader-f16",
        };
        Err(RecipeError::Value {
            key: "run.precision".to_string(),
            reason: format!(
                "= {} cannot be had on this device ({why}), which has {}; leave the key out for f32, or name another \
                 device: `parallax devices` lists what each has",
                self.name(),
                has.join(" and ")
            ),
        })
    }

    /// The factor of the mean loss of `batch` images before the backward pass: a power of two.
    pub fn loss_scale(self, batch: usize) -> f64 {
        match self {
            Precision::F32 | Precision::Bf16 => 1.0,
            Precision::F16 | Precision::F16Operands => {
                IMAGE_SCALE * batch.next_power_of_two() as f64
            }
        }
    }

    /// The scale to try after `scale` overflowed; `None` where a smaller one cannot help.
    pub(crate) fn smaller_scale(self, scale: f64) -> Option<f64> {
        (scale > 1.0).then_some((scale / BACK_OFF).max(1.0))
    }
}

#[cfg(not(target_family = "wasm"))]
fn has_matrix_instructions(device: &Device) -> bool {
    use parallax_kernels::{Operand, matrix_instructions};
    matrix_instructions(device, Operand::F16).chosen.is_some()
}

/// WebGPU has none.
#[cfg(target_family = "wasm")]
fn has_matrix_instructions(_device: &Device) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_cpu_has_f32_alone_and_says_what_to_do() {
        let cpu = Device::flex();
        assert_eq!(Precision::of(&cpu), [Precision::F32]);
        Precision::F32.check(&cpu).unwrap();
        for narrow in [Precision::F16, Precision::Bf16, Precision::F16Operands] {
            let message = narrow.check(&cpu).unwrap_err().to_string();
            for part in ["run.precision", narrow.name(), "f32", "parallax devices"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn scales_are_powers_of_two_and_end_at_one() {
        assert_eq!(Precision::F32.loss_scale(256), 1.0);
        assert_eq!(Precision::Bf16.loss_scale(256), 1.0);
        assert_eq!(Precision::F16.loss_scale(256), 2048.0);
        let mut scale = Precision::F16.loss_scale(48);
        assert_eq!(scale, 512.0);
        let mut tried = vec![scale];
        while let Some(smaller) = Precision::F16.smaller_scale(scale) {
            scale = smaller;
            tried.push(scale);
        }
        assert_eq!(tried, [512.0, 2.0, 1.0]);
    }
}
