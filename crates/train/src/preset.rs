//! The presets of linear evaluation (methods.md 5.2), which recipes name in `[probe.linear_eval]`.

use serde::{Deserialize, Serialize};

/// Which settings of the paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// For encoders that were trained with SGD.
    #[default]
    Sgd,
    /// For encoders that were trained with LARS, whose features have a large norm.
    LargeNorm,
    /// The same with the batch that the release really trains with.
    LargeNormRelease,
}

/// What the classifier is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    /// Random resized crops (0.08 to 1) and flips, as in the paper: the encoder sees other views of an image in every epoch.
    #[default]
    Standard,
    /// The evaluation view of every image: features are computed once.
    None,
}

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Times 0.1 from each of these epochs on.
    Epochs([u64; 2]),
    /// Along a cosine to 0, step by step.
    Cosine,
}

/// The values of a preset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PresetSpec {
    /// The name on the command line.
    pub name: &'static str,
    /// Learning rate.
    pub base_lr: f64,
    /// Whether that rate is for 256 images a step and scaled with the batch.
    pub per_256: bool,
    /// Images in a step's batch.
    pub batch_size: usize,
    /// Epochs.
    pub epochs: u64,
    /// Decay of the rate.
    pub decay: Decay,
    /// Nesterov momentum.
    pub nesterov: bool,
}

const SGD: PresetSpec = PresetSpec {
    name: "sgd",
    base_lr: 30.0,
    per_256: true,
    batch_size: 256,
    epochs: 100,
    decay: Decay::Epochs([60, 80]),
    nesterov: false,
};
const LARGE_NORM: PresetSpec = PresetSpec {
    name: "large-norm",
    base_lr: 0.2,
    per_256: false,
    batch_size: 1024,
    epochs: 80,
    decay: Decay::Cosine,
    nesterov: true,
};
const LARGE_NORM_RELEASE: PresetSpec = PresetSpec {
    name: "large-norm-release",
    batch_size: 256,
    ..LARGE_NORM
};

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Sgd, Self::LargeNorm, Self::LargeNormRelease];

    /// Its values.
    pub fn spec(self) -> &'static PresetSpec {
        match self {
            Self::Sgd => &SGD,
            Self::LargeNorm => &LARGE_NORM,
            Self::LargeNormRelease => &LARGE_NORM_RELEASE,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The preset of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }
}
