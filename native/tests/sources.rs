//! `parallax data pack` and `verify`, and runs on shards.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, fail, parallax, succeed, tiny};
use serde_json::Value;

fn json(scratch: &Scratch, arguments: &[&str]) -> Value {
    let mut command = parallax(arguments);
    let output = succeed(
        command
            .arg("--json")
            .env("PARALLAX_CACHE", scratch.join("cache")),
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The losses of a run of four steps.
fn losses(scratch: &Scratch, data: &str, name: &str) -> Vec<Value> {
    let out = scratch.join(name);
    let mut run = tiny("byol", 4, &out);
    succeed(
        run.args(["--data", data])
            .env("PARALLAX_CACHE", scratch.join("cache")),
    );
    let record: Value = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["jpeg_decoder"], "libjpeg-turbo");
    assert_eq!(record["skipped_images"], 0);
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let events = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let losses = events.filter(|event| event["event"] == "step");
    losses.map(|event| event["loss"].clone()).collect()
}

#[test]
fn the_shards_of_a_data_set_are_that_data_set() {
    let scratch = Scratch::new();
    let out = scratch.join("shards");
    let shards = out.to_str().unwrap();
    let told = json(
        &scratch,
        &[
            "data",
            "pack",
            "sample",
            "--out",
            shards,
            "--shard-size",
            "1MB",
        ],
    );
    assert_eq!(
        (&told[0]["images"], &told[1]["images"]),
        (&2000.into(), &500.into())
    );
    assert_eq!(
        (&told[0]["split"], &told[1]["split"]),
        (&"train".into(), &"test".into())
    );
    assert!(told[0]["shards"].as_u64().unwrap() > 1);
    assert!(out.join("val/000000.tar").is_file() && out.join("train/classes.txt").is_file());

    // The digest is of classes and pixels, wherever they are.
    let (ours, sample) = (
        json(&scratch, &["data", "verify", shards]),
        json(&scratch, &["data", "verify", "sample"]),
    );
    for split in [0, 1] {
        assert_eq!(ours[split]["digest"], sample[split]["digest"]);
        assert_eq!(ours[split]["broken"], Value::Array(Vec::new()));
        assert_eq!(
            ours[split]["width"],
            serde_json::json!({"min": 32, "max": 32})
        );
    }
    assert_ne!(ours[0]["digest"], ours[1]["digest"]);

    let found = losses(&scratch, shards, "a");
    assert!(
        found.len() == 4 && found.iter().all(Value::is_number),
        "{found:?}"
    );
    assert_eq!(found, losses(&scratch, "sample", "b"));

    // A second pack of the same changes nothing.
    let again = json(
        &scratch,
        &[
            "data",
            "pack",
            "sample",
            "--out",
            shards,
            "--shard-size",
            "1MB",
        ],
    );
    assert_eq!(again, told);
    let mut other = parallax(&["data", "pack", "sample", "--out", shards]);
    fail(&mut other, 2, &["with other settings"]);

    // Part of the shards is a list of indices.
    let list = scratch.join("l.txt");
    let train = out.join("train");
    let drawn = [
        "data",
        "subsample",
        "--ratio",
        "0.5",
        "--data",
        train.to_str().unwrap(),
    ];
    let drawn = json(
        &scratch,
        &[&drawn[..], &["--out", list.to_str().unwrap()]].concat(),
    );
    assert_eq!(drawn["images"], 1000);
    let spec = format!("list:{}", list.display());
    assert_eq!(
        json(&scratch, &["data", "inspect", &spec])[0]["pictures"],
        1000
    );
}

#[test]
fn broken_images_are_named_and_fail() {
    let scratch = Scratch::new();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/data/tests/images");
    let whole = fs::read(images.join("photo-420.jpg")).unwrap();
    for (name, bytes) in [
        ("a/1.jpg", &whole[..]),
        ("a/2.jpg", &whole[..300]),
        ("b/3.jpg", &whole),
    ] {
        let path = scratch.join(&format!("in/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let folder = scratch.join("in");
    let output = parallax(&["data", "verify", folder.to_str().unwrap()])
        .output()
        .unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("3 images of 2 classes") && text.contains("broken   1"),
        "{text}"
    );
    assert!(
        text.contains("2.jpg") && text.contains("the file ends after 300 bytes"),
        "{text}"
    );
    assert!(errors.contains("--on-bad-image skip"), "{errors}");
}
