//! The paper's figures, of the runs that were measured.

use parallax_weights::{Branch, Scope, layer_norms};

use crate::figure::{Axis, Chart, Figure, Matrix, Point, Series, Style, Ticks};
use crate::{norms, weights};

use super::measure::{Group, Measure};
use super::setting::Setting;
use super::stats::Summary;

/// A figure and the name of its files, without ending.
pub struct Named {
    pub name: String,
    pub figure: Figure,
}

/// Points of a loss curve.
const LOSS_POINTS: usize = 300;

/// Every figure for which there are values.
pub fn all(groups: &[Group<'_>]) -> Vec<Named> {
    let mut figures = Vec::new();
    for measure in &Measure::all(groups) {
        // A probe is drawn where there is no evaluation of its kind.
        let instead = match measure {
            Measure::Probe => Some(Measure::Linear),
            Measure::KnnProbe => Some(Measure::Knn),
            _ => None,
        };
        let evaluated = |group: &Group| {
            let instead = instead.as_ref();
            instead.is_some_and(|m| group.summary(m, None).is_some())
        };
        if groups.iter().any(evaluated) {
            continue;
        }
        figures.extend(against(groups, measure, &EPOCHS));
        figures.extend(against(groups, measure, &STEPS));
        figures.extend(checkpoints(groups, measure));
        figures.extend(against(groups, measure, &RATIO));
    }
    figures.extend(losses(groups));
    figures.extend(confusions(groups));
    figures
}

/// A part of the setting that accuracy is drawn against.
struct Variable {
    name: &'static str,
    title: &'static str,
    label: &'static str,
    /// None of a setting that is not drawn against it.
    value: fn(&Setting) -> Option<f64>,
    /// Makes settings equal that differ in it alone.
    forget: fn(&mut Setting),
}

const EPOCHS: Variable = Variable {
    name: "length",
    title: "training length",
    label: "training length, epochs",
    value: |setting| (setting.unit == "epochs").then_some(setting.length),
    forget: |setting| setting.length = 0.0,
};

const STEPS: Variable = Variable {
    name: "length-steps",
    label: "training length, steps",
    value: |setting| (setting.unit == "steps").then_some(setting.length),
    ..EPOCHS
};

const RATIO: Variable = Variable {
    name: "ratio",
    title: "the fraction of classes",
    label: "classes trained on, %",
    value: |setting| (setting.ratio > 0.0).then_some(100.0 * setting.ratio),
    forget: |setting| setting.ratio = 0.0,
};

/// Final accuracy against a part of the setting, one line for each rest of it.
fn against(groups: &[Group<'_>], measure: &Measure, variable: &Variable) -> Option<Named> {
    let mut lines: Vec<(Setting, Vec<(f64, Summary)>)> = Vec::new();
    for group in groups {
        let (Some(summary), Some(x)) = (
            group.summary(measure, None),
            (variable.value)(&group.setting),
        ) else {
            continue;
        };
        let mut rest = group.setting.clone();
        (variable.forget)(&mut rest);
        let point = (x, summary);
        match lines.iter_mut().find(|(setting, _)| *setting == rest) {
            Some((_, points)) => points.push(point),
            None => lines.push((rest, vec![point])),
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    let name = format!("{}-{}", variable.name, measure.key());
    chart(&name, measure, variable.title, variable.label, lines)
}

/// Accuracy against the epoch of the checkpoint.
fn checkpoints(groups: &[Group<'_>], measure: &Measure) -> Option<Named> {
    let lines = groups
        .iter()
        .map(|group| (group.setting.clone(), group.course(measure)));
    let lines = lines.filter(|(_, points)| points.len() > 1).collect();
    let name = format!("checkpoints-{}", measure.key());
    chart(
        &name,
        measure,
        "the epoch of the checkpoint",
        "epoch of the checkpoint",
        lines,
    )
}

fn chart(
    name: &str,
    measure: &Measure,
    against: &str,
    label: &str,
    lines: Vec<(Setting, Vec<(f64, Summary)>)>,
) -> Option<Named> {
    if lines.is_empty() {
        return None;
    }
    let settings: Vec<Setting> = lines.iter().map(|(setting, _)| setting.clone()).collect();
    let counts = lines
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(_, summary)| summary.count));
    let note = seeds(counts);
    let mut ticks: Vec<f64> = lines
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(x, _)| *x))
        .collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let series = lines.into_iter().map(|(setting, mut points)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let point = |(x, summary): (f64, Summary)| Point {
            x,
            y: summary.mean,
            deviation: summary.deviation,
        };
        Series {
            label: setting.label(&settings),
            style: Style::Measured,
            points: points.into_iter().map(point).collect(),
        }
    });
    let what = match measure.is_accuracy() {
        true => capital(&measure.label()),
        // The name of a recipe stays as it is.
        false => measure.label(),
    };
    let chart = Chart {
        title: match measure.is_accuracy() {
            true => format!("{what}: accuracy against {against}"),
            false => format!("{what} against {against}"),
        },
        note,
        x: Axis {
            ticks: Ticks::At(ticks),
            ..Axis::new(label)
        },
        y: Axis::new(&format!("{}, %", measure.quantity())),
        series: series.collect(),
    };
    Some(Named {
        name: name.to_string(),
        figure: Figure::Chart(chart),
    })
}

