//! The registry of methods: one row each. A new method is a file that implements [`Method`], a row here, and its recipes.

use burn::tensor::Device;
use parallax_nets::HeadKind;
use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

use crate::bn::BnKind;
use crate::byol::Byol;
use crate::config::{Heads, MethodConfig};
use crate::method::Method;
use crate::moco::Moco;
use crate::moco_v2_plus::MocoV2Plus;
use crate::supervised::Supervised;

/// Everything that other crates and the page must know of a method.
#[derive(Clone, Copy, Debug)]
pub struct MethodSpec {
    /// The name in recipes and on the command line.
    pub name: &'static str,
    /// The name for people.
    pub label: &'static str,
    /// The page's recipes of this method.
    pub page_recipes: &'static [PageRecipe],
    /// The heads of its networks (methods.md 0, 2.2).
    pub heads: Heads,
    /// Views of an image in a step, 1 or 2.
    pub views: usize,
    /// Whether both views pass through the online network, and the loss is the sum of both directions.
    pub symmetric: bool,
    /// Whether the loss uses labels.
    pub labels: bool,
    /// Whether it keeps the keys of past batches as negatives.
    pub queue: bool,
    /// The kinds of batch norm that it allows, the paper's first (methods.md 0, 2.3).
    pub bn: &'static [BnKind],
    /// The augmentation policy of the paper's main comparisons (methods.md 1.1).
    pub pipeline: Pipeline,
    /// The paper's values for what a recipe leaves out.
    pub defaults: Defaults,
    build: fn(Heads, &MethodConfig, &Device) -> Box<dyn Method>,
}

/// A recipe of the page, in several sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRecipe {
    /// Its files are `recipes/page/NAME-SIZE.toml`.
    pub name: &'static str,
    /// The name for people.
    pub label: &'static str,
}

/// The paper's values of a method, trained by SGD (methods.md 0). Words are those of recipes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// `method.hidden`
    pub hidden: usize,
    /// `method.out`; none where it is the number of classes.
    pub out: Option<usize>,
    /// `method.temperature`
    pub temperature: f64,
    /// `method.momentum`, of the EMA update.
    pub ema_momentum: f64,
    /// `method.momentum_schedule`
    pub ema_schedule: &'static str,
    /// `optimizer.base_lr`, for 256 images a step.
    pub base_lr: f64,
    /// `schedule.kind`
    pub lr_schedule: &'static str,
    /// `probe.online`
    pub online_classifier: bool,
}

impl Defaults {
    /// MoCo v1's.
    const MOCO_V1: Self = Self {
        hidden: 2048,
        out: Some(128),
        temperature: 0.07,
        ema_momentum: 0.999,
        ema_schedule: "constant",
        base_lr: 0.03,
        lr_schedule: "step",
        online_classifier: true,
    };
    /// MoCo v2's.
    const MOCO_V2: Self = Self {
        temperature: 0.2,
        lr_schedule: "warmup-cosine",
        ..Self::MOCO_V1
    };
    /// Those of the symmetric methods.
    const SYMMETRIC: Self = Self {
        hidden: 4096,
        out: Some(256),
        ema_momentum: 0.99,
        ema_schedule: "cosine",
        ..Self::MOCO_V2
    };
    /// Those of supervised training.
    const SUPERVISED: Self = Self {
        out: None,
        base_lr: 0.1,
        online_classifier: false,
        ..Self::SYMMETRIC
    };
}

/// Batch norm as in supervised training, MoCo v1 and v2.
const PER_GROUP: &[BnKind] = &[BnKind::PerGroup, BnKind::Sync, BnKind::Plainsync];
/// Batch norm as in the symmetric methods.
const SYNC: &[BnKind] = &[BnKind::Sync, BnKind::Plainsync, BnKind::PerGroup];

const fn page(name: &'static str, label: &'static str) -> PageRecipe {
    PageRecipe { name, label }
}

