//! What is reported of runs: accuracies and scores, by groups of runs that differ in nothing but the seed.

use super::collect::{Evaluation, Run};
use super::setting::Setting;
use super::stats::Summary;

/// What is measured of weights, in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Detection or segmentation by a recipe.
    Transfer(String, Score),
}

/// A score of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// Its name for people.
    label: &'static str,
    /// Its place in the scores of a result.
    pointer: &'static str,
}

/// In the order of the paper's tables.
const SCORES: [Score; 6] = [
    Score {
        label: "AP50",
        pointer: "/voc07/AP50",
    },
    Score {
        label: "AP",
        pointer: "/voc07/AP",
    },
    Score {
        label: "AP75",
        pointer: "/voc07/AP75",
    },
    Score {
        label: "AP box",
        pointer: "/coco/bbox/AP",
    },
    Score {
        label: "AP seg",
        pointer: "/coco/segm/AP",
    },
    Score {
        label: "mIoU",
        pointer: "/cityscapes/IoU",
    },
];

impl Measure {
    /// Top-1 accuracies.
    const ACCURACIES: [Self; 5] = [
        Self::Linear,
        Self::Knn,
        Self::Finetune,
        Self::Probe,
        Self::KnnProbe,
    ];

    /// All that can be measured, with the scores that were found in groups.
    pub fn all(groups: &[Group<'_>]) -> Vec<Self> {
        let runs = groups.iter().flat_map(|group| &group.runs);
        let evaluations: Vec<&Evaluation> = runs.flat_map(|run| &run.evaluations).collect();
        let recipes = evaluations.iter().filter_map(|e| e.result.recipe.as_ref());
        let mut recipes: Vec<&String> = recipes.collect();
        recipes.sort();
        recipes.dedup();
        let scores = recipes
            .into_iter()
            .flat_map(|recipe| SCORES.map(|score| Self::Transfer(recipe.clone(), score)));
        let found = |measure: &Self| evaluations.iter().any(|e| measure.of(e).is_some());
        let scores = scores.filter(found);
        Self::ACCURACIES.into_iter().chain(scores).collect()
    }

    /// Its name in file names.
    pub fn key(&self) -> String {
        match self {
            Self::Linear => "linear".to_string(),
            Self::Knn => "knn".to_string(),
            Self::Finetune => "finetune".to_string(),
            Self::Probe => "probe".to_string(),
            Self::KnnProbe => "knn-probe".to_string(),
            Self::Transfer(recipe, score) => {
                let score = score.label.to_lowercase().replace(' ', "-");
                format!("{recipe}-{score}")
            }
        }
    }

    /// Its name for people.
    pub fn label(&self) -> String {
        match self {
            Self::Linear => "linear evaluation".to_string(),
            Self::Knn => "kNN".to_string(),
            Self::Finetune => "fine-tuning".to_string(),
            Self::Probe => "linear probe".to_string(),
            Self::KnnProbe => "kNN probe".to_string(),
            Self::Transfer(recipe, score) => format!("{recipe} {}", score.label),
        }
    }

    /// What its numbers are.
    pub fn quantity(&self) -> &'static str {
        match self {
            Self::Transfer(_, score) => score.label,
            _ => "top-1 accuracy",
        }
    }

    /// Whether it is a top-1 accuracy.
    pub fn is_accuracy(&self) -> bool {
        !matches!(self, Self::Transfer(..))
    }

    /// What an evaluation measured of it, in percent.
    pub fn of(&self, evaluation: &Evaluation) -> Option<f64> {
        let found = &evaluation.result;
        let accuracy = |task: &str| found.top1.filter(|_| found.task == task);
        match self {
            Self::Linear => accuracy("linear-eval"),
            Self::Knn => accuracy("knn"),
            Self::Finetune => accuracy("finetune"),
            Self::Probe | Self::KnnProbe => None,
            Self::Transfer(recipe, score) => {
                let own = found.recipe.as_ref() == Some(recipe);
                let value = found.scores.pointer(score.pointer).filter(|_| own)?;
                value.as_f64()
            }
        }
    }
}

impl Run {
    /// Its evaluations by a measure, of weights as they are or rescaled to an anchor's norms.
    fn by(&self, measure: &Measure, anchor: Option<&str>) -> Vec<&Evaluation> {
        let fits = |evaluation: &&Evaluation| {
            measure.of(evaluation).is_some() && evaluation.anchor.as_deref() == anchor
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

    /// The measure of its last evaluated checkpoint, in percent.
    pub fn last(&self, measure: &Measure, anchor: Option<&str>) -> Option<f64> {
        match (measure, anchor) {
            (Measure::Probe, None) => self.table[1],
            (Measure::KnnProbe, None) => self.table[0].or(self.probes.last().map(|(_, knn)| *knn)),
            _ => measure.of(self.last_evaluation(measure, anchor)?),
        }
    }

    /// The evaluation of its last evaluated checkpoint.
    pub fn last_evaluation(&self, measure: &Measure, anchor: Option<&str>) -> Option<&Evaluation> {
        // Weights without a step are those of the newest checkpoint.
        self.by(measure, anchor)
            .into_iter()
            .max_by_key(|evaluation| evaluation.result.step.unwrap_or(u64::MAX))
    }

    /// Epoch and measure of each evaluated checkpoint.
    pub fn course(&self, measure: &Measure) -> Vec<(f64, f64)> {
        if *measure == Measure::KnnProbe {
            return self.probes.clone();
        }
        let evaluations = self.by(measure, None).into_iter();
        let points = evaluations.filter_map(|e| Some((self.epoch(&e.result)?, measure.of(e)?)));
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
    /// What its weights were rescaled to, or replaced by; none for weights as they are.
    pub fn anchors(&self) -> Vec<Option<&str>> {
        let evaluations = self.runs.iter().flat_map(|run| &run.evaluations);
        let mut anchors: Vec<_> = evaluations
            .map(|evaluation| evaluation.anchor.as_deref())
            .collect();
        anchors.sort_unstable();
        anchors.dedup();
        anchors
    }

    /// Over the seeds; none where no run was measured.
    pub fn summary(&self, measure: &Measure, anchor: Option<&str>) -> Option<Summary> {
        let values = self.runs.iter().filter_map(|run| run.last(measure, anchor));
        Summary::of(&values.collect::<Vec<_>>())
    }

    /// Epochs of the evaluated checkpoints, with the summary over the seeds.
    pub fn course(&self, measure: &Measure) -> Vec<(f64, Summary)> {
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
