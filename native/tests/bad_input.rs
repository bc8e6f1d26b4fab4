//! Wrong input is answered by a message that says what to do.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Scratch, fail, parallax, succeed, tiny};

#[test]
fn unknown_key_lists_the_known_ones() {
    fail(
        &mut parallax(&["pretrain", "--set", "optimizer.speed=1"]),
        2,
        &["speed", "base_lr", "weight_decay"],
    );
}

#[test]
fn unknown_recipe_lists_the_known_ones() {
    fail(
        &mut parallax(&["pretrain", "byoll"]),
        2,
        &["byoll", "demo", "byol-cifar10"],
    );
}

#[test]
fn unknown_device_lists_the_known_ones() {
    fail(
        &mut parallax(&["pretrain", "--device", "tpu"]),
        2,
        &["tpu", "auto", "cpu"],
    );
    fail(
        &mut parallax(&["pretrain", "--device", "vulkan:99"]),
        2,
        &["vulkan:99", "cpu"],
    );
}

#[test]
fn a_precision_that_the_device_lacks_is_refused_before_the_start() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let lacks = |device: &str, precision: &str, texts: &[&str]| {
        let mut command = tiny("byol", 2, &out);
        let precision = format!("run.precision={precision}");
        command.args(["--device", device, "--set", &precision]);
        fail(&mut command, 2, texts);
        assert!(!out.exists());
    };
    lacks(
        "cpu",
        "f16",
        &[
            "run.precision",
            "f16",
            "device cpu",
            "which has f32",
            "devices",
        ],
    );
    lacks("vulkan", "bf16", &["run.precision", "WGSL", "f32 and f16"]);
    lacks("cpu", "f8", &["f8", "bf16"]);
    fail(
        &mut parallax(&["pretrain", "--set", "run.precisoin=f16"]),
        2,
        &["precisoin", "precision", "accumulate"],
    );
}

/// A buffer that the software Vulkan device does not allow (144 MiB; it allows 128).
#[test]
fn a_step_too_large_for_the_device_says_what_to_do() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let mut command = tiny("byol", 2, &out);
    command.args(["--device", "vulkan"]);
    for value in [
        "model.stem=cifar",
        "model.width=64",
        "views.size=96",
        "run.batch_size=64",
    ] {
        command.args(["--set", value]);
    }
    let texts = ["144 MiB", "128 MiB", "run.batch_size", "run.accumulate"];
    fail(&mut command, 2, &texts);
}

/// A limit of the process' addresses stands for a machine without memory.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_memory_says_what_to_do_and_hurts_no_checkpoint() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let mut run = tiny("byol", 2, &out);
    for value in [
        "checkpoint.every_steps=1",
        "model.stem=cifar",
        "model.width=32",
        "views.size=48",
        "run.batch_size=96",
    ] {
        run.args(["--set", value]);
    }
    succeed(&mut run);
    let end = common::weights(&out, 2);
    fs::remove_dir_all(out.join("checkpoints/step-2")).unwrap();
    let resume = |limit: &str| {
        let mut shell = std::process::Command::new("sh");
        let script = format!("ulimit -v {limit}; exec \"$0\" \"$@\"");
        let parallax = parallax(&["pretrain", "demo", "--device", "cpu", "--resume", "--out"]);
        shell
            .args(["-c", &script])
            .arg(parallax.get_program())
            .args(parallax.get_args());
        shell.arg(&out).env("RAYON_NUM_THREADS", "2");
        shell
    };
    let texts = [
        "out of memory",
        "run.batch_size",
        "run.accumulate",
        "--resume",
    ];
    fail(&mut resume("500000"), 1, &texts);
    succeed(&mut resume("unlimited"));
    assert!(common::weights(&out, 2) == end);
}

#[test]
fn wrong_arguments_exit_with_two() {
    fail(
        &mut parallax(&["pretrain", "--epochs", "3"]),
        2,
        &["--epochs"],
    );
}

