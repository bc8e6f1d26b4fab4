//! `parallax norms`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use parallax_train::WEIGHTS_FILE;
use parallax_weights::{LayerNorm, layer_norms};
use serde_json::json;

use crate::cli::{Branch, Scope};
use crate::csv;
use crate::figure::{Axis, Chart, Ending, Figure, Point, Scale, Series, Style, Ticks};
use crate::weights;

/// Columns of a table.
const COLUMNS: usize = 80;
/// Those of a norm and of a ratio, with the space in front.
const NORM: usize = 9;
const RATIO: usize = 7;
/// Those of a layer's name.
const NAME: usize = 26;

/// Arguments of `parallax norms`.
#[derive(Args)]
pub struct Norms {
    /// Weights (safetensors, PyTorch or detectron2 files of any known layout), checkpoints' folders or runs'
    #[arg(value_name = "FILE", required = true)]
    pub weights: Vec<PathBuf>,
    /// Which network of the files
    #[arg(long, value_enum, default_value_t = Branch::Online)]
    pub branch: Branch,
    /// Tensors to list
    #[arg(long, value_enum, default_value_t = Scope::Weights)]
    pub scope: Scope,
    /// Draw the norms: a file that ends in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the norm of each layer of several networks side by side.
pub fn run(arguments: &Norms) -> Result<()> {
    if let Some(out) = &arguments.out {
        Ending::of(out)?;
    }
    let files = arguments.weights.iter().map(|path| weights::read(path));
    let files = files.collect::<Result<Vec<_>>>()?;
    let files: Vec<_> = files.iter().map(|import| &import.file).collect();
    let rows = layer_norms(&files, arguments.branch.into(), arguments.scope.into())?;
    let labels = labels(&arguments.weights);
    let text = match (arguments.json, arguments.csv) {
        (true, _) => as_json(arguments, &rows),
        (_, true) => as_csv(&labels, &rows),
        _ => as_table(&labels, &rows, arguments.scope),
    };
    // A reader such as `head` may close the pipe.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    if let Some(out) = &arguments.out {
        figure(&labels, &rows, arguments.scope).write(out)?;
        eprintln!("figure: {}", out.display());
    }
    Ok(())
}

impl From<Scope> for parallax_weights::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::All,
            Scope::Weights => Self::Weights,
        }
    }
}

fn as_json(arguments: &Norms, rows: &[LayerNorm]) -> String {
    let layers = rows
        .iter()
        .map(|row| json!({ "layer": row.name, "norms": row.norms, "ratios": row.ratios }));
    let value = json!({
        "weights": arguments.weights,
        "branch": match arguments.branch {
            Branch::Online => "online",
            Branch::Target => "target",
        },
        "scope": match arguments.scope {
            Scope::All => "all",
            Scope::Weights => "weights",
        },
        "layers": layers.collect::<Vec<_>>(),
    });
    format!("{value}\n")
}

/// Norms, then the ratios to the first network's.
fn as_csv(labels: &[String], rows: &[LayerNorm]) -> String {
    let others = labels.iter().skip(1);
    let ratios = others.map(|label| format!("{label} / {}", labels[0]));
    let head = ["layer".to_string()].into_iter();
    let mut text = csv::line(head.chain(labels.iter().cloned()).chain(ratios));
    for row in rows {
        let values = row.norms.iter().chain(row.ratios.iter().skip(1));
        let values = values.map(|value| value.map(|value| value.to_string()).unwrap_or_default());
        text += &csv::line([row.name.clone()].into_iter().chain(values));
    }
    text
}

