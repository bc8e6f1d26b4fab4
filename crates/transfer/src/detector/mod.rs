//! Two-stage detectors (methods.md 7.3 to 7.5).

mod anchors;
mod backbone;
mod examined;
mod heads;
mod host;
mod inference;
mod mask_head;
mod parts;
mod pass;
mod region_losses;
mod regions;
mod rpn;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_boxes::Corners;
use parallax_nets::{BatchNorm, Init, Mode, ResNet, ResNetConfig};
use parallax_train::RecipeError;
use parallax_views::Image;

use crate::error::TransferError;
use crate::recipe::{DetectorSection, HeadKind, TransferRecipe};
use crate::run::{Losses, TransferModel};
use crate::sampling::Ranking;

pub use anchors::AnchorGrid;
pub use backbone::{Backbone, Fpn};
pub use examined::{CLASS_NMS, Examined, Pooled};
use heads::Maps;
pub use heads::{BoxHead, BoxPredictor, C4Heads, FpnHeads, RoiHeads};
pub use host::PROPOSAL_NMS;
pub use inference::{Found, in_order};
pub use mask_head::MaskHead;
pub use parts::PartTime;
pub use pass::{Pass, PassOptions};
pub use regions::Regions;
pub use rpn::{ProposalGenerator, RpnHead};

/// An image with its objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// As the network sees it, without padding.
    pub image: Image,
    /// Of each object, in pixels of the image.
    pub boxes: Vec<Corners>,
    /// Of each object, from 0.
    pub classes: Vec<usize>,
    /// The polygons of each object, `x, y, x, y, ...` in pixels of the image; empty where masks are not trained.
    pub polygons: Vec<Vec<Vec<f64>>>,
}

/// Faster R-CNN, or Mask R-CNN where it has a mask head.
///
/// Its fields name its tensors: [`to_detectron2`](crate::to_detectron2) gives detectron2's names.
#[derive(Module, Debug)]
pub struct Detector {
    pub(crate) backbone: Backbone,
    pub(crate) proposal_generator: ProposalGenerator,
    pub(crate) roi_heads: RoiHeads,
}

/// A detector and what is not learned of it.
#[derive(Clone, Debug)]
pub struct DetectorPlan {
    /// The recipe.
    pub recipe: TransferRecipe,
    /// Its `[detector]`.
    pub(crate) section: DetectorSection,
    /// Where anchors lie.
    pub anchors: AnchorGrid,
}

impl DetectorPlan {
    /// Those of all feature maps that regions are pooled from.
    pub(crate) fn pooled<'a>(&self, maps: &'a [Tensor<4>]) -> Maps<'a> {
        let pooled = match self.section.head {
            HeadKind::C4 => maps.len(),
            // The coarsest map is the proposal network's alone.
            HeadKind::Fpn => maps.len() - 1,
        };
        Maps {
            maps: &maps[..pooled],
            strides: self.anchors.strides().collect(),
        }
    }

    /// Heights and widths of batches are multiples of this: with a pyramid every map then has twice the sides of the next.
    pub(crate) fn multiple(&self) -> usize {
        let strides: Vec<u32> = self.anchors.strides().collect();
        match strides.as_slice() {
            [.., coarsest, _] => *coarsest as usize,
            _ => 1,
        }
    }
}

impl Detector {
    /// Randomly initialised (methods.md 7.3, 7.4, 7.5). `device` is one with autodiff for training.
    ///
    /// # Errors
    /// When the recipe is not a detector's.
    pub fn new(
        recipe: &TransferRecipe,
        device: &Device,
    ) -> Result<(Self, DetectorPlan), RecipeError> {
        let section = recipe.detector.as_ref().ok_or_else(|| RecipeError::Value {
            key: "detector".to_string(),
            reason: "is missing: this recipe is not a detector's".to_string(),
        })?;
        let (arch, width, classes) = (recipe.model.arch, recipe.width(), recipe.model.classes);
        let init = &mut Init::new(recipe.run.seed, device);
        let config = ResNetConfig {
            width,
            ..ResNetConfig::new(arch, recipe.model.stem)
        };
        let mut network = ResNet::new(&config, init);
        let last = arch.stages() - 1;
        let anchors = AnchorGrid::new(section, recipe.model.stem.stride(), last);
        let detector = match section.head {
            HeadKind::C4 => {
                let res5 = network.take_stage(last);
                let channels = arch.channels(width, last - 1);
                let heads = C4Heads::new(init, res5, arch.features(width), classes, section);
                Self {
                    backbone: Backbone::C4(network),
                    proposal_generator: ProposalGenerator::new(init, channels, anchors.cell()),
                    roi_heads: RoiHeads::C4(heads),
                }
            }
            HeadKind::Fpn => {
                let stages = (0..=last).map(|stage| arch.channels(width, stage));
                let fpn = Fpn::new(init, network, stages, section.channels);
                Self {
                    backbone: Backbone::Fpn(fpn),
                    proposal_generator: ProposalGenerator::new(
                        init,
                        section.channels,
                        anchors.cell(),
                    ),
                    roi_heads: RoiHeads::Fpn(FpnHeads::new(init, classes, section)),
                }
            }
        };
        let plan = DetectorPlan {
            recipe: recipe.clone(),
            section: section.clone(),
            anchors,
        };
        Ok((detector, plan))
    }

    /// Every batch norm, in the order of the tensors.
    pub fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = self.backbone.batch_norms();
        norms.extend(self.roi_heads.batch_norms());
        norms
    }
}

impl TransferModel for Detector {
    type Batch = Vec<Example>;
    type Plan = DetectorPlan;

    async fn losses(
        &mut self,
        plan: &DetectorPlan,
        batch: &Vec<Example>,
        ranking: Ranking,
        mode: Mode,
        device: &Device,
    ) -> Result<Losses, TransferError> {
        let options = PassOptions {
            ranking,
            mode,
            keep: false,
        };
        Ok(self.pass(plan, batch, options, device).await?.losses)
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        self.batch_norms()
    }
}
