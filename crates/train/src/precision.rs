//! `run.precision`: what the backbone's activations and their gradients are stored in.
//!
//! In f16 and bf16 the views, every activation of the backbone, its gradient, and the copies of the convolutions' weights
//! that a pass reads are 2 bytes a value. f32 are: every sum, batch norm's statistics, pooled features, heads, losses,
//! the queue, and all that a run keeps (weights, velocities, target, running statistics, classifier), so that a
//! checkpoint is the same in any precision.
//!
//! **Loss scale.** A gradient below 2^-24 is zero in f16 and one below 2^-14 loses digits, while the largest value is
//! 65,504. The loss is a mean over the batch and features are means over pixels, so the gradients of activations are smaller
//! the larger batch and images are, and would be lost. So the loss is multiplied by a power of two before the backward
//! pass and every parameter's gradient, which is f32, divided by it afterwards; both are exact. Which power is a rule
//! ([`Precision::loss_scale`]), not a state that would have to be saved. Measured at the first step of a tiny network, of a
//! ResNet-18 and of a ResNet-50 of width 8 (supervised, MoCo v2+, BYOL; 32 images of 16 pixels), gradients are those of
//! any larger scale from 2^0 on, break off below 2^-8, and overflow from 2^15 on at the earliest (ResNet-50, MoCo v2+). The
//! rule gives 2^8 there: 2^6 below the overflow, and 2^8 and more above the loss of digits, of which images of 224 pixels
//! take 2^4. Where a gradient overflows nevertheless, the step is taken anew, from the same state, with a smaller scale
//! ([`Precision::smaller_scale`]): no batch is skipped. bf16 has the range of f32 and needs none of this.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::RecipeError;

/// What the backbone's activations are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits of precision, everywhere.
    #[default]
    F32,
    /// 11 bits, exponents from -24 to 15.
    F16,
    /// 8 bits, the exponents of f32.
    Bf16,
}

/// What an image's own loss is multiplied by; a batch's is their mean.
const OWN_SCALE: f64 = 8.0;
/// What a scale is divided by after an overflow.
const BACK_OFF: f64 = 256.0;

impl Precision {
    /// Every precision.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Bf16];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        }
    }

    /// Burn's name.
    pub fn element(self) -> FloatDType {
        match self {
            Precision::F32 => FloatDType::F32,
            Precision::F16 => FloatDType::F16,
            Precision::Bf16 => FloatDType::BF16,
        }
    }

    /// `x` as it is stored. In f32 it stays what it is: checks run in f64.
    pub(crate) fn store<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Precision::F32 => x,
            Precision::F16 | Precision::Bf16 => x.cast(self.element()),
        }
    }

    /// Bytes of a stored value.
    pub fn bytes(self) -> u64 {
        match self {
            Precision::F32 => 4,
            Precision::F16 | Precision::Bf16 => 2,
        }
    }

    /// Those that a device has.
    pub fn of(device: &Device) -> Vec<Self> {
        let has = |precision: &Self| parallax_kernels::stores(device, precision.element());
        Self::ALL.into_iter().filter(has).collect()
    }

    /// Refuses a device that lacks this precision, before anything is computed on it.
    ///
    /// # Errors
    /// Then; the message says what the device has.
    pub fn check(self, device: &Device) -> Result<(), RecipeError> {
        let has = Self::of(device);
        if has.contains(&self) {
            return Ok(());
        }
        let has: Vec<&str> = has.into_iter().map(Self::name).collect();
        let why = match self {
            Precision::Bf16 => "WGSL, the language of the shaders, has no bf16",
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

    /// What the mean loss of `batch` images is multiplied by before the backward pass: a power of two.
    pub fn loss_scale(self, batch: usize) -> f64 {
        match self {
            Precision::F32 | Precision::Bf16 => 1.0,
            Precision::F16 => OWN_SCALE * batch.next_power_of_two() as f64,
        }
    }

    /// The scale to try after `scale` overflowed; `None` where scaling is not to blame.
    pub(crate) fn smaller_scale(self, scale: f64) -> Option<f64> {
        (scale > 1.0).then_some((scale / BACK_OFF).max(1.0))
    }
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
        for narrow in [Precision::F16, Precision::Bf16] {
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