/// A table of at most 80 columns; networks that do not fit follow in another one.
fn as_table(labels: &[String], rows: &[LayerNorm], scope: Scope) -> String {
    let name = |row: &LayerNorm| match scope {
        // Every tensor is a weight then.
        Scope::Weights => row.name.trim_end_matches(".weight").to_string(),
        Scope::All => row.name.clone(),
    };
    let longest = rows.iter().map(|row| name(row).chars().count()).max();
    let width = longest.unwrap_or_default().clamp("together".len(), NAME);
    let each = ((COLUMNS - 1 - width - NORM) / (NORM + RATIO)).max(1);
    let mut out = String::new();
    let others: Vec<usize> = (1..labels.len()).collect();
    let blocks: Vec<&[usize]> = match others.is_empty() {
        true => vec![&[]],
        false => others.chunks(each).collect(),
    };
    for (number, block) in blocks.into_iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let heads = [0].iter().chain(block);
        let heads = heads.map(|&file| (file, NORM + if file == 0 { 0 } else { RATIO } - 1));
        for (file, room) in heads.clone() {
            let short = shortened(&labels[file], room);
            if short != labels[file] {
                out += &format!("{short} is {}\n", labels[file]);
            }
        }
        out += &format!("{:<width$}", "layer");
        for (file, room) in heads {
            out += &format!(" {:>room$}", shortened(&labels[file], room));
        }
        out.push('\n');
        let line = |name: &str, norms: &[Option<f64>], ratios: &[Option<f64>]| {
            let mut line = format!("{:<width$}", shortened(name, width));
            line += &format!("{:>NORM$}", norms[0].map_or("-".to_string(), digits));
            for &file in block {
                let norm = norms[file].map_or("-".to_string(), digits);
                let ratio = ratios[file].map_or("-".to_string(), ratio);
                line += &format!("{norm:>NORM$}{ratio:>RATIO$}");
            }
            line + "\n"
        };
        for row in rows {
            out += &line(&name(row), &row.norms, &row.ratios);
        }
        let total = totals(rows);
        let ratios: Vec<_> = total
            .iter()
            .map(|norm| Some((*norm)? / total[0].filter(|first| *first > 0.0)?))
            .collect();
        out += &line("together", &total, &ratios);
    }
    out
}

/// The norm of each network's listed tensors together; none for a network that lacks one of them.
fn totals(rows: &[LayerNorm]) -> Vec<Option<f64>> {
    let files = rows.first().map_or(0, |row| row.norms.len());
    let total = |file: usize| {
        let squares = rows
            .iter()
            .map(|row| row.norms[file].map(|norm| norm * norm));
        squares.sum::<Option<f64>>().map(f64::sqrt)
    };
    (0..files).map(total).collect()
}

/// A norm in four digits and at most seven columns.
fn digits(value: f64) -> String {
    rounded(value, 3, 4, 1)
}

/// A ratio in three digits and at most six columns, the sign included.
fn ratio(value: f64) -> String {
    format!("x{}", rounded(value, 2, 3, 0))
}

fn rounded(value: f64, decimals: i32, most: i32, of_power: usize) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.of_power$e}"),
        size => {
            let decimals = (decimals - size.log10().floor() as i32).clamp(0, most) as usize;
            format!("{value:.decimals$}")
        }
    }
}

/// A text in at most so many columns, its middle left out.
pub fn shortened(text: &str, columns: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= columns {
        return text.to_string();
    }
    let end = (columns - 1) / 2;
    let begin = columns - 1 - end;
    let begin = letters[..begin].iter();
    let end = letters[letters.len() - end..].iter();
    begin.chain(&['…']).chain(end).collect()
}

/// A short name for each file, by as much of its path as tells it apart from the others.
pub fn labels(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths.iter().map(|path| named_parts(path)).collect();
    let label =
        |parts: &[String], count: usize| parts[parts.len().saturating_sub(count)..].join("/");
    let mut counts: Vec<usize> = parts
        .iter()
        .map(|parts| 1 + usize::from(parts.last().is_some_and(|last| last.starts_with("step-"))))
        .collect();
    loop {
        let labels: Vec<String> = parts
            .iter()
            .zip(&counts)
            .map(|(p, n)| label(p, *n))
            .collect();
        let twice = |at: usize| labels.iter().filter(|other| **other == labels[at]).count() > 1;
        let longer: Vec<usize> = (0..labels.len())
            .filter(|&at| counts[at] < parts[at].len() && twice(at))
            .collect();
        if longer.is_empty() {
            return labels;
        }
        longer.into_iter().for_each(|at| counts[at] += 1);
    }
}

/// The parts of a path that say which network it is.
fn named_parts(path: &Path) -> Vec<String> {
    let parts = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    let mut parts: Vec<String> = parts
        .filter(|part| part != WEIGHTS_FILE && part != "checkpoints" && part != ".")
        .map(|part| part.into_owned())
        .collect();
    let endings = [".safetensors", ".pth.tar", ".pth", ".pt", ".ckpt", ".pkl"];
    if let Some(last) = parts.last_mut()
        && let Some(stem) = endings.iter().find_map(|ending| last.strip_suffix(ending))
    {
        *last = stem.to_string();
    }
    match parts.is_empty() {
        true => vec![path.display().to_string()],
        false => parts,
    }
}

