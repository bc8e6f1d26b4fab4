//! Linear evaluation of a network in the middle or at the end of pre-training (`[probe.linear_eval]`).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use burn::tensor::Device;
use parallax_data::Source;
use parallax_eval::{EvalError, LINEAR_EVAL, LINEAR_EVAL_TOP5, LinearEval, LinearEvalConfig};
use parallax_nets::ResNet;
use parallax_probes::Metrics;
use parallax_train::{DataShape, Extractor, Recipe};
use pollster::block_on;

use super::batches::Batches;
use super::features;
use crate::usage::BadArgument;
use crate::{ranks, stop};

/// The linear evaluations of a pre-training run.
pub struct LinearProbe {
    config: LinearEvalConfig,
    train: Arc<dyn Source>,
    test: Arc<dyn Source>,
    threads: usize,
}

/// Settings of a recipe's linear evaluations on so many training images; none where it asks for none. Refuses those that are
/// out of range, before anything is trained.
pub fn check_linear_probe(recipe: &Recipe, examples: usize) -> Result<Option<LinearEvalConfig>> {
    if !recipe.evaluates_linearly() {
        return Ok(None);
    }
    let section = &recipe.probe.linear_eval;
    let config = LinearEvalConfig::of_probe(section, recipe.views.size, recipe.run.seed);
    config.check().map_err(|error| match error {
        EvalError::Value { key, reason } => {
            let key = key.replace('-', "_");
            BadArgument(format!("probe.linear_eval.{key} {reason}")).into()
        }
        other => anyhow::Error::from(other),
    })?;
    let batch = config.batch_size;
    if examples < batch {
        return Err(EvalError::ProbeTooFew { examples, batch }.into());
    }
    Ok(Some(config))
}

impl LinearProbe {
    /// Of a recipe; none where it asks for no linear evaluation.
    pub fn of(
        recipe: &Recipe,
        [train, test]: [&Arc<dyn Source>; 2],
        threads: usize,
    ) -> Result<Option<Self>> {
        let config = check_linear_probe(recipe, train.len())?;
        Ok(config.map(|config| Self {
            config,
            train: Arc::clone(train),
            test: Arc::clone(test),
            threads,
        }))
    }

    /// Evaluates a backbone; no metrics where `stop` was set before the end.
    pub fn evaluate(
        &self,
        network: &ResNet,
        device: &Device,
        stop: &AtomicBool,
    ) -> Result<Metrics> {
        let mut extractor = Extractor::new(network, self.config.size, device);
        let test = features::of(&mut extractor, self.test.as_ref(), "test", None)?;
        let data = DataShape::of(self.train.as_ref());
        let mut run = LinearEval::new(self.config.clone(), extractor.columns(), data, device)?;
        let (steps, kept) = ([0, run.total_steps()], (self.threads, None));
        let mut batches = Batches::start(extractor, &self.config, &self.train, steps, kept)?;
        for step in 0..run.total_steps() {
            if stop::agreed(stop, ranks::here())? {
                return Ok(Metrics::new());
            }
            let (features, labels, _) = batches.next(step, device)?;
            block_on(run.step(features, &labels))?;
        }
        let scores = block_on(run.evaluate(&test))?;
        Ok(Metrics::new()
            .with(&LINEAR_EVAL, scores.top1)
            .with(&LINEAR_EVAL_TOP5, scores.top5))
    }
}
