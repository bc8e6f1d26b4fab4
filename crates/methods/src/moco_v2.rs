//! MoCo v2 (methods.md 3.3): the equations of MoCo v1 with a hidden layer in the head. Its other views,
//! temperature and schedule are values of the recipe.

use burn::tensor::Device;
use parallax_nets::HeadKind;

use crate::{MethodConfig, MocoV1};

/// Fresh weights and a queue of random directions on `device`.
pub fn moco_v2(config: &MethodConfig, device: &Device) -> MocoV1 {
    MocoV1::with_head(config, HeadKind::Mlp, device)
}
