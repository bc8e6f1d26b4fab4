//! What is reported of runs: accuracies, by groups of runs that differ in nothing but the seed.

use super::collect::{Evaluation, Run};
use super::setting::Setting;
use super::stats::Summary;

/// An accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Linear evaluation.
    Linear,
    /// kNN on frozen features.
    Knn,
    /// Fine-tuning of the whole network.
    Finetune,
    /// The linear probe that ends a run.
    Probe,
    /// The kNN probe during and after a run.
    KnnProbe,
}

impl Measure {
    pub const ALL: [Self; 5] = [
        Self::Linear,
        Self::Knn,
        Self::Finetune,
        Self::Probe,
        Self::KnnProbe,
    ];

    /// Its name in file names.
    pub fn key(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Knn => "knn",
            Self::Finetune => "finetune",
            Self::Probe => "probe",
            Self::KnnProbe => "knn-probe",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Linear => "linear evaluation",
            Self::Knn => "kNN",
            Self::Finetune => "fine-tuning",
            Self::Probe => "linear probe",
            Self::KnnProbe => "kNN probe",
        }
    }

    /// Whether an evaluation measures this.
    fn is(self, evaluation: &Evaluation) -> bool {
        match self {
            Self::Linear => evaluation.result.task == "linear-eval",
            Self::Knn => evaluation.result.task == "knn",
            Self::Finetune => evaluation.result.task == "finetune",
            Self::Probe | Self::KnnProbe => false,
        }
    }
}

impl Run {
    /// Its evaluations by a measure, of weights as they are or rescaled to an anchor's norms.
    fn by(&self, measure: Measure, anchor: Option<&str>) -> Vec<&Evaluation> {
        let fits = |evaluation: &&Evaluation| {
            measure.is(evaluation) && evaluation.anchor.as_deref() == anchor
        };
        let mut found: Vec<&Evaluation> = self.evaluations.iter().filter(fits).collect();
        // Presets are made for an optimiser: where there are several, its own counts.
        let large_norm = self.setting.system.ends_with("-lars");
        let own = |evaluation: &&Evaluation| match evaluation.result.preset.as_deref() {
            Some(preset) => preset.starts_with("large-norm") == large_norm,
            None => true,
        };
        if found.iter().any(own) {
            found.retain(own);
        }
        found
    }

    /// Top-1 accuracy of its last evaluated checkpoint, in percent.
    pub fn last(&self, measure: Measure, anchor: Option<&str>) -> Option<f64> {
        match (measure, anchor) {
            (Measure::Probe, None) => self.table[1],
            (Measure::KnnProbe, None) => self.table[0].or(self.probes.last().map(|(_, knn)| *knn)),
            _ => self.last_evaluation(measure, anchor).map(|e| e.result.top1),
        }
    }

    /// The evaluation of its last evaluated checkpoint.
    pub fn last_evaluation(&self, measure: Measure, anchor: Option<&str>) -> Option<&Evaluation> {
        // Weights without a step are those of the newest checkpoint.
        self.by(measure, anchor)
            .into_iter()
            .max_by_key(|evaluation| evaluation.result.step.unwrap_or(u64::MAX))
    }

    /// Epoch and top-1 accuracy of each evaluated checkpoint.
    pub fn course(&self, measure: Measure) -> Vec<(f64, f64)> {
        if measure == Measure::KnnProbe {
            return self.probes.clone();
        }
        let evaluations = self.by(measure, None).into_iter();
        let points = evaluations.filter_map(|e| Some((self.epoch(&e.result)?, e.result.top1)));
        let mut points: Vec<_> = points.collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| a.0 == b.0);
        points
    }
}

/// Runs that differ in nothing but the seed.
pub struct Group<'a> {
    pub setting: Setting,
    pub runs: Vec<&'a Run>,
}

/// The groups of runs, in the order of the paper's methods.
pub fn groups(runs: &[Run]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|group| group.setting == run.setting) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                setting: run.setting.clone(),
                runs: vec![run],
            }),
        }
    }
    let place = |setting: &Setting| {
        let known = parallax_methods::MethodKind::ALL;
        let method = setting.system.trim_end_matches("-lars");
        let place = known.iter().position(|kind| kind.name() == method);
        (place.unwrap_or(known.len()), setting.system.clone())
    };
    groups.sort_by(|a, b| {
        let others = a.setting.partial_cmp(&b.setting);
        let others = others.unwrap_or(std::cmp::Ordering::Equal);
        place(&a.setting).cmp(&place(&b.setting)).then(others)
    });
    groups
}

impl Group<'_> {
    /// Over the seeds; none where no run was measured.
    pub fn summary(&self, measure: Measure, anchor: Option<&str>) -> Option<Summary> {
        let values = self.runs.iter().filter_map(|run| run.last(measure, anchor));
        Summary::of(&values.collect::<Vec<_>>())
    }

    /// Epochs of the evaluated checkpoints, with the summary over the seeds.
    pub fn course(&self, measure: Measure) -> Vec<(f64, Summary)> {
        let mut points: Vec<(f64, f64)> = self
            .runs
            .iter()
            .flat_map(|run| run.course(measure))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let same = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs() < 1e-6;
        let at_epoch = points.chunk_by(same).filter_map(|chunk| {
            let values: Vec<f64> = chunk.iter().map(|(_, value)| *value).collect();
            Some((chunk[0].0, Summary::of(&values)?))
        });
        at_epoch.collect()
    }
}