#[test]
fn folders_that_hold_no_data() {
    let scratch = Scratch::new();
    let train = |data: &str| {
        let mut command = parallax(&["pretrain", "--device", "cpu", "--data", data, "--out"]);
        command.arg(scratch.join("run"));
        command
    };
    let missing = scratch.join("missing");
    fail(&mut train(missing.to_str().unwrap()), 2, &["missing"]);
    let empty = scratch.join("empty");
    fs::create_dir_all(&empty).unwrap();
    fail(&mut train(empty.to_str().unwrap()), 2, &["empty"]);
    let one = scratch.join("one");
    fs::create_dir_all(one.join("cats")).unwrap();
    image::RgbImage::from_pixel(8, 8, image::Rgb([9, 9, 9]))
        .save(one.join("cats/a.png"))
        .unwrap();
    fail(&mut train(one.to_str().unwrap()), 2, &["one"]);
}

#[test]
fn a_broken_image_is_named_or_skipped() {
    let scratch = Scratch::new();
    let data = scratch.join("images");
    for class in ["cats", "dogs"] {
        fs::create_dir_all(data.join(class)).unwrap();
        for number in 0..12u8 {
            let color = image::Rgb([number * 20, 40, 255 - number * 9]);
            let name = format!("{class}/{number}.png");
            image::RgbImage::from_pixel(20, 17, color)
                .save(data.join(name))
                .unwrap();
        }
    }
    fs::write(data.join("dogs/broken.jpg"), b"this is no image").unwrap();
    let train = |on_bad: &str, out: &str| {
        let mut command = tiny("byol", 2, &scratch.join(out));
        command
            .args(["--on-bad-image", on_bad, "--data"])
            .arg(&data);
        command
    };
    fail(&mut train("error", "a"), 1, &["broken.jpg"]);
    let skipped = succeed(&mut train("skip", "b"));
    let message = common::stderr(&skipped);
    assert!(message.contains("broken.jpg"), "{message}");
}

#[test]
fn damaged_checkpoints_are_named_and_older_ones_used() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 6, &run));
    let last = common::weights(&run, 6);
    let truncate = |step: u32| {
        let path = run.join(format!("checkpoints/step-{step}/weights.safetensors"));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    truncate(6);
    let mut resume = parallax(&["pretrain", "demo", "--device", "cpu", "--resume", "--out"]);
    resume.arg(&run);
    // Step 6 is refused and step 3 takes over; step 6 is then made again.
    let output = succeed(&mut resume);
    let message = common::stderr(&output);
    assert!(
        message.contains("step-6") && message.contains("weights.safetensors"),
        "{message}"
    );
    assert!(common::weights(&run, 6) == last, "step 6 is whole again");
    truncate(3);
    truncate(6);
    fail(&mut resume, 1, &["none of the 2 checkpoints", "whole"]);

    let file = run.join("checkpoints/step-3/weights.safetensors");
    let mut knn = parallax(&["knn", "--weights"]);
    fail(knn.arg(&file), 1, &["weights.safetensors", "cut off"]);
}

#[test]
fn a_run_does_not_change_its_recipe() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 3, &run));
    let mut other = tiny("byol", 3, &run);
    other.args(["--resume", "--set", "model.width=8"]);
    fail(&mut other, 2, &["own recipe"]);
    fail(&mut tiny("byol", 3, &run), 2, &["--resume", "--out"]);
}

#[test]
fn a_full_disk_hurts_no_older_checkpoint() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 9, &run));
    let [first, last] = [3, 9].map(|step| common::checkpoint(&run, step));
    for step in [6, 9] {
        fs::remove_dir_all(run.join(format!("checkpoints/step-{step}"))).unwrap();
    }
    // A limit on the size of files stands for a disk without space: writing fails in the same way.
    let resume = || {
        let mut command = parallax(&["pretrain", "demo", "--device", "cpu", "--resume", "--out"]);
        command.arg(&run);
        command
    };
    let mut limited = std::process::Command::new("bash");
    let command = format!("{:?}", resume());
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f 20; exec {command}")]);
    let texts = [
        "could not be saved",
        "older checkpoints are untouched",
        "--resume",
    ];
    // However often it is tried.
    for _ in 0..2 {
        fail(&mut limited, 1, &texts);
        let left = fs::read_dir(run.join("checkpoints")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["step-3"]);
        assert!(common::checkpoint(&run, 3) == first);
    }
    // With space again the run goes on to the same end.
    succeed(&mut resume());
    assert!(common::checkpoint(&run, 9) == last);
}