/// The enum of methods and the table of their rows, from one list.
macro_rules! methods {
    ($($(#[$doc:meta])* $kind:ident => $spec:expr,)*) => {
        /// The methods by their names in recipes. The paper's LARS variants are recipes, not methods.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum MethodKind {
            $($(#[$doc])* $kind,)*
        }

        impl MethodKind {
            /// Every method.
            pub const ALL: [MethodKind; [$(stringify!($kind)),*].len()] = [$(MethodKind::$kind),*];

            /// The method's row.
            pub fn spec(self) -> &'static MethodSpec {
                match self {
                    $(MethodKind::$kind => const { &$spec },)*
                }
            }
        }
    };
}

methods! {
    /// Cross-entropy with labels (methods.md 3.1).
    Supervised => MethodSpec {
        name: "supervised",
        label: "Supervised",
        page_recipes: &[page("supervised", "Supervised")],
        heads: Heads::online(HeadKind::Linear),
        views: 1,
        symmetric: false,
        labels: true,
        queue: false,
        bn: PER_GROUP,
        pipeline: Pipeline::Supervised,
        defaults: Defaults::SUPERVISED,
        build: |heads, config, device| Box::new(Supervised::new(heads, config, device)),
    },
    /// Momentum contrast with a linear head (methods.md 3.2).
    MocoV1 => MethodSpec {
        name: "moco-v1",
        label: "MoCo v1",
        page_recipes: &[page("moco-v1", "MoCo v1")],
        heads: Heads::same(HeadKind::Linear),
        views: 2,
        symmetric: false,
        labels: false,
        queue: true,
        bn: PER_GROUP,
        pipeline: Pipeline::MocoV1,
        defaults: Defaults::MOCO_V1,
        build: |heads, config, device| Box::new(Moco::new(heads, config, device)),
    },
    /// MoCo with a hidden layer in the head (methods.md 3.3).
    MocoV2 => MethodSpec {
        name: "moco-v2",
        label: "MoCo v2",
        page_recipes: &[page("moco-v2", "MoCo v2")],
        heads: Heads::same(HeadKind::Mlp),
        views: 2,
        symmetric: false,
        labels: false,
        queue: true,
        bn: PER_GROUP,
        pipeline: Pipeline::MocoV2,
        defaults: Defaults::MOCO_V2,
        build: |heads, config, device| Box::new(Moco::new(heads, config, device)),
    },
    /// MoCo v2 with a symmetric loss, a predictor and an EMA momentum that rises to 1 (methods.md 3.4).
    MocoV2Plus => MethodSpec {
        name: "moco-v2-plus",
        label: "MoCo v2+",
        page_recipes: &[
            page("moco-v2-plus", "MoCo v2+"),
            page("moco-v2-plus-lars", "MoCo v2+, LARS"),
        ],
        heads: Heads::BYOL,
        views: 2,
        symmetric: true,
        labels: false,
        queue: true,
        bn: SYNC,
        pipeline: Pipeline::MocoV2,
        defaults: Defaults::SYMMETRIC,
        build: |heads, config, device| Box::new(MocoV2Plus::new(heads, config, device)),
    },
    /// MoCo v2+ with the predictor on both networks (methods.md 3.5).
    SMocoV2Plus => MethodSpec {
        name: "s-moco-v2-plus",
        label: "S-MoCo v2+",
        page_recipes: &[page("s-moco-v2-plus", "S-MoCo v2+")],
        heads: Heads::same(HeadKind::BiasFreeProjectorPredictor),
        views: 2,
        symmetric: true,
        labels: false,
        queue: true,
        bn: SYNC,
        pipeline: Pipeline::MocoV2,
        defaults: Defaults::SYMMETRIC,
        build: |heads, config, device| Box::new(MocoV2Plus::new(heads, config, device)),
    },
    /// Bootstrap your own latent (methods.md 3.6).
    Byol => MethodSpec {
        name: "byol",
        label: "BYOL",
        page_recipes: &[page("byol", "BYOL"), page("byol-lars", "BYOL, LARS")],
        heads: Heads::BYOL,
        views: 2,
        symmetric: true,
        labels: false,
        queue: false,
        bn: SYNC,
        pipeline: Pipeline::ByolAsymmetric,
        defaults: Defaults::SYMMETRIC,
        build: |heads, config, device| Box::new(Byol::new(heads, config, device)),
    },
}

impl MethodKind {
    /// The method of a name in recipes.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        self.spec().label
    }

    /// The paper's kind of batch norm (methods.md 0).
    pub fn bn(self) -> BnKind {
        self.spec().bn.first().copied().unwrap_or(BnKind::Sync)
    }

    /// The method, randomly initialised on `device`, which is one without autodiff: the online network adds it.
    ///
    /// ```
    /// use burn::tensor::{Device, Distribution, Int, Tensor};
    /// use parallax_methods::{BnConfig, MethodConfig, MethodKind, Views};
    /// use parallax_nets::{Arch, ResNetConfig, Stem};
    /// use parallax_ranks::Ranks;
    ///
    /// let device = Device::flex(); // the CPU
    /// let network = ResNetConfig { width: 4, hidden: 8, out: 4, ..ResNetConfig::new(Arch::Tiny, Stem::Small) };
    /// let bn = BnConfig { kind: MethodKind::Byol.bn(), bn_groups: 1, ranks: Ranks::ONE };
    /// let config = MethodConfig { network, bn, temperature: 1.0, queue: 0, predictor: true, seed: 0, recompute: false };
    /// let mut method = MethodKind::Byol.build(&config, &device);
    /// let images = || Tensor::<4>::random([4, 3, 16, 16], Distribution::Default, &device);
    /// let output = method.loss(Views {
    ///     first: images(),
    ///     second: images(),
    ///     labels: Tensor::<1, Int>::zeros([4], &device),
    ///     enqueue_second: vec![false],
    ///     order: vec![0, 1, 2, 3],
    /// });
    /// assert_eq!(output.features.dims(), [4, 16]);
    /// ```
    pub fn build(self, config: &MethodConfig, device: &Device) -> Box<dyn Method> {
        (self.spec().build)(self.heads(config.predictor), config, device)
    }

    /// The heads of its networks, with the predictor or without.
    pub fn heads(self, predictor: bool) -> Heads {
        match predictor {
            true => self.spec().heads,
            false => self.spec().heads.without_predictor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_consistent() {
        for kind in MethodKind::ALL {
            let spec = kind.spec();
            assert_eq!(MethodKind::find(spec.name), Some(kind));
            assert!(!spec.bn.is_empty() && !spec.page_recipes.is_empty());
            assert_eq!(spec.heads.target.is_some(), spec.views == 2);
            assert_eq!(spec.page_recipes[0].label, spec.label);
        }
        assert_eq!(MethodKind::find("simclr"), None);
    }
}
