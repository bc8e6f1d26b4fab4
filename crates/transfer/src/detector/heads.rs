//! The second stage: classes and boxes of regions.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use parallax_boxes::{Corners, LevelOptions, level};
use parallax_kernels::{Activation, Roi, RoiAlign, roi_align};
use parallax_nets::{
    BatchNorm, Block, ConvConfig, ConvNorm, Init, Linear, Mode, global_average_pool,
};

use crate::detector::mask_head::MaskHead;
use crate::recipe::DetectorSection;

/// Sides of the pooled maps of regions.
pub(crate) const C4_SIDE: usize = 14;
pub(crate) const BOX_SIDE: usize = 7;
const MASK_SIDE: usize = 14;
/// Convolutions of the pyramid's box head and mask head.
const CONVS: usize = 4;
/// The level of the finest map.
const FINEST: i64 = 2;

/// The second stage.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of them")]
pub enum RoiHeads {
    /// The last stage of the backbone, for boxes and masks.
    C4(C4Heads),
    /// On a feature pyramid.
    Fpn(FpnHeads),
}

/// The last stage and a batch norm behind it (methods.md 7.4).
#[derive(Module, Debug)]
pub struct C4Heads {
    res5: Vec<Block>,
    norm: BatchNorm,
    box_predictor: BoxPredictor,
    mask_head: Option<MaskHead>,
}

/// A box head and a mask head (methods.md 7.5).
#[derive(Module, Debug)]
pub struct FpnHeads {
    box_head: BoxHead,
    box_predictor: BoxPredictor,
    mask_head: Option<MaskHead>,
}

/// Four convolutions and a linear layer.
#[derive(Module, Debug)]
pub struct BoxHead {
    conv: Vec<ConvNorm>,
    fc1: Linear,
}

/// Features of a region to classes and the deltas of each class.
#[derive(Module, Debug)]
pub struct BoxPredictor {
    cls_score: Linear,
    bbox_pred: Linear,
}

/// What the box branch gives for regions.
pub struct BoxOutput {
    /// `[regions, classes + 1]`, the background last.
    pub logits: Tensor<2>,
    /// `[regions, 4 classes]`, those of class k from 4 k on.
    pub deltas: Tensor<2>,
    /// What was pooled, `[regions, side, side, channels]`.
    pub pooled: Tensor<4>,
    /// What the mask branch goes on from: with C4 the last maps of all regions, in the order of rows.
    pub last: Option<Tensor<4>>,
    /// Row r of the tensors belongs to region `order[r]`: with a pyramid, regions of a level stand together.
    pub order: Vec<usize>,
}

/// Feature maps with the pixels of the image between their neighbours.
pub struct Maps<'a> {
    /// `[images, height, width, channels]`, the finest first.
    pub maps: &'a [Tensor<4>],
    /// Of each map.
    pub strides: Vec<u32>,
}

impl Maps<'_> {
    /// The level of a region, from [`FINEST`] on.
    fn level(&self, corners: Corners) -> i64 {
        let options = LevelOptions {
            min_level: FINEST,
            max_level: FINEST + self.maps.len() as i64 - 1,
            ..LevelOptions::default()
        };
        match self.maps.len() {
            1 => FINEST,
            _ => level(corners, &options),
        }
    }

    /// The map that a region is pooled from, and how.
    pub(crate) fn of(&self, corners: Corners, side: usize) -> (Tensor<4>, RoiAlign) {
        let at = (self.level(corners) - FINEST) as usize;
        let align = RoiAlign::new(1.0 / self.strides[at] as f32, side);
        (self.maps[at].clone(), align)
    }

    /// RoIAlign of one or more regions, each on the map for its size, and the order of the rows.
    pub(crate) fn pool(&self, rois: &[Roi], side: usize) -> (Tensor<4>, Vec<usize>) {
        let levels: Vec<i64> = rois.iter().map(|roi| self.level(roi.corners)).collect();
        let (mut pooled, mut order) = (Vec::new(), Vec::new());
        for ((map, &stride), own) in self.maps.iter().zip(&self.strides).zip(FINEST..) {
            let places: Vec<usize> = (0..rois.len()).filter(|&at| levels[at] == own).collect();
            if places.is_empty() {
                continue;
            }
            let rois: Vec<Roi> = places.iter().map(|&at| rois[at]).collect();
            let align = RoiAlign::new(1.0 / stride as f32, side);
            pooled.push(roi_align(map.clone(), &rois, align));
            order.extend(places);
        }
        (Tensor::cat(pooled, 0), order)
    }
}

impl BoxPredictor {
    fn new(init: &mut Init, features: usize, classes: usize) -> Self {
        let mut layer = |outputs: usize, std: f64| Linear {
            weight: Param::from_tensor(init.normal([outputs, features], std)),
            bias: Some(Param::from_tensor(init.constant(outputs, 0.0))),
        };
        Self {
            cls_score: layer(classes + 1, 0.01),
            bbox_pred: layer(4 * classes, 0.001),
        }
    }

    fn forward(&self, features: Tensor<2>) -> [Tensor<2>; 2] {
        let logits = self.cls_score.forward(features.clone());
        [logits, self.bbox_pred.forward(features)]
    }
}

impl C4Heads {
    /// On `res5`, whose output has `features` channels.
    pub(crate) fn new(
        init: &mut Init,
        res5: Vec<Block>,
        features: usize,
        classes: usize,
        section: &DetectorSection,
    ) -> Self {
        let mask_head = || MaskHead::new(init, [features, section.channels], 0, classes);
        let mask_head = section.masks.then(mask_head);
        Self {
            res5,
            norm: BatchNorm::new(init, features),
            box_predictor: BoxPredictor::new(init, features, classes),
            mask_head,
        }
    }

