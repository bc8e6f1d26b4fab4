//! `parallax report`: tables, figures and a page of runs, evaluations and studies.

mod collect;
mod figures;
mod html;
mod measure;
mod paper;
mod setting;
mod stats;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::whole::write_whole;
use collect::Run;
pub use collect::{RANDOM, RESCALED, RESULT};
use figures::Named;
use measure::{Group, Measure, groups};
use setting::Setting;
use table::{Cell, Column, Table};

/// Width of a terminal, in letters.
const TERMINAL: usize = 80;

/// Arguments of `parallax report`.
#[derive(Args)]
pub struct Report {
    /// Folders of runs, evaluations or studies
    #[arg(value_name = "RUN|STUDY", required = true)]
    pub folders: Vec<PathBuf>,
    /// Folder of tables, figures and page
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Title of the page
    #[arg(long, default_value = "Parallax: results")]
    pub title: String,
    /// Print the results and the names of the files as JSON
    #[arg(long)]
    pub json: bool,
}

/// Writes tables, figures and the page.
pub fn run(arguments: &Report) -> Result<()> {
    let runs = collect::runs(&arguments.folders)?;
    for run in runs.iter().filter(|run| !run.done) {
        eprintln!("note: {} has not come to its end", run.path.display());
    }
    let groups = groups(&runs);
    let summary = summary(&groups);
    let tables = paper::tables(&groups);
    let mut figures = figures::all(&groups);
    figures.extend(figures::weight_norms(&groups));
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;

    let mut files = vec!["index.html".to_string(), "results.csv".to_string()];
    for table in std::iter::once(&summary).chain(&tables) {
        files.extend(write_table(out, table)?);
    }
    for Named { name, figure } in &figures {
        for ending in ["svg", "png"] {
            let file = format!("{name}.{ending}");
            figure.write(&out.join(&file))?;
            files.push(file);
        }
    }
    let page = html::page(&arguments.title, &summary, &tables, &figures)?;
    write_whole(
        &out.join("results.csv"),
        every_result(&runs, &groups).as_bytes(),
    )?;
    write_whole(&out.join("index.html"), page.as_bytes())?;
    if arguments.json {
        println!(
            "{}",
            json!({ "out": out, "files": files, "results": as_json(&groups) })
        );
        return Ok(());
    }
    print!("{}", terminal(&groups));
    println!(
        "\n{} files in {}: open index.html",
        files.len(),
        out.display()
    );
    Ok(())
}

/// Writes a table in each format.
fn write_table(out: &Path, table: &Table) -> Result<[String; 3]> {
    let texts = [
        ("md", table.markdown()),
        ("csv", table.csv()),
        ("tex", table.latex()),
    ];
    for (ending, text) in &texts {
        write_whole(
            &out.join(format!("{}.{ending}", table.name)),
            text.as_bytes(),
        )?;
    }
    Ok(texts.map(|(ending, _)| format!("{}.{ending}", table.name)))
}

/// The measures of any group.
fn measures(groups: &[Group<'_>]) -> Vec<Measure> {
    let mut measures = Measure::all(groups);
    measures.retain(|measure| {
        let measured = |group: &Group| {
            let mut anchors = group.anchors().into_iter().chain([None]);
            anchors.any(|anchor| group.summary(measure, anchor).is_some())
        };
        groups.iter().any(measured)
    });
    measures
}

/// What measures are, for the begin of a sentence.
fn quantities(measures: &[Measure]) -> &'static str {
    match measures.iter().all(Measure::is_accuracy) {
        true => "Top-1 accuracy",
        false => "Top-1 accuracy, AP and mIoU",
    }
}

