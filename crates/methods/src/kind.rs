//! The methods by name.

use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

use crate::NormKind;

/// The methods by the names that recipes use. The LARS variants of the paper are recipes, not methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodKind {
    /// Cross-entropy with labels (methods.md 3.1).
    Supervised,
    /// Momentum contrast with a linear head (methods.md 3.2).
    MocoV1,
    /// MoCo with a hidden layer in the head (methods.md 3.3).
    MocoV2,
    /// MoCo v2 with a symmetric loss, a predictor and a rising momentum (methods.md 3.4).
    MocoV2Plus,
    /// MoCo v2+ with the predictor on both networks (methods.md 3.5).
    SMocoV2Plus,
    /// Bootstrap your own latent (methods.md 3.6).
    Byol,
}

impl MethodKind {
    /// Every method.
    pub const ALL: [MethodKind; 6] = [
        MethodKind::Supervised,
        MethodKind::MocoV1,
        MethodKind::MocoV2,
        MethodKind::MocoV2Plus,
        MethodKind::SMocoV2Plus,
        MethodKind::Byol,
    ];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            MethodKind::Supervised => "supervised",
            MethodKind::MocoV1 => "moco-v1",
            MethodKind::MocoV2 => "moco-v2",
            MethodKind::MocoV2Plus => "moco-v2-plus",
            MethodKind::SMocoV2Plus => "s-moco-v2-plus",
            MethodKind::Byol => "byol",
        }
    }

    /// The pipeline of the method in the paper's main comparisons (methods.md 1.1).
    pub fn pipeline(self) -> Pipeline {
        match self {
            MethodKind::Supervised => Pipeline::Supervised,
            MethodKind::MocoV1 => Pipeline::MocoV1,
            MethodKind::MocoV2 | MethodKind::MocoV2Plus | MethodKind::SMocoV2Plus => {
                Pipeline::MocoV2
            }
            MethodKind::Byol => Pipeline::ByolAsymmetric,
        }
    }

    /// Views of an image that a step takes: one with labels, two without.
    pub fn views(self) -> usize {
        if self == MethodKind::Supervised { 1 } else { 2 }
    }

    /// Whether keys of past batches are kept.
    pub fn has_queue(self) -> bool {
        !matches!(self, MethodKind::Supervised | MethodKind::Byol)
    }

    /// Whether keys are computed in shuffled groups (ShuffleBN, methods.md 3.2).
    pub fn shuffles(self) -> bool {
        matches!(self, MethodKind::MocoV1 | MethodKind::MocoV2)
    }

    /// Batch norm in the paper (methods.md 0).
    pub fn norm(self) -> NormKind {
        match self {
            MethodKind::Supervised | MethodKind::MocoV1 | MethodKind::MocoV2 => NormKind::PerDevice,
            MethodKind::MocoV2Plus | MethodKind::SMocoV2Plus | MethodKind::Byol => NormKind::Sync,
        }
    }
}
