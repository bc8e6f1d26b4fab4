//! `parallax norms` as a user calls it.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Scratch, fail, parallax, succeed, tiny};
use serde_json::Value;

#[test]
fn norms_of_a_run_and_of_what_norm_rescale_makes_of_it() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 3, &run));
    let [run, half] = [run, scratch.join("half.pth")].map(|path| path.display().to_string());
    let arguments = ["--weights", &run, "--constant", "0.5", "--out", &half];
    succeed(parallax(&["norm-rescale"]).args(arguments));

    let out = succeed(&mut parallax(&["norms", &run, &half, "--json"]));
    let norms: Value = serde_json::from_slice(&out.stdout).unwrap();
    let layers = norms["layers"].as_array().unwrap();
    assert_eq!(layers[0]["layer"], "conv1.weight");
    assert!(layers.iter().all(|layer| {
        let ratio = layer["ratios"][1].as_f64().unwrap();
        (ratio - 0.5).abs() < 1e-6 && layer["norms"][0].as_f64().unwrap() > 0.0
    }));

    let svg = scratch.join("norms.svg").display().to_string();
    let out = succeed(&mut parallax(&["norms", &run, &half, "--out", &svg]));
    let table = String::from_utf8(out.stdout).unwrap();
    assert_eq!(table.lines().count(), layers.len() + 2);
    assert!(
        table.contains("x0.500") && table.contains("half"),
        "{table}"
    );
    assert!(fs::read_to_string(svg).unwrap().contains("L2 norm"));
}

#[test]
fn wrong_files_are_named() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(tiny("supervised", 3, &run).args(["--set", "method.out=10"]));
    let run = run.display().to_string();
    fail(&mut parallax(&["norms", &run, "missing"]), 2, &["missing"]);
    fail(&mut parallax(&["norms"]), 2, &["FILE"]);
    let target = ["norms", &run, "--branch", "target"];
    fail(&mut parallax(&target), 1, &["no target network"]);
    let pdf = ["norms", &run, "--out", "norms.pdf"];
    fail(&mut parallax(&pdf), 2, &["norms.pdf", ".svg", ".png"]);
}
