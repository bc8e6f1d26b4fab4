//! Ranges of a recipe's values.

use parallax_views::Pipeline;

use crate::error::RecipeError;
use crate::groups::ParamGroup;
use crate::recipe::Recipe;
use crate::taxonomy::Taxonomy;

impl Recipe {
    /// Checks every value's range.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        let wrong = |key: &str, reason: &str| {
            Err(RecipeError::Value {
                key: key.to_string(),
                reason: reason.to_string(),
            })
        };
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match self {
            r if r.run.batch_size < 2 => wrong(
                "run.batch_size",
                "batch norm needs at least 2 images a step",
            ),
            r if r.views.pipeline == Some(Pipeline::Eval) => wrong(
                "views.pipeline",
                "must draw two views that differ; those of `eval` are the same",
            ),
            r if r.run.total_steps == Some(0) => wrong("run.total_steps", "must be at least 1"),
            r if r.run.epochs == 0 && r.run.total_steps.is_none() => {
                wrong("run.epochs", "must be at least 1")
            }
            r if r.run.accumulate == 0 || r.run.batch_size % r.run.accumulate != 0 => {
                wrong("run.accumulate", "must divide run.batch_size")
            }
            r if r.method.bn_groups == 0 || r.run.batch_size % r.method.bn_groups != 0 => {
                wrong("method.bn_groups", "must divide run.batch_size")
            }
            r if r.method.bn_groups > 1 && r.method.bn_groups % r.run.accumulate != 0 => wrong(
                "run.accumulate",
                "must divide method.bn_groups: a micro-batch holds whole BN groups",
            ),
            r if r.run.batch_size / r.method.bn_groups.max(r.run.accumulate) < 2 => wrong(
                "run.batch_size",
                "leaves a BN group or a micro-batch fewer than 2 images",
            ),
            r if !r.method.name.spec().bn.contains(&r.method.bn) => wrong(
                "method.bn",
                "is not a kind of batch norm that this method allows",
            ),
            r if !(8..=1024).contains(&r.views.size) => {
                wrong("views.size", "must be between 8 and 1024 pixels")
            }
            r if r.model.width == Some(0) => wrong("model.width", "must be at least 1"),
            r if !r.method.predictor && !r.method.name.spec().heads.has_predictor() => wrong(
                "method.predictor",
                "can be false for method.name = byol and moco-v2-plus, whose online network has a predictor",
            ),
            r if r.method.hidden == 0 => wrong("method.hidden", "must be at least 1"),
            r if r.method.out == Some(0) => wrong("method.out", "must be at least 1"),
            r if r.method.queue == 0 => wrong("method.queue", "must be at least 1"),
            r if !positive(r.method.temperature) => wrong("method.temperature", "must be above 0"),
            r if !unit(r.method.momentum) => wrong("method.momentum", "must be from 0 to 1"),
            r if !unit(r.optimizer.momentum) => wrong("optimizer.momentum", "must be from 0 to 1"),
            r if !positive(r.optimizer.base_lr) => wrong("optimizer.base_lr", "must be above 0"),
            r if !(r.optimizer.weight_decay >= 0.0 && r.optimizer.weight_decay.is_finite()) => {
                wrong("optimizer.weight_decay", "must be 0 or above")
            }
            r if !positive(r.optimizer.eta) => wrong("optimizer.eta", "must be above 0"),
            r if r.probe.table && r.probe.evaluators.is_empty() => wrong(
                "probe.evaluators",
                "must name at least one evaluator; probe.table=false leaves the comparison out",
            ),
            r if !positive(r.probe.online_lr) => wrong("probe.online_lr", "must be above 0"),
            r if !(r.data.class_ratio > 0.0 && r.data.class_ratio <= 1.0) => {
                wrong("data.class_ratio", "must be above 0 and at most 1")
            }
            r if !(r.data.image_ratio > 0.0 && r.data.image_ratio <= 1.0) => {
                wrong("data.image_ratio", "must be above 0 and at most 1")
            }
            r if r.data.taxonomy != Taxonomy::None && !r.method.name.spec().labels => wrong(
                "data.taxonomy",
                "groups the labels of method.name = supervised; other methods use none",
            ),
            r => r.optimizer.groups.iter().try_for_each(ParamGroup::check),
        }
    }
}
