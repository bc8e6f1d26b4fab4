//! The metrics of evaluations.

use parallax_probes::{Format, Metric};

/// Top-1 accuracy on the step's batch, in percent, before the step.
pub const ACCURACY: Metric = Metric {
    key: "accuracy",
    tag: "train/accuracy",
    label: "train",
    format: Format::Percent(1),
    single: true,
    rank: Some(10),
};

/// Top-1 accuracy on the test images, in percent.
pub const TOP1: Metric = Metric {
    key: "top1",
    tag: "eval/top1",
    label: "top-1",
    format: Format::Percent(1),
    single: false,
    rank: Some(20),
};

/// Fraction of the test images whose class is among the five with the highest scores, in percent.
pub const TOP5: Metric = Metric {
    key: "top5",
    tag: "eval/top5",
    label: "top-5",
    format: Format::Percent(1),
    single: false,
    rank: Some(21),
};

/// The highest top-1 accuracy of all evaluations so far, in percent.
pub const BEST_TOP1: Metric = Metric {
    key: "best_top1",
    tag: "eval/best_top1",
    label: "best",
    format: Format::Percent(1),
    single: false,
    rank: Some(22),
};

/// Top-1 accuracy of a linear evaluation during or after pre-training, in percent.
pub const LINEAR_EVAL: Metric = Metric {
    key: "linear_eval",
    tag: "probe/linear_eval",
    label: "lin.eval",
    format: Format::Percent(1),
    single: false,
    rank: Some(23),
};

/// Top-5 accuracy of the same.
pub const LINEAR_EVAL_TOP5: Metric = Metric {
    key: "linear_eval_top5",
    tag: "probe/linear_eval_top5",
    label: "lin. top5",
    format: Format::Percent(1),
    single: false,
    rank: None,
};
