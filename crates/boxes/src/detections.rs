//! Detections of the second stage.

use crate::nms::nms_by_group;
use crate::{Corners, Size, clip, decode, has_area};

/// What becomes a detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionOptions {
    /// The image as the network saw it, without padding.
    pub image: Size,
    /// The image that detections are given for.
    pub output: Size,
    /// Scores above it are kept.
    pub score: f32,
    /// IoU of the NMS by class.
    pub nms: f32,
    /// The most detections of an image.
    pub top: usize,
    /// Of the box code.
    pub weights: [f32; 4],
}

/// A detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// In pixels of the output image.
    pub corners: Corners,
    /// In pixels of the network's image: where masks are pooled.
    pub pooled: Corners,
    /// From 0 to 1.
    pub score: f32,
    /// From 0.
    pub class: usize,
    /// The proposal that it comes from.
    pub proposal: usize,
}

/// The boxes of one image that go into NMS, as many for a proposal as it has classes with a score above the threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredBoxes {
    /// Decoded, within the network's image.
    pub boxes: Vec<Corners>,
    /// From 0 to 1.
    pub scores: Vec<f32>,
    /// From 0.
    pub classes: Vec<usize>,
    /// The proposal of each.
    pub proposals: Vec<usize>,
}

impl ScoredBoxes {
    /// `logits` holds K + 1 values a proposal, background last; `deltas` 4 K values, those of class k from 4 k on. Proposals
    /// with a value that is not finite are left out.
    pub fn of(
        proposals: &[Corners],
        logits: &[f32],
        deltas: &[f32],
        options: &DetectionOptions,
    ) -> Self {
        let classes = logits.len() / proposals.len().max(1) - usize::from(!proposals.is_empty());
        let mut found = Self::default();
        for (number, &proposal) in proposals.iter().enumerate() {
            let probabilities = softmax(&logits[number * (classes + 1)..][..classes + 1]);
            let decoded = |class: usize| {
                let at = 4 * (number * classes + class);
                let code = [deltas[at], deltas[at + 1], deltas[at + 2], deltas[at + 3]];
                decode(proposal, code, options.weights)
            };
            let decoded: Vec<Corners> = (0..classes).map(decoded).collect();
            let mut values = probabilities.iter().chain(decoded.iter().flatten());
            if values.any(|value| !value.is_finite()) {
                continue;
            }
            for (class, corners) in decoded.into_iter().enumerate() {
                if probabilities[class] > options.score {
                    found.boxes.push(clip(corners, options.image));
                    found.scores.push(probabilities[class]);
                    found.classes.push(class);
                    found.proposals.push(number);
                }
            }
        }
        found
    }

    /// NMS by class: the places of the best `top` of all that are left and have an area in the output image, best first.
    pub fn kept(&self, options: &DetectionOptions) -> Vec<usize> {
        let (nms, top) = (options.nms, options.top);
        let mut kept = nms_by_group(&self.boxes, &self.scores, &self.classes, nms, top);
        kept.retain(|&place| has_area(rescaled(self.boxes[place], options)));
        kept
    }

    /// The box at a place as a detection.
    pub fn detection(&self, place: usize, options: &DetectionOptions) -> Detection {
        Detection {
            corners: rescaled(self.boxes[place], options),
            pooled: self.boxes[place],
            score: self.scores[place],
            class: self.classes[place],
            proposal: self.proposals[place],
        }
    }
}

/// The detections of one image: those of its [`ScoredBoxes`] that NMS leaves.
pub fn detections(
    proposals: &[Corners],
    logits: &[f32],
    deltas: &[f32],
    options: &DetectionOptions,
) -> Vec<Detection> {
    let scored = ScoredBoxes::of(proposals, logits, deltas, options);
    let kept = scored.kept(options).into_iter();
    kept.map(|place| scored.detection(place, options)).collect()
}

/// From the network's image to the output.
fn rescaled(corners: Corners, options: &DetectionOptions) -> Corners {
    // The ratios are f64 numbers in the original, rounded when they meet the f32 boxes.
    let scale = |at: usize| (f64::from(options.output[at]) / f64::from(options.image[at])) as f32;
    let (y, x) = (scale(0), scale(1));
    let [x1, y1, x2, y2] = corners;
    clip([x1 * x, y1 * y, x2 * x, y2 * y], options.output)
}

/// Probabilities from logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
