//! A run of detection or segmentation, as the loop over its driver sees it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use burn::module::Module as _;
use parallax_probes::Metrics;
use parallax_train::{
    Checkpoint, DataShape, Driver, Event, Keep, Plan, RECIPE_FILE, TRAINING_FILE, WEIGHTS_FILE,
};
use parallax_transfer::{BnKind, Ranking, TransferRun, weights};
use parallax_weights::WeightFile;
use pollster::block_on;

use super::network::CLASSES_FILE;
use super::{Evaluation, Kind, Network, Picture, Watch, metrics, precise};
use crate::data::progress::Progress;
use crate::prefetch::Prefetch;
use crate::session::{Report, Stepped, Task};

/// The file of a checkpoint that tells that its running statistics are precise ones.
const PRECISE_FILE: &str = "precise_bn.json";
/// Training images that are drawn at the start.
const DRAWN: usize = 2;

/// A run with its data.
pub struct TransferTask<K: Kind> {
    kind: K,
    run: TransferRun<K::Model>,
    batches: Prefetch<Vec<K::Example>>,
    /// Whether running statistics are precise ones.
    precise: bool,
    threads: usize,
    stop: Arc<AtomicBool>,
    /// For the caller to take.
    pictures: Vec<Picture>,
    /// The final evaluation.
    pub evaluation: Option<Evaluation>,
}

impl<K: Kind> TransferTask<K> {
    /// Of a run that is new, or that goes on from a checkpoint.
    pub fn new(
        kind: K,
        mut run: TransferRun<K::Model>,
        checkpoint: Option<&Checkpoint>,
        threads: usize,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let mut precise = false;
        if let Some(checkpoint) = checkpoint {
            precise = checkpoint.file(PRECISE_FILE).is_ok();
            restore::<K>(&mut run, checkpoint, shape(&kind))?;
        }
        let recipe = run.recipe();
        let stream = kind.stream(recipe, recipe.run.seed)?;
        let (step, total) = (run.step_index(), recipe.run.total_steps);
        let batches = Prefetch::start(move |step| stream(step), step, total, threads);
        Ok(Self {
            kind,
            run,
            batches,
            precise,
            threads,
            stop,
            pictures: Vec::new(),
            evaluation: None,
        })
    }

    /// When the run is evaluated, saved and over.
    pub fn driver(&self) -> Driver {
        let recipe = self.run.recipe();
        let every = recipe.checkpoint.every;
        let plan = Plan {
            total_steps: recipe.run.total_steps,
            probe_every: vec![recipe.checkpoint.evaluate_every],
            checkpoint_every: (every > 0).then_some(every),
            evaluate: true,
        };
        Driver::of(plan, self.run.step_index())
    }

    /// The network for inference.
    fn network(&self) -> Network<K::Model> {
        Network {
            model: self.run.model().valid(),
            plan: self.run.plan().clone(),
            recipe: self.run.recipe().clone(),
        }
    }

    fn tested(&mut self) -> Result<Option<Evaluation>> {
        let device = self.run.device().clone().inner();
        let mut network = self.network();
        let watch = Watch {
            stop: &self.stop,
            progress: Progress::stderr(),
            threads: self.threads,
        };
        let found = self.kind.evaluate(&mut network, &device, &watch)?;
        if let Some(found) = &found {
            self.pictures.extend(found.pictures.iter().cloned());
        }
        Ok(found)
    }
}

/// The size of the training data, on which the order of images depends.
fn shape<K: Kind>(kind: &K) -> DataShape {
    DataShape::new(kind.counts()[0], kind.classes().len())
}

/// Goes on from a checkpoint.
fn restore<K: Kind>(
    run: &mut TransferRun<K::Model>,
    checkpoint: &Checkpoint,
    data: DataShape,
) -> Result<()> {
    let step = checkpoint.is_of(data)?;
    let file = WeightFile::from_bytes(WEIGHTS_FILE, checkpoint.file(WEIGHTS_FILE)?)?;
    *run.model_mut() = weights::load_all(run.model().clone(), &file)?;
    let training = WeightFile::from_bytes(TRAINING_FILE, checkpoint.file(TRAINING_FILE)?)?;
    let mut optimizer = run.state().0.clone();
    optimizer.load(&training, &run.device().clone().inner());
    run.restore(optimizer, step);
    Ok(())
}

