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
pub use collect::{RESCALED, RESULT};
use figures::Named;
use measure::{Group, Measure, groups};
use setting::Setting;
use table::{Cell, Column, Table};

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
    write_whole(&out.join("results.csv"), every_result(&runs).as_bytes())?;
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
    let measured = |measure: &Measure| groups.iter().any(|g| g.summary(*measure, None).is_some());
    Measure::ALL.into_iter().filter(measured).collect()
}

/// One row a group, one column a measure.
fn summary(groups: &[Group<'_>]) -> Table {
    let settings: Vec<Setting> = groups.iter().map(|group| group.setting.clone()).collect();
    let measures = measures(groups);
    let mut columns = vec![Column::new("setting")];
    columns.extend(
        measures
            .iter()
            .map(|m| Column::measured(m.label().to_string())),
    );
    columns.push(Column::new("runs"));
    let row = |group: &Group| {
        let mut row = vec![Cell::Text(group.setting.label(&settings))];
        row.extend(measures.iter().map(|m| Cell::of(group.summary(*m, None))));
        row.push(Cell::Count(group.runs.len()));
        row
    };
    Table {
        name: "summary".to_string(),
        title: "Results".to_string(),
        note: "Top-1 accuracy in percent, mean ± standard deviation over the runs, which differ in their seeds."
            .to_string(),
        columns,
        rows: groups.iter().map(row).collect(),
    }
}

/// The summary for a terminal.
fn terminal(groups: &[Group<'_>]) -> String {
    let table = summary(groups);
    let cells = |row: &Vec<Cell>| -> Vec<String> { row.iter().map(Cell::text).collect() };
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let rows: Vec<Vec<String>> = std::iter::once(names)
        .chain(table.rows.iter().map(cells))
        .collect();
    let letters = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|at| {
            rows.iter()
                .map(|row| letters(&row[at]))
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (text, width) in row.iter().zip(&widths).skip(1) {
            line += &format!("  {text:>width$}");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Every result in a line of its own.
fn every_result(runs: &[Run]) -> String {
    let names = [
        "run",
        "system",
        "arch",
        "length",
        "class ratio",
        "taxonomy",
        "seed",
        "task",
        "preset",
        "anchor",
        "step",
        "epoch",
        "top1",
        "top5",
        "best top1",
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
        let mut line = |task: &str, rest: [String; 7]| {
            let fields = own.iter().cloned().chain([task.to_string()]).chain(rest);
            text += &crate::csv::line(fields);
        };
        for evaluation in &run.evaluations {
            let found = &evaluation.result;
            line(
                &found.task,
                [
                    found.preset.clone().unwrap_or_default(),
                    evaluation.anchor.clone().unwrap_or_default(),
                    found.step.map(|step| step.to_string()).unwrap_or_default(),
                    number(run.epoch(found)),
                    found.top1.to_string(),
                    number(found.top5),
                    number(found.best_top1),
                ],
            );
        }
        for measure in [Measure::KnnProbe, Measure::Probe] {
            if let Some(value) = run.last(measure, None) {
                let nothing = String::new;
                let rest = [
                    nothing(),
                    nothing(),
                    nothing(),
                    nothing(),
                    value.to_string(),
                    nothing(),
                    nothing(),
                ];
                line(measure.key(), rest);
            }
        }
    }
    text
}

fn as_json(groups: &[Group<'_>]) -> serde_json::Value {
    let row = |group: &Group| {
        let setting = &group.setting;
        let accuracies = Measure::ALL.into_iter().filter_map(|measure| {
            let summary = group.summary(measure, None)?;
            let value =
                json!({ "mean": summary.mean, "std": summary.deviation, "n": summary.count });
            Some((measure.key().to_string(), value))
        });
        json!({
            "system": setting.system, "arch": setting.arch, "length": setting.length, "unit": setting.unit, "class_ratio": setting.ratio,
            "taxonomy": setting.taxonomy, "top1": serde_json::Map::from_iter(accuracies),
        })
    };
    groups.iter().map(row).collect()
}
