//! The scores of a test set, of any benchmark.

use parallax_probes::Metrics;
use parallax_score::cityscapes::CityscapesScores;
use parallax_score::coco::CocoScores;
use parallax_score::voc::VocScores;
use serde::Serialize;

use super::metrics::{AP, AP50, AP75, MASK_AP, MASK_AP50, MEAN_IOU};
use crate::score::{cityscapes_table, coco_table, voc_table};

/// Scores in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scored {
    /// Of a test set of VOC.
    Voc07(VocScores),
    /// Of one of COCO.
    Coco {
        /// Boxes.
        bbox: Box<CocoScores>,
        /// Masks, where the model has them.
        #[serde(skip_serializing_if = "Option::is_none")]
        segm: Option<Box<CocoScores>>,
    },
    /// Of one of Cityscapes.
    Cityscapes(CityscapesScores),
}

impl Scored {
    /// The main ones, as metrics of a run. Those of nothing are left out.
    pub fn metrics(&self) -> Metrics {
        let found = match self {
            Self::Voc07(scores) => vec![
                (&AP, Some(scores.mean.ap)),
                (&AP50, Some(scores.mean.ap50)),
                (&AP75, Some(scores.mean.ap75)),
            ],
            Self::Coco { bbox, segm } => {
                let mut found = vec![(&AP, bbox.ap), (&AP50, bbox.ap50), (&AP75, bbox.ap75)];
                if let Some(segm) = segm {
                    found.extend([(&MASK_AP, segm.ap), (&MASK_AP50, segm.ap50)]);
                }
                found
            }
            Self::Cityscapes(scores) => vec![(&MEAN_IOU, scores.iou)],
        };
        let mut metrics = Metrics::new();
        for (metric, value) in found {
            if let Some(value) = value {
                metrics.push(metric, value);
            }
        }
        metrics
    }

    /// Prints tables.
    pub fn print(&self) {
        match self {
            Self::Voc07(scores) => voc_table(scores),
            Self::Coco { bbox, segm } => {
                println!("boxes");
                coco_table(bbox);
                if let Some(segm) = segm {
                    println!("\nmasks");
                    coco_table(segm);
                }
            }
            Self::Cityscapes(scores) => cityscapes_table(scores),
        }
    }
}