    /// The maps of regions, `[regions, 14, 14, channels]` to `[regions, 7, 7, features]`.
    fn last(&mut self, pooled: Tensor<4>, mode: Mode) -> Tensor<4> {
        let blocks = self.res5.iter_mut();
        let x = blocks.fold(pooled, |x, block| block.forward(x, mode));
        self.norm.forward(x, None, Activation::None, mode)
    }
}

impl FpnHeads {
    pub(crate) fn new(init: &mut Init, classes: usize, section: &DetectorSection) -> Self {
        let channels = section.channels;
        let inputs = channels * BOX_SIDE * BOX_SIDE;
        let mask_head = || MaskHead::new(init, [channels, channels], CONVS, classes);
        let mask_head = section.masks.then(mask_head);
        Self {
            box_head: BoxHead {
                conv: convs(init, channels, CONVS),
                fc1: Linear {
                    weight: Param::from_tensor(init.xavier([section.hidden, inputs])),
                    bias: Some(Param::from_tensor(init.constant(section.hidden, 0.0))),
                },
            },
            box_predictor: BoxPredictor::new(init, section.hidden, classes),
            mask_head,
        }
    }
}

/// 3x3 convolutions with batch norm that keep the channels.
pub(crate) fn convs(init: &mut Init, channels: usize, count: usize) -> Vec<ConvNorm> {
    let mut conv = || {
        let weight = init.normal_fan_out([channels, channels, 3, 3]);
        ConvNorm::of(init, ConvConfig::new(channels, channels, 3), weight)
    };
    (0..count).map(|_| conv()).collect()
}

impl BoxHead {
    /// `[regions, 7, 7, channels]` to `[regions, hidden]`.
    fn forward(&mut self, pooled: Tensor<4>, mode: Mode) -> Tensor<2> {
        let convs = self.conv.iter_mut();
        let x = convs.fold(pooled, |x, conv| conv.forward(x, Activation::Relu, mode));
        // The linear layer reads (channel, y, x).
        let [regions, height, width, channels] = x.dims();
        let x = x.permute([0, 3, 1, 2]);
        relu(
            self.fc1
                .forward(x.reshape([regions, channels * height * width])),
        )
    }
}

impl RoiHeads {
    /// Classes and boxes of one or more regions.
    pub fn boxes(&mut self, maps: &Maps<'_>, rois: &[Roi], mode: Mode) -> BoxOutput {
        let pooled = maps.pool(rois, self.box_side());
        self.boxes_of(pooled, mode)
    }

    /// The side of the maps that the box branch reads.
    pub(crate) fn box_side(&self) -> usize {
        match self {
            RoiHeads::C4(_) => C4_SIDE,
            RoiHeads::Fpn(_) => BOX_SIDE,
        }
    }

    /// Classes and boxes of pooled regions in an order of rows.
    pub(crate) fn boxes_of(
        &mut self,
        (pooled, order): (Tensor<4>, Vec<usize>),
        mode: Mode,
    ) -> BoxOutput {
        let (features, last, predictor) = match self {
            RoiHeads::C4(heads) => {
                let last = heads.last(pooled.clone(), mode);
                let features = global_average_pool(last.clone());
                (features, Some(last), &heads.box_predictor)
            }
            RoiHeads::Fpn(heads) => {
                let features = heads.box_head.forward(pooled.clone(), mode);
                (features, None, &heads.box_predictor)
            }
        };
        let [logits, deltas] = predictor.forward(features);
        BoxOutput {
            logits,
            deltas,
            pooled,
            last,
            order,
        }
    }

    /// What the mask head's predictor reads for one or more regions, `[regions, side, side, channels]`, and the order of the
    /// rows. `last` are the regions' maps where the box branch has computed them.
    ///
    /// Without a mask head there is nothing to predict: `None`.
    pub fn mask_features(
        &mut self,
        maps: &Maps<'_>,
        rois: &[Roi],
        last: Option<Tensor<4>>,
        mode: Mode,
    ) -> Option<(Tensor<4>, Vec<usize>)> {
        let (x, order) = match self {
            RoiHeads::C4(heads) => {
                heads.mask_head.as_ref()?;
                match last {
                    Some(last) => (last, (0..rois.len()).collect()),
                    None => {
                        let (pooled, order) = maps.pool(rois, C4_SIDE);
                        (heads.last(pooled, mode), order)
                    }
                }
            }
            RoiHeads::Fpn(heads) => {
                heads.mask_head.as_ref()?;
                maps.pool(rois, MASK_SIDE)
            }
        };
        let head = self.mask_head_mut()?;
        Some((head.forward(x, mode), order))
    }

    /// The mask head.
    pub fn mask_head(&self) -> Option<&MaskHead> {
        match self {
            RoiHeads::C4(heads) => heads.mask_head.as_ref(),
            RoiHeads::Fpn(heads) => heads.mask_head.as_ref(),
        }
    }

    fn mask_head_mut(&mut self) -> Option<&mut MaskHead> {
        match self {
            RoiHeads::C4(heads) => heads.mask_head.as_mut(),
            RoiHeads::Fpn(heads) => heads.mask_head.as_mut(),
        }
    }

    pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        match self {
            RoiHeads::C4(heads) => {
                let blocks = heads.res5.iter_mut().flat_map(Block::batch_norms);
                blocks.chain([&mut heads.norm]).collect()
            }
            RoiHeads::Fpn(heads) => {
                let masks = heads.mask_head.iter_mut().flat_map(MaskHead::batch_norms);
                let boxes = heads.box_head.conv.iter_mut().map(ConvNorm::batch_norm);
                boxes.chain(masks).collect()
            }
        }
    }
}