/// One row a group, one column a measure.
fn summary(groups: &[Group<'_>]) -> Table {
    let settings: Vec<Setting> = groups.iter().map(|group| group.setting.clone()).collect();
    let measures = measures(groups);
    let mut columns = vec![Column::new("setting")];
    columns.extend(measures.iter().map(|m| Column::measured(m.label())));
    columns.push(Column::new("runs"));
    let row = |group: &Group, label: String, anchor: Option<&str>| {
        let cells: Vec<Cell> = measures
            .iter()
            .map(|measure| Cell::of(group.summary(measure, anchor)))
            .collect();
        let row = [Cell::Text(label)].into_iter().chain(cells);
        row.chain([Cell::Count(group.runs.len())]).collect()
    };
    let (mut random, mut rows): (Vec<Vec<Cell>>, Vec<Vec<Cell>>) = (Vec::new(), Vec::new());
    for group in groups {
        let label = group.setting.label(&settings);
        rows.push(row(group, label.clone(), None));
        for anchor in group.anchors().into_iter().flatten() {
            match anchor {
                RANDOM => random.push(row(group, "Random weights".to_string(), Some(anchor))),
                _ => rows.push(row(
                    group,
                    format!("{label}, rescaled: {anchor}"),
                    Some(anchor),
                )),
            }
        }
    }
    random.extend(rows);
    Table {
        name: "summary".to_string(),
        title: "Results".to_string(),
        note: format!(
            "{} in percent, mean ± standard deviation over the runs, which differ in their seeds.",
            quantities(&measures)
        ),
        columns,
        rows: random,
    }
}

/// The summary for a terminal, in several parts where it is too wide.
fn terminal(groups: &[Group<'_>]) -> String {
    let table = summary(groups);
    let names = table.columns.iter().map(|column| column.name.clone());
    let cells = |row: &Vec<Cell>| -> Vec<String> { row.iter().map(Cell::text).collect() };
    let rows: Vec<Vec<String>> = std::iter::once(names.collect())
        .chain(table.rows.iter().map(cells))
        .collect();
    let width = |at: usize| {
        let widths = rows.iter().map(|row| row[at].chars().count());
        widths.max().unwrap_or_default()
    };
    let mut parts: Vec<(usize, Vec<usize>)> = Vec::new();
    for at in 1..table.columns.len() {
        let own = 2 + width(at);
        match parts.last_mut() {
            Some((total, columns)) if *total + own <= TERMINAL => {
                *total += own;
                columns.push(at);
            }
            _ => parts.push((width(0) + own, vec![at])),
        }
    }
    let part = |columns: &Vec<usize>| -> String {
        let line = |row: &Vec<String>| {
            let mut line = format!("{:<1$}", row[0], width(0));
            for at in columns {
                line += &format!("  {:>1$}", row[*at], width(*at));
            }
            format!("{}\n", line.trim_end())
        };
        rows.iter().map(line).collect()
    };
    let parts: Vec<String> = parts.iter().map(|(_, columns)| part(columns)).collect();
    parts.join("\n")
}

/// Every result in a line of its own.
fn every_result(runs: &[Run], groups: &[Group<'_>]) -> String {
    let mut scores = Measure::all(groups);
    scores.retain(|measure| !measure.is_accuracy());
    let names = [
        "run",
        "system",
        "arch",
        "length",
        "class ratio",
        "taxonomy",
        "seed",
        "task",
        "preset or recipe",
        "anchor",
        "step",
        "epoch",
        "top1",
        "top5",
        "best top1",
        "score",
        "percent",
    ];
    let mut text = crate::csv::line(names.map(str::to_string));
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for run in runs {
        let setting = &run.setting;
        let own = [
            run.path.display().to_string(),
            setting.system.clone(),
            setting.arch.clone(),
            setting.length(),
            setting.ratio.to_string(),
            setting.taxonomy.clone(),
            run.seed.to_string(),
        ];
        let mut line = |task: &str, rest: [String; 9]| {
            let fields = own.iter().cloned().chain([task.to_string()]).chain(rest);
            text += &crate::csv::line(fields);
        };
        for evaluation in &run.evaluations {
            let found = &evaluation.result;
            let mut of_evaluation = |score: String, value: Option<f64>| {
                let kind = found.preset.as_ref().or(found.recipe.as_ref());
                line(
                    &found.task,
                    [
                        kind.cloned().unwrap_or_default(),
                        evaluation.anchor.clone().unwrap_or_default(),
                        found.step.map(|step| step.to_string()).unwrap_or_default(),
                        number(run.epoch(found)),
                        number(found.top1),
                        number(found.top5),
                        number(found.best_top1),
                        score,
                        number(value),
                    ],
                );
            };
            let scores = scores.iter().filter_map(|m| Some((m, m.of(evaluation)?)));
            match found.top1 {
                Some(_) => of_evaluation(String::new(), None),
                None => scores.for_each(|(measure, value)| {
                    of_evaluation(measure.quantity().to_string(), Some(value));
                }),
            }
        }
        for measure in [Measure::KnnProbe, Measure::Probe] {
            if let Some(value) = run.last(&measure, None) {
                let mut rest = [const { String::new() }; 9];
                rest[4] = value.to_string();
                line(&measure.key(), rest);
            }
        }
    }
    text
}

fn as_json(groups: &[Group<'_>]) -> serde_json::Value {
    let measures = Measure::all(groups);
    let row = |group: &Group| {
        let setting = &group.setting;
        let of = |accuracies: bool, anchor: Option<&str>| {
            let measures = measures.iter();
            let own = measures.filter(|measure| measure.is_accuracy() == accuracies);
            let summaries = own.filter_map(|measure| {
                let summary = group.summary(measure, anchor)?;
                let value =
                    json!({ "mean": summary.mean, "std": summary.deviation, "n": summary.count });
                Some((measure.key(), value))
            });
            serde_json::Map::from_iter(summaries)
        };
        let anchors = group.anchors().into_iter().flatten().map(|anchor| {
            let value =
                json!({ "top1": of(true, Some(anchor)), "scores": of(false, Some(anchor)) });
            (anchor.to_string(), value)
        });
        json!({
            "system": setting.system, "arch": setting.arch, "length": setting.length, "unit": setting.unit, "class_ratio": setting.ratio,
            "taxonomy": setting.taxonomy, "top1": of(true, None), "scores": of(false, None),
            "rescaled": serde_json::Map::from_iter(anchors),
        })
    };
    groups.iter().map(row).collect()
}