impl<K: Kind> Task for TransferTask<K> {
    fn step_index(&self) -> u64 {
        self.run.step_index()
    }

    fn total_steps(&self) -> u64 {
        self.run.recipe().run.total_steps
    }

    fn step(&mut self) -> Result<Stepped> {
        let batch = self.batches.next()?;
        if self.pictures.is_empty() && self.run.step_index() == 0 {
            let drawn = batch.iter().take(DRAWN);
            self.pictures = drawn.map(|example| self.kind.picture(example)).collect();
        }
        let ranking = Ranking::Random {
            seed: self.run.recipe().run.seed,
            step: self.run.step_index(),
        };
        let report = block_on(self.run.step(&batch, ranking))?;
        let seen = report.step as f64 * batch.len() as f64;
        Ok(Stepped {
            step: report.step,
            epoch: seen / self.kind.counts()[0] as f64,
            metrics: metrics::of_step(&report),
            images: batch.len(),
            waited: self.batches.waited,
        })
    }

    fn probe(&mut self) -> Result<Metrics> {
        let found = self.tested()?;
        Ok(found.map_or_else(Metrics::new, |found| found.scored.metrics()))
    }

    fn keep(&self) -> Keep {
        Keep::All
    }

    fn checkpoint(&mut self) -> Result<Checkpoint> {
        let recipe = self.run.recipe().to_toml()?;
        let tensors = block_on(weights::tensors(self.run.model()))?;
        let weights = WeightFile::new(WEIGHTS_FILE, tensors).with_recipe(&recipe);
        let velocities = block_on(self.run.state().0.tensors())?;
        let training = WeightFile::new(TRAINING_FILE, velocities);
        let mut files = vec![
            (WEIGHTS_FILE.to_string(), weights.to_bytes()?),
            (TRAINING_FILE.to_string(), training.to_bytes()?),
            (RECIPE_FILE.to_string(), recipe.into_bytes()),
            (
                CLASSES_FILE.to_string(),
                serde_json::to_vec(self.kind.classes())?,
            ),
        ];
        if self.precise {
            let batches = self.run.recipe().precise_bn.batches;
            let text = serde_json::json!({ "batches": batches }).to_string();
            files.push((PRECISE_FILE.to_string(), text.into_bytes()));
        }
        Ok(Checkpoint::new(
            self.run.step_index(),
            shape(&self.kind),
            files,
        )?)
    }

    /// Precise batch norm, the checkpoint with it in place of the one without, and the scores.
    fn evaluate(&mut self, report: &mut Report) -> Result<()> {
        report.progress.finish();
        let batches = match self.run.recipe().model.bn {
            BnKind::Sync => self.run.recipe().precise_bn.batches,
            // Statistics that training did not touch stay as they are.
            BnKind::Frozen => 0,
        };
        if !self.precise && batches > 0 {
            let recipe = self.run.recipe();
            let stream = self.kind.stream(recipe, precise::seed(recipe.run.seed))?;
            let watch = Watch {
                stop: &self.stop,
                progress: Progress::stderr(),
                threads: self.threads,
            };
            if !precise::apply::<K>(&mut self.run, &stream, batches, &watch)? {
                return Ok(());
            }
            self.precise = true;
            let checkpoint = self.checkpoint()?;
            let path = report.folder.replace(&checkpoint)?;
            let step = checkpoint.step;
            report.emit(&Event::Checkpoint { step, path })?;
        }
        self.evaluation = self.tested().context("the final evaluation failed")?;
        if let Some(found) = &self.evaluation {
            let (step, metrics) = (self.run.step_index(), found.scored.metrics());
            report.emit(&Event::Probe { step, metrics })?;
        }
        Ok(())
    }

    fn pictures(&mut self) -> Vec<Picture> {
        std::mem::take(&mut self.pictures)
    }
}
