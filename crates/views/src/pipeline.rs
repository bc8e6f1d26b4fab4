//! The augmentation pipelines of the paper (methods.md 1.1).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::op::Op;
use crate::policy::{CropSpec, Policy, Step, ViewKey};

/// An augmentation pipeline: one policy for each view. Names are those of recipes (`views.pipeline`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pipeline {
    /// MoCo v1.
    MocoV1,
    /// MoCo v2, v2+ and S-MoCo v2+ ("aug plus").
    MocoV2,
    /// BYOL: view 0 is always blurred and never solarized, view 1 is blurred with probability 0.1 and solarized with 0.2.
    ByolAsymmetric,
    /// BYOL with the same policy for both views: the augmentation ablation of the paper's supplement.
    ByolSymmetric,
    /// Crop and flip: supervised training, and training of the linear evaluation.
    Supervised,
    /// The central square of evaluation. Nothing is drawn at random, so all views of an image are the same.
    Eval,
}

/// A name that no pipeline has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown pipeline `{0}`; the pipelines are moco-v1, moco-v2, byol-asymmetric, byol-symmetric, supervised and eval"
)]
pub struct UnknownPipeline(
    /// The name that was given.
    pub String,
);

/// Aspect ratio (width / height) of a random crop.
const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
const MOCO_CROP: CropSpec = CropSpec::RandomCrop {
    area: (0.2, 1.0),
    aspect: ASPECT,
};
const CROP: CropSpec = CropSpec::RandomCrop {
    area: (0.08, 1.0),
    aspect: ASPECT,
};
const FLIP: Step = Step::Flip { p: 0.5 };
const GRAYSCALE: Step = Step::Grayscale { p: 0.2 };
const SOLARIZE: Step = Step::Solarize {
    p: 0.2,
    threshold: 128,
};
const BYOL_JITTER: Step = Step::Jitter {
    p: 0.8,
    brightness: 0.4,
    contrast: 0.4,
    saturation: 0.2,
    hue: 0.1,
};

const fn blur(p: f64) -> Step {
    Step::Blur {
        p,
        sigma: (0.1, 2.0),
    }
}

const fn policy(crop: CropSpec, steps: &'static [Step]) -> Policy {
    Policy {
        crop,
        steps: Cow::Borrowed(steps),
    }
}

const MOCO_V1: Policy = policy(
    MOCO_CROP,
    &[
        GRAYSCALE,
        Step::Jitter {
            p: 1.0,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.4,
        },
        FLIP,
    ],
);
const MOCO_V2: Policy = policy(
    MOCO_CROP,
    &[
        Step::Jitter {
            p: 0.8,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
        },
        GRAYSCALE,
        blur(0.5),
        FLIP,
    ],
);
const BYOL_FIRST: Policy = policy(CROP, &[BYOL_JITTER, blur(1.0), GRAYSCALE, FLIP]);
const BYOL_SECOND: Policy = policy(CROP, &[BYOL_JITTER, blur(0.1), GRAYSCALE, FLIP, SOLARIZE]);
const BYOL_SYMMETRIC: Policy = policy(CROP, &[FLIP, BYOL_JITTER, GRAYSCALE, blur(0.5), SOLARIZE]);
const SUPERVISED: Policy = policy(CROP, &[FLIP]);
const EVAL: Policy = policy(CropSpec::Central {}, &[]);

impl Pipeline {
    /// All pipelines.
    pub const ALL: [Pipeline; 6] = [
        Pipeline::MocoV1,
        Pipeline::MocoV2,
        Pipeline::ByolAsymmetric,
        Pipeline::ByolSymmetric,
        Pipeline::Supervised,
        Pipeline::Eval,
    ];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Pipeline::MocoV1 => "moco-v1",
            Pipeline::MocoV2 => "moco-v2",
            Pipeline::ByolAsymmetric => "byol-asymmetric",
            Pipeline::ByolSymmetric => "byol-symmetric",
            Pipeline::Supervised => "supervised",
            Pipeline::Eval => "eval",
        }
    }

    /// The policy of a view. Only [`Pipeline::ByolAsymmetric`] has two: one for even views, one for odd ones.
    pub fn policy(self, view: u16) -> Policy {
        match self {
            Pipeline::MocoV1 => MOCO_V1,
            Pipeline::MocoV2 => MOCO_V2,
            Pipeline::ByolAsymmetric if view.is_multiple_of(2) => BYOL_FIRST,
            Pipeline::ByolAsymmetric => BYOL_SECOND,
            Pipeline::ByolSymmetric => BYOL_SYMMETRIC,
            Pipeline::Supervised => SUPERVISED,
            Pipeline::Eval => EVAL,
        }
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Pipeline {
    type Err = UnknownPipeline;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|pipeline| pipeline.name() == name)
            .ok_or_else(|| UnknownPipeline(name.to_owned()))
    }
}

/// Samples a view of `size` x `size` pixels of an image of `source_width` x `source_height` pixels: its operations, in
/// order.
pub fn draw_view(
    pipeline: Pipeline,
    source_width: u32,
    source_height: u32,
    size: u32,
    key: ViewKey,
) -> Vec<Op> {
    pipeline
        .policy(key.view)
        .draw(source_width, source_height, size, key)
}
