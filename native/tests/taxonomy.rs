//! `parallax taxonomy`, and supervised runs on groups of classes.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, fail, parallax, succeed, tiny};
use serde_json::Value;

/// The extract of WordNet that the tests of `parallax-data` read.
const WORDNET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/data/tests/taxonomy");

fn taxonomy(scheme: &str, out: &Path) -> std::process::Command {
    let wnids = format!("{WORDNET}/wnids.txt");
    let out = out.to_str().unwrap();
    parallax(&[
        "taxonomy",
        "--wordnet",
        WORDNET,
        "--wnids",
        &wnids,
        "--scheme",
        scheme,
        "--out",
        out,
    ])
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_map_is_written_and_its_groups_are_listed() {
    let scratch = Scratch::new();
    let out = scratch.join("map.json");
    let output = succeed(&mut taxonomy("bottom-up:6", &out));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("bottom-up:6: 1000 classes in 79 groups"),
        "{text}"
    );
    assert!(text.contains("    398  n00015388  animal"), "{text}");
    assert!(text.contains("each of these 46: "), "{text}");
    let map = json(&out);
    assert_eq!(map["scheme"], "bottom-up:6");
    assert_eq!(map["groups"].as_array().unwrap().len(), 79);
    assert_eq!(map["groups"][0]["members"][0], "n01440764");

    let output = succeed(taxonomy("imbalanced", &out).arg("--json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["classes"], &told["groups"][1]["classes"]),
        (&1000.into(), &3.into())
    );

    let output = succeed(taxonomy("top-down:2", &out).arg("--tree"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nentity\n  abstraction\n"), "{text}");
    // The first line has the path of the map.
    let mut lines = text.lines().skip(1);
    assert!(lines.all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn bad_input_says_what_to_do() {
    let scratch = Scratch::new();
    let out = scratch.join("map.json");
    fail(
        &mut taxonomy("flat", &out),
        2,
        &["'flat'", "bottom-up:6", "artifact"],
    );
    let folder = scratch.join("wordnet");
    fs::create_dir(&folder).unwrap();
    let with = |wnids: &Path| {
        let (folder, wnids) = (folder.to_str().unwrap(), wnids.to_str().unwrap());
        let out = out.to_str().unwrap();
        parallax(&[
            "taxonomy",
            "--wordnet",
            folder,
            "--wnids",
            wnids,
            "--scheme",
            "artifact",
            "--out",
            out,
        ])
    };
    let wnids = Path::new(WORDNET).join("wnids.txt");
    fail(
        &mut with(&wnids),
        2,
        &["data.noun", "index.sense", "parallax data fetch wordnet"],
    );
    for name in ["data.noun", "index.noun"] {
        let text = fs::read_to_string(Path::new(WORDNET).join(name)).unwrap();
        let newer = text.replace("WordNet 3.0 Copyright", "WordNet 3.1 Copyright");
        fs::write(folder.join(name), newer).unwrap();
    }
    fail(
        &mut with(&wnids),
        2,
        &["WordNet 3.1", "WordNet 3.0", "fetch wordnet"],
    );
    let list = scratch.join("ids.txt");
    fs::write(&list, "n01440764\ntench\n").unwrap();
    fail(&mut with(&list), 2, &["ids.txt line 2", "'tench'"]);
    assert!(!out.exists());
    let mut fetch = parallax(&["data", "fetch", "wordnet", "--from", "no/such"]);
    fetch.env("PARALLAX_CACHE", scratch.join("cache"));
    fail(&mut fetch, 2, &["--from no/such", "no such file"]);
}

#[test]
fn a_supervised_run_learns_groups_and_is_evaluated_on_classes() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let map = scratch.join("map.json");
    let text = r#"{"groups": [{"name": "vehicle", "members": ["airplane", "automobile", "ship", "truck"]},
        {"name": "animal", "members": ["bird", "cat", "deer", "dog", "frog", "horse"]}]}"#;
    fs::write(&map, text).unwrap();
    let recipe = scratch.join("small.toml");
    fs::write(
        &recipe,
        "[run]\ntotal_steps = 6\nbatch_size = 8\n[data]\ntaxonomy = 'MAP'\n[views]\nsize = 16\n\
         [model]\narch = 'tiny'\nstem = 'small'\nwidth = 4\n[method]\nname = 'supervised'\n[schedule]\nwarmup_steps = 2\n\
         [probe]\nonline = true\nknn_every = 0\ntable = false\n[checkpoint]\nevery_steps = 3\n"
            .replace("MAP", map.to_str().unwrap()),
    )
    .unwrap();
    let train = |more: &[&str]| {
        let mut command = parallax(&["pretrain", recipe.to_str().unwrap(), "--device", "cpu"]);
        command.arg("--out").arg(&out).args(more);
        command
    };
    succeed(&mut train(&[]));
    // Two groups in the head, ten classes in the online classifier.
    let shape = |bytes: &[u8], name: &str| {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        file.tensor(name).unwrap().shape()[0]
    };
    assert_eq!(
        shape(&common::weights(&out, 6), "online_encoder.fc.0.weight"),
        2
    );
    assert_eq!(shape(&common::training(&out, 6), "classifier.weight"), 10);

    // The run holds the map itself.
    let end = common::checkpoint(&out, 6);
    fs::remove_dir_all(out.join("checkpoints/step-6")).unwrap();
    fs::remove_file(&map).unwrap();
    succeed(&mut train(&["--resume"]));
    assert!(common::checkpoint(&out, 6) == end);

    let embedded = scratch.join("embedded");
    let mut command = tiny("supervised", 2, &embedded);
    succeed(command.args([
        "--set",
        "data.taxonomy=animal-vehicle",
        "--set",
        "data.class_ratio=0.5",
    ]));
    let stored = fs::read_to_string(embedded.join("recipe.toml")).unwrap();
    assert!(stored.contains("vehicle"), "{stored}");
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let scratch = Scratch::new();
    let map = scratch.join("map.json");
    let refused = |text: &str, texts: &[&str]| {
        fs::write(&map, text).unwrap();
        let value = format!("data.taxonomy='{}'", map.display());
        let mut command = tiny("supervised", 1, &scratch.join("run"));
        fail(command.args(["--set", &value]), 2, texts);
    };
    refused("{", &["map.json", "not a map of classes"]);
    let two =
        r#"{"groups": [{"name": "a", "members": ["bird"]}, {"name": "b", "members": ["bird"]}]}"#;
    refused(two, &["'bird'", "'a' and 'b'"]);
    let few = r#"{"groups": [{"name": "a", "members": ["airplane"]}]}"#;
    refused(few, &["data.taxonomy", "class 'automobile'", "in no group"]);
    let mut command = tiny("supervised", 1, &scratch.join("run"));
    let none = ["--set", "data.taxonomy=animals"];
    fail(
        command.args(none),
        2,
        &["'animals'", "animal-vehicle", "parallax taxonomy"],
    );
    let mut command = tiny("byol", 1, &scratch.join("run"));
    let groups = ["--set", "data.taxonomy=animal-vehicle"];
    fail(command.args(groups), 2, &["data.taxonomy", "supervised"]);
}