/// The norms from input to output, one line a network.
pub fn figure(labels: &[String], rows: &[LayerNorm], scope: Scope) -> Figure {
    let series = labels.iter().enumerate().map(|(file, label)| {
        let norms = rows.iter().enumerate().filter_map(|(at, row)| {
            let y = row.norms[file]?;
            Some(Point {
                x: at as f64,
                y,
                deviation: 0.0,
            })
        });
        Series {
            label: label.clone(),
            style: Style::Profile,
            points: norms.collect(),
        }
    });
    Figure::Chart(Chart {
        title: match scope {
            Scope::Weights => "Norms of convolution and linear weights",
            Scope::All => "Norms of all tensors",
        }
        .to_string(),
        x: Axis {
            ticks: Ticks::Parts(stages(rows)),
            ..Axis::new("layer, from input to output")
        },
        y: Axis {
            scale: Scale::Log,
            ..Axis::new("L2 norm")
        },
        series: series.collect(),
        ..Chart::default()
    })
}

/// Where the stages of the network begin.
fn stages(rows: &[LayerNorm]) -> Vec<(f64, String)> {
    let mut stages: Vec<(f64, String)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let stage = match row.name.split('.').next().unwrap_or_default() {
            "fc" => "head",
            stage if stage.starts_with("layer") => stage,
            _ => "stem",
        };
        if stages.last().is_none_or(|(_, last)| last != stage) {
            stages.push((at as f64 - 0.5, stage.to_string()));
        }
    }
    stages
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rows() -> Vec<LayerNorm> {
        let row = |name: &str, norms: [Option<f64>; 2]| LayerNorm {
            name: name.to_string(),
            norms: norms.to_vec(),
            ratios: vec![Some(1.0), norms[1].map(|norm| norm / norms[0].unwrap())],
        };
        vec![
            row("conv1.weight", [Some(3.0), Some(30.0)]),
            row("layer4.0.downsample.0.weight", [Some(4.0), Some(0.4)]),
            row("fc.0.weight", [Some(12.0), None]),
        ]
    }

    #[test]
    fn tables_fit_eighty_columns_whatever_the_files_are_called() {
        let labels = [
            "a-very-long-name-of-a-run",
            "another/very/long/name-of-a-run",
        ];
        for files in 1..9 {
            let labels: Vec<String> = (0..files)
                .map(|file| labels[file % 2].to_string())
                .collect();
            let rows: Vec<LayerNorm> = rows()
                .into_iter()
                .map(|mut row| {
                    row.norms = (0..files).map(|file| row.norms[file % 2]).collect();
                    row.ratios = (0..files).map(|file| row.ratios[file % 2]).collect();
                    row
                })
                .collect();
            let table = as_table(&labels, &rows, Scope::All);
            for line in table.lines().filter(|line| !line.contains(" is ")) {
                assert!(line.chars().count() < COLUMNS, "{line}");
            }
        }
        let table = as_table(&["a".into(), "b".into()], &rows(), Scope::Weights);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["conv1", "3.000", "30.00", "x10.0"]
        );
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["fc.0", "12.00", "-", "-"]
        );
        assert_eq!(
            lines[4].split_whitespace().collect::<Vec<_>>(),
            ["together", "13.00", "-", "-"]
        );
    }

    #[test]
    fn files_are_told_apart_by_little_of_their_paths() {
        let labelled =
            |paths: &[&str]| labels(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(labelled(&["runs/byol", "x/lars.pth.tar"]), ["byol", "lars"]);
        let steps = [
            "runs/a/checkpoints/step-5",
            "runs/a/checkpoints/step-9/weights.safetensors",
        ];
        assert_eq!(labelled(&steps), ["a/step-5", "a/step-9"]);
        assert_eq!(labelled(&["a/run", "b/run", "c"]), ["a/run", "b/run", "c"]);
        assert_eq!(labelled(&["a", "a"]), ["a", "a"]);
    }

    #[test]
    fn csv_has_norms_and_ratios() {
        let text = as_csv(&["a".into(), "b,c".into()], &rows());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "layer,a,\"b,c\",\"b,c / a\"");
        assert_eq!(lines[1], "conv1.weight,3,30,10");
        assert_eq!(lines[3], "fc.0.weight,12,,");
    }

    #[test]
    fn numbers_are_rounded_to_their_columns() {
        assert_eq!(
            [0.012345, 10.0, 12345.0, 1e-7].map(ratio),
            ["x0.012", "x10.0", "x12345", "x1e-7"]
        );
        let texts = [0.0, 0.012345, 1.23456, 123.456, 12345.6, 1e-7, 1e9].map(digits);
        assert_eq!(
            texts,
            ["0", "0.0123", "1.235", "123.5", "12346", "1.0e-7", "1.0e9"]
        );
    }

    #[test]
    fn the_figure_names_stages_and_networks() {
        let svg = figure(&["first".into(), "second".into()], &rows(), Scope::Weights)
            .svg()
            .unwrap();
        for text in ["first", "second", "stem", "layer4", "head", "L2 norm"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
