//! `parallax report` on result files: `report/study` holds those of ten runs.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, fail, parallax, succeed};
use serde_json::Value;

const STUDY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/study");

fn report(folders: &[&str], out: &Path) -> std::process::Command {
    let mut command = parallax(&["report"]);
    command.args(folders).arg("--out").arg(out);
    command
}

#[test]
fn tables_have_means_and_deviations_beside_the_papers_figures() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    succeed(&mut report(&[STUDY], &out));
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();

    // Linear 71 and 72 over the seeds after 100 epochs.
    let summary = read("summary.md");
    let row = "| Supervised, resnet50, 100 epochs |";
    assert!(!summary.contains(row), "what all runs share is left out");
    assert!(
        summary.contains("| Supervised, 100 epochs | 71.5 ± 0.7 | 61.5 ± 0.7 |"),
        "{summary}"
    );

    let table = read("table2.csv");
    let line = |start: &str| {
        let lines = table.lines().filter(|line| line.starts_with(start));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert!(table.starts_with(
        "model,ours: linear evaluation mean,ours: linear evaluation std,ours: linear evaluation n,"
    ));
    let moco = line("MoCo v2+,");
    assert!(
        moco[0].starts_with("MoCo v2+,61.5000,0.7071,2,51.5000,0.7071,2,"),
        "{moco:?}"
    );
    assert!(
        moco[0].ends_with(",69.1,77.0,82.3,38.9,34.1,39.7,35.8,76.9"),
        "{moco:?}"
    );
    assert_eq!(moco.len(), 2, "200 epochs have a row of their own");
    assert!(
        line("BYOL,")[0].contains(",69.4,"),
        "the paper's rows are whole"
    );

    let rescaled = read("table4.md");
    assert!(rescaled.contains("| BYOL-SGD | 76.5 ± 0.7 |"), "{rescaled}");
    assert!(
        rescaled.contains("| w/o rescale | 71.5 ± 0.7 |"),
        "{rescaled}"
    );
    assert!(rescaled.contains("| 71.7 | 38.8 |"), "{rescaled}");
    assert!(read("release.md").contains("| MoCo v2+ | 62.5 ± 0.7 |"));
    assert!(read("table2.tex").contains("\\toprule"));
    assert!(!out.join("table3.md").exists(), "there is one network only");
    assert_eq!(read("results.csv").lines().count(), 1 + 10 * 4 + 6);
}

#[test]
fn the_page_holds_every_figure_and_nothing_from_elsewhere() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let printed = succeed(report(&[STUDY], &out).arg("--json"));
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let files: Vec<&str> = printed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f.as_str().unwrap())
        .collect();
    for name in [
        "length-linear",
        "length-knn",
        "loss-supervised",
        "loss-moco-v2-plus",
        "confusion-linear-supervised-200-epochs",
    ] {
        for ending in ["svg", "png"] {
            let file = format!("{name}.{ending}");
            assert!(files.contains(&file.as_str()), "{file} is not in {files:?}");
            assert!(out.join(file).metadata().unwrap().len() > 500);
        }
    }
    assert!(files.iter().all(|file| out.join(file).is_file()));
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert_eq!(
        page.matches("<svg").count(),
        files.iter().filter(|file| file.ends_with(".svg")).count()
    );
    for outside in ["http://", "https://", "<script", "@import", "url("] {
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    let first = &printed["results"][0];
    assert_eq!(
        (&first["system"], &first["length"]),
        (&"supervised".into(), &100.0.into())
    );
    assert_eq!(first["top1"]["linear"]["mean"], 71.5);
}

#[test]
fn one_run_and_one_evaluation_can_be_reported() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    succeed(&mut report(
        &[&format!("{STUDY}/supervised-epochs-100-seed-0")],
        &out,
    ));
    assert!(
        fs::read_to_string(out.join("summary.md"))
            .unwrap()
            .contains("| Supervised | 71.0 | 61.0 |")
    );
    let evaluation = format!("{STUDY}/byol-lars-seed-1/evaluations/linear-eval-sgd");
    let out = scratch.join("other");
    succeed(&mut report(&[&evaluation], &out));
    assert!(
        fs::read_to_string(out.join("summary.md"))
            .unwrap()
            .contains("| BYOL (LARS) | 59.0 |")
    );
}

#[test]
fn folders_without_results_are_named() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    fail(&mut report(&["nowhere"], &out), 2, &["nowhere"]);
    let empty = scratch.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let empty = empty.display().to_string();
    fail(
        &mut report(&[&empty], &out),
        2,
        &["empty", "recipe.toml", "result.json"],
    );
    fs::write(scratch.join("empty/result.json"), "{").unwrap();
    fail(
        &mut report(&[&empty], &out),
        1,
        &["result.json", "no result"],
    );
    assert!(!out.exists());
}
