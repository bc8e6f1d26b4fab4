//! S-MoCo v2+ (methods.md 3.5): the equations of MoCo v2+ between two equal networks. The target has the
//! predictor too and follows in it; the last linear layers have no bias.

use burn::tensor::Device;
use parallax_nets::HeadKind;

use crate::{MethodConfig, MocoV2Plus};

/// Fresh weights and a queue of random directions on `device`.
pub fn s_moco_v2_plus(config: &MethodConfig, device: &Device) -> MocoV2Plus {
    let head = HeadKind::BiasFreeProjectorPredictor;
    MocoV2Plus::with_heads(config, head, head, device)
}
