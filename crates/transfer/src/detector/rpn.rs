//! The region proposal network (methods.md 7.3).

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use parallax_boxes::{Corners, Match, Matcher, Sampled, encode, sample};
use parallax_nets::{Conv2d, ConvConfig, Init};

use crate::detector::Example;
use crate::loss::{binary_cross_entropy, l1, upload};
use crate::sampling::{Ranking, Stage};

/// Standard deviation of initial weights.
const STD: f64 = 0.01;
/// The most positives among the anchors of a step.
const POSITIVE: f64 = 0.5;
/// Weights of the box code.
pub(crate) const CODE: [f32; 4] = [1.0; 4];

/// What proposes regions.
#[derive(Module, Debug)]
pub struct ProposalGenerator {
    rpn_head: RpnHead,
}

/// Shared by all levels: a 3x3 convolution with ReLU, then objectness and deltas of each anchor.
#[derive(Module, Debug)]
pub struct RpnHead {
    conv: Conv2d,
    objectness_logits: Conv2d,
    anchor_deltas: Conv2d,
}

/// The network's output for all anchors.
#[derive(Clone)]
pub struct RpnOutput {
    /// `[images, anchors]`
    pub logits: Tensor<2>,
    /// `[images, anchors, 4]`
    pub deltas: Tensor<3>,
}

impl ProposalGenerator {
    pub(crate) fn new(init: &mut Init, channels: usize, anchors: usize) -> Self {
        let mut layer = |outputs: usize, kernel: usize| {
            let weight = init.normal([outputs, channels, kernel, kernel], STD);
            let config = ConvConfig::new(channels, outputs, kernel).bias();
            Conv2d::of(init, config, weight)
        };
        Self {
            rpn_head: RpnHead {
                conv: layer(channels, 3),
                objectness_logits: layer(anchors, 1),
                anchor_deltas: layer(4 * anchors, 1),
            },
        }
    }

    /// Maps `[images, height, width, channels]` to the output for their anchors, level by level.
    pub fn forward(&self, maps: &[Tensor<4>]) -> RpnOutput {
        let head = &self.rpn_head;
        let levels = maps.iter().map(|map| {
            let x = relu(head.conv.forward(map.clone()));
            let logits = head.objectness_logits.forward(x.clone());
            let deltas = head.anchor_deltas.forward(x);
            let [images, height, width, cell] = logits.dims();
            let anchors = height * width * cell;
            let logits = logits.reshape([images, anchors]);
            (logits, deltas.reshape([images, anchors, 4]))
        });
        let (logits, deltas): (Vec<_>, Vec<_>) = levels.unzip();
        RpnOutput {
            logits: Tensor::cat(logits, 1),
            deltas: Tensor::cat(deltas, 1),
        }
    }
}

/// What an image's anchors should become.
#[derive(Clone, Debug)]
pub struct AnchorTargets {
    /// Of every anchor.
    pub matches: Vec<Match>,
    /// Those that the step learns from.
    pub sampled: Sampled,
}

impl AnchorTargets {
    /// Matches the anchors of image number `image` with its objects and takes `count` of them.
    pub(crate) fn of(
        example: &Example,
        anchors: &[Corners],
        count: usize,
        (ranking, image): (Ranking, usize),
    ) -> Self {
        let matches = Matcher::of_anchors().matches(&example.boxes, anchors);
        let labels: Vec<i64> = matches.iter().map(|found| found.label).collect();
        let ranks = ranking.ranks(Stage::Anchors, image, anchors.len());
        let sampled = sample(&labels, count, POSITIVE, 0, |at| ranks[at]);
        Self { matches, sampled }
    }
}

/// `loss_rpn_cls` and `loss_rpn_loc`: sums over the anchors that were taken, divided by `count` for each image, however few
/// they are.
pub(crate) fn losses(
    output: RpnOutput,
    anchors: &[Corners],
    examples: &[Example],
    targets: &[AnchorTargets],
    count: usize,
    device: &Device,
) -> [Tensor<1>; 2] {
    let [images, all] = output.logits.dims();
    let weight = 1.0 / (count * images) as f32;
    let mut objectness = vec![0.0; images * all];
    let mut weights = vec![0.0; images * all];
    let mut deltas = vec![0.0; images * all * 4];
    let mut delta_weights = vec![0.0; images * all * 4];
    for (image, (targets, example)) in targets.iter().zip(examples).enumerate() {
        let first = image * all;
        for &at in &targets.sampled.negative {
            weights[first + at] = weight;
        }
        for &at in &targets.sampled.positive {
            weights[first + at] = weight;
            objectness[first + at] = 1.0;
            let object = example.boxes[targets.matches[at].object];
            let code = encode(anchors[at], object, CODE);
            let place = 4 * (first + at);
            deltas[place..place + 4].copy_from_slice(&code);
            delta_weights[place..place + 4].fill(weight);
        }
    }
    let rows = |values| upload(values, [images, all], device);
    let codes = |values| upload(values, [images, all, 4], device);
    [
        binary_cross_entropy(output.logits, rows(objectness), rows(weights)),
        l1(output.deltas, codes(deltas), codes(delta_weights)),
    ]
}