/// `mean ± standard deviation over 3 seeds`.
fn seeds(counts: impl Iterator<Item = usize>) -> String {
    let ends = counts.fold(None, |ends: Option<(usize, usize)>, count| {
        let (low, high) = ends.unwrap_or((count, count));
        Some((low.min(count), high.max(count)))
    });
    match ends {
        None | Some((_, 1)) => "one seed".to_string(),
        Some((low, high)) if low == high => format!("mean ± standard deviation over {high} seeds"),
        Some((low, high)) => format!("mean ± standard deviation over {low} to {high} seeds"),
    }
}

/// The loss over epochs: one figure a method, because losses of different methods do not compare.
fn losses(groups: &[Group<'_>]) -> Vec<Named> {
    let mut systems: Vec<&str> = groups
        .iter()
        .map(|group| group.setting.system.as_str())
        .collect();
    systems.dedup();
    let figure = |system: &str| {
        let own = groups.iter().filter(|group| group.setting.system == system);
        let own: Vec<&Group> = own
            .filter(|g| g.runs.iter().any(|run| run.losses.len() > 1))
            .collect();
        let settings: Vec<Setting> = own.iter().map(|group| group.setting.clone()).collect();
        // The title names the method.
        let label = |setting: &Setting| {
            let label = setting.label(&settings);
            let rest = label.strip_prefix(&setting.name()).unwrap_or_default();
            rest.trim_start_matches(", ").to_string()
        };
        let series: Vec<Series> = own
            .iter()
            .map(|group| Series {
                label: label(&group.setting),
                style: Style::Curve,
                points: loss(group),
            })
            .collect();
        let name = own.first()?.setting.name();
        let counts = own.iter().map(|group| group.runs.len());
        let chart = Chart {
            title: format!("Training loss of {name}"),
            note: seeds(counts),
            x: Axis::new("epoch"),
            y: Axis::new("loss"),
            series,
        };
        Some(Named {
            name: format!("loss-{system}"),
            figure: Figure::Chart(chart),
        })
    };
    systems.into_iter().filter_map(figure).collect()
}

/// Means of the loss over equal parts of the longest run, and over its seeds.
fn loss(group: &Group<'_>) -> Vec<Point> {
    let runs = group.runs.iter().filter(|run| !run.losses.is_empty());
    let runs: Vec<&[(f64, f64)]> = runs.map(|run| run.losses.as_slice()).collect();
    let end = runs
        .iter()
        .filter_map(|losses| losses.last())
        .map(|(epoch, _)| *epoch);
    let end = end.fold(0.0, f64::max);
    let steps = runs
        .iter()
        .map(|losses| losses.len())
        .max()
        .unwrap_or_default();
    let parts = LOSS_POINTS.min(steps).max(1);
    let width = end / parts as f64;
    let point = |part: usize| {
        let [from, to] = [part, part + 1].map(|bound| bound as f64 * width);
        let means: Vec<f64> = runs
            .iter()
            .filter_map(|losses| {
                let inside = losses
                    .iter()
                    .filter(|(epoch, _)| *epoch > from && *epoch <= to);
                let inside: Vec<f64> = inside.map(|(_, loss)| *loss).collect();
                Summary::of(&inside).map(|summary| summary.mean)
            })
            .collect();
        let summary = Summary::of(&means)?;
        let x = (from + to) / 2.0;
        Some(Point {
            x,
            y: summary.mean,
            deviation: summary.deviation,
        })
    };
    (0..parts).filter_map(point).collect()
}

/// Confusion matrices of the last evaluated checkpoints, summed over seeds.
fn confusions(groups: &[Group<'_>]) -> Vec<Named> {
    let settings: Vec<Setting> = groups.iter().map(|group| group.setting.clone()).collect();
    let mut figures = Vec::new();
    for measure in &[Measure::Linear, Measure::Finetune] {
        for (at, group) in groups.iter().enumerate() {
            // Of each method the last: the longest run on all classes.
            let is_same = |other: &Group| {
                let (a, b) = (&other.setting, &group.setting);
                a.system == b.system && a.arch == b.arch && a.taxonomy == b.taxonomy
            };
            if groups[at + 1..].iter().any(is_same) {
                continue;
            }
            let last = |run: &&super::collect::Run| run.last_evaluation(measure, None).cloned();
            let found: Vec<_> = group.runs.iter().filter_map(last).collect();
            let matrices = found
                .iter()
                .filter_map(|evaluation| evaluation.result.confusion.as_ref());
            let Some(total) = sum(matrices) else {
                continue;
            };
            let label = group.setting.label(&settings);
            let rows = total.iter().map(|row| {
                let images = row.iter().sum::<f64>().max(1.0);
                row.iter().map(|count| count / images).collect()
            });
            let matrix = Matrix {
                title: label.clone(),
                note: format!("{}: percent of each class's test images", measure.label()),
                rows: "true class".to_string(),
                columns: "predicted class".to_string(),
                names: found
                    .first()
                    .map(|e| e.result.classes.clone())
                    .unwrap_or_default(),
                fractions: rows.collect(),
            };
            let name = format!("confusion-{}-{}", measure.key(), file_name(&label));
            figures.push(Named {
                name,
                figure: Figure::Matrix(matrix),
            });
        }
    }
    figures
}

/// The sum of square matrices of one size.
fn sum<'a>(matrices: impl Iterator<Item = &'a Vec<Vec<f64>>>) -> Option<Vec<Vec<f64>>> {
    let mut total: Option<Vec<Vec<f64>>> = None;
    for matrix in matrices {
        match &mut total {
            None => total = Some(matrix.clone()),
            Some(total) if total.len() == matrix.len() => {
                let values = total.iter_mut().flatten().zip(matrix.iter().flatten());
                values.for_each(|(sum, value)| *sum += value);
            }
            Some(_) => {}
        }
    }
    total.filter(|total| !total.is_empty())
}

/// Weight norms of the newest checkpoint of each group's first run, one figure for each network. A run without a readable
/// checkpoint is left out.
pub fn weight_norms(groups: &[Group<'_>]) -> Vec<Named> {
    let settings: Vec<Setting> = groups.iter().map(|group| group.setting.clone()).collect();
    let mut architectures: Vec<&str> = settings
        .iter()
        .map(|setting| setting.arch.as_str())
        .collect();
    architectures.sort_unstable();
    architectures.dedup();
    let several = architectures.len() > 1;
    let figure = |arch: &str| {
        let own = groups.iter().filter(|group| group.setting.arch == arch);
        let files = own.filter_map(|group| {
            let run = group.runs.first()?;
            let file = weights::read(&run.path).ok()?.file;
            Some((group.setting.label(&settings), file))
        });
        let (labels, files): (Vec<String>, Vec<_>) = files.unzip();
        let files: Vec<_> = files.iter().collect();
        // Networks that differ although their recipes agree are no reason to give up the report.
        let rows = layer_norms(&files, Branch::Online, Scope::Weights).ok()?;
        if rows.is_empty() {
            return None;
        }
        let name = match several {
            true => format!("norms-{}", file_name(arch)),
            false => "norms".to_string(),
        };
        let figure = norms::figure(&labels, &rows, crate::cli::Scope::Weights);
        Some(Named { name, figure })
    };
    architectures.into_iter().filter_map(figure).collect()
}

fn capital(text: &str) -> String {
    // `kNN` stays as it is.
    match text.chars().nth(1).is_some_and(char::is_uppercase) {
        true => text.to_string(),
        false => text[..1].to_uppercase() + &text[1..],
    }
}

/// A text as a name of a file.
fn file_name(text: &str) -> String {
    let text: String = text
        .to_lowercase()
        .replace('+', "-plus")
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = text.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}
