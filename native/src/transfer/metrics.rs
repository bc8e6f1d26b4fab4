//! What steps and evaluations measure.

use parallax_probes::{Format, Metric, Metrics};
use parallax_train::LR;
use parallax_transfer::TransferReport;

const fn loss(
    key: &'static str,
    tag: &'static str,
    label: &'static str,
    rank: Option<u8>,
) -> Metric {
    Metric {
        key,
        tag,
        label,
        format: Format::Decimals(3),
        single: false,
        rank,
    }
}

const fn count(key: &'static str, tag: &'static str) -> Metric {
    Metric {
        key,
        tag,
        label: "",
        format: Format::Decimals(0),
        single: false,
        rank: None,
    }
}

const fn score(key: &'static str, tag: &'static str, label: &'static str) -> Metric {
    Metric {
        key,
        tag,
        label,
        format: Format::Decimals(1),
        single: false,
        rank: Some(30),
    }
}

static LOSSES: [Metric; 7] = [
    loss("loss", "train/loss", "loss", Some(0)),
    loss("loss_rpn_cls", "train/loss_rpn_cls", "rpn", Some(10)),
    loss("loss_rpn_loc", "train/loss_rpn_loc", "rpn box", None),
    loss("loss_cls", "train/loss_cls", "cls", Some(12)),
    loss("loss_box_reg", "train/loss_box_reg", "box", Some(13)),
    loss("loss_mask", "train/loss_mask", "mask", Some(14)),
    // The only one of its task.
    loss("loss_sem_seg", "train/loss_sem_seg", "", None),
];

static COUNTS: [Metric; 4] = [
    count("rpn_pos", "train/rpn_pos"),
    count("rpn_neg", "train/rpn_neg"),
    count("roi_fg", "train/roi_fg"),
    count("roi_bg", "train/roi_bg"),
];

/// Box AP.
pub static AP: Metric = score("ap", "test/AP", "AP");
/// At an IoU of 0.5.
pub static AP50: Metric = score("ap50", "test/AP50", "AP50");
/// At an IoU of 0.75.
pub static AP75: Metric = score("ap75", "test/AP75", "AP75");
/// Mask AP.
pub static MASK_AP: Metric = score("mask_ap", "test/mask_AP", "mask AP");
/// Mask AP at an IoU of 0.5.
pub static MASK_AP50: Metric = score("mask_ap50", "test/mask_AP50", "mask AP50");
/// Mean IoU of classes.
pub static MEAN_IOU: Metric = score("miou", "test/mIoU", "mIoU");

/// Those of a step.
pub fn of_step(report: &TransferReport) -> Metrics {
    let mut metrics = Metrics::new().with(&LR, report.rate);
    let losses = report.losses.iter().map(|(name, value)| (*name, *value));
    for (name, value) in [("loss", report.loss)].into_iter().chain(losses) {
        if let Some(metric) = LOSSES.iter().find(|metric| metric.key == name) {
            metrics = metrics.with(metric, value);
        }
    }
    for (name, value) in &report.counts {
        if let Some(metric) = COUNTS.iter().find(|metric| metric.key == *name) {
            metrics = metrics.with(metric, *value as f64);
        }
    }
    metrics
}
