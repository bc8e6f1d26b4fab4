//! `parallax data subsample`, lists as data, and runs on part of the data.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{Scratch, fail, parallax, succeed, tiny};
use serde_json::Value;

fn subsample(data: &str, ratio: &str, out: &Path, more: &[&str]) -> Value {
    let out = out.to_str().unwrap();
    let mut command = parallax(&["data", "subsample", "--data", data, "--ratio", ratio]);
    let output = succeed(command.args(["--json", "--out", out]).args(more));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn images(list: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(list).unwrap();
    assert!(text.starts_with("# parallax list: "), "{text}");
    let lines: Vec<String> = text.lines().skip(1).map(String::from).collect();
    let set: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(set.len(), lines.len());
    set
}

fn inspect(list: &Path) -> Value {
    let spec = format!("list:{}", list.display());
    let output = succeed(&mut parallax(&["data", "inspect", "--json", &spec]));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].take()
}

#[test]
fn lists_of_one_seed_are_nested() {
    let scratch = Scratch::new();
    let draw = |ratio: &str, more: &[&str]| {
        let list = scratch.join("list.txt");
        let told = subsample("sample", ratio, &list, more);
        assert_eq!(told["images"], images(&list).len());
        images(&list)
    };
    for more in [&[][..], &["--per", "image"]] {
        let parts = ["0.1", "0.2", "0.5", "1.0"].map(|ratio| draw(ratio, more));
        assert_eq!(parts.each_ref().map(BTreeSet::len), [200, 400, 1000, 2000]);
        assert!(parts.windows(2).all(|pair| pair[0].is_subset(&pair[1])));
        let other = draw("0.2", &[more, &["--seed", "1"]].concat());
        assert_ne!(other, parts[1]);
    }
    assert_eq!(draw("0.5", &["--split", "test"]).len(), 250);
}

#[test]
fn a_list_of_classes_is_what_a_recipe_draws() {
    let scratch = Scratch::new();
    let list = scratch.join("two.txt");
    let told = subsample("sample", "0.2", &list, &["--seed", "5"]);
    assert_eq!(
        (&told["of_images"], &told["of_classes"]),
        (&2000.into(), &10.into())
    );
    let seen = inspect(&list);
    assert_eq!(seen["pictures"], 400);
    let names = |value: &Value| {
        let classes = value["classes"].as_array().unwrap().iter();
        let name = |class: &Value| class.get("name").unwrap_or(class).clone();
        classes.map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&seen), names(&told));
    // A list can be drawn from again.
    let half = scratch.join("half.txt");
    subsample(
        &format!("list:{}", list.display()),
        "0.5",
        &half,
        &["--seed", "5"],
    );
    assert_eq!(inspect(&half)["pictures"], 200);
    assert!(images(&half).is_subset(&images(&list)));
}

#[test]
fn a_folder_is_drawn_from_by_relative_paths() {
    let scratch = Scratch::new();
    let pixel = |path: &str| {
        let path = scratch.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(4, 4, image::Rgb([1; 3]))
            .save(path)
            .unwrap();
    };
    for class in ["ant", "bee", "cow"] {
        (0..4).for_each(|number| pixel(&format!("images/train/{class}/{number}.png")));
        pixel(&format!("images/val/{class}/0.png"));
    }
    pixel("images/train/bee/deep/4.png");
    let list = scratch.join("list.txt");
    let data = scratch.join("images");
    subsample(data.to_str().unwrap(), "1", &list, &[]);
    let found = images(&list);
    assert!(found.contains("images/train/ant/0.png"), "{found:?}");
    assert!(
        found.contains("images/train/bee/deep/4.png\tbee"),
        "{found:?}"
    );
    let seen = inspect(&list);
    assert_eq!(
        (&seen["pictures"], &seen["broken"]),
        (&13.into(), &Value::Array(vec![]))
    );
    assert_eq!(seen["classes"][1]["pictures"], 5);
    fs::create_dir(scratch.join("lists")).unwrap();
    let other = scratch.join("lists/part.txt");
    let spec = format!("list:{}", list.display());
    subsample(&spec, "0.5", &other, &["--per", "image"]);
    assert!(
        images(&other)
            .iter()
            .all(|line| line.starts_with("../images/train/"))
    );
    assert_eq!(inspect(&other)["classes"].as_array().unwrap().len(), 3);
}

#[test]
fn bad_arguments_are_refused() {
    let scratch = Scratch::new();
    let list = scratch.join("list.txt");
    let list = list.to_str().unwrap();
    for ratio in ["0", "1.5", "nan"] {
        let arguments = [
            "data",
            "subsample",
            "--data",
            "sample",
            "--out",
            list,
            "--ratio",
            ratio,
        ];
        fail(&mut parallax(&arguments), 2, &["--ratio", "greater than 0"]);
    }
    fs::write(list, "# parallax list: source=sample\nseven\n").unwrap();
    let spec = format!("list:{list}");
    let texts = ["list.txt line 2", "'seven'", "sample"];
    fail(&mut parallax(&["data", "inspect", &spec]), 2, &texts);
    fail(&mut parallax(&["pretrain", "--data", &spec]), 2, &texts);
    fail(
        &mut parallax(&["data", "inspect", "list:no/such"]),
        2,
        &["no list no/such"],
    );
}

/// A supervised run of one epoch in `out`: the 2,000 images are 5 batches of 400.
fn epoch(out: &Path, values: &[&str]) -> Value {
    let mut command = parallax(&["pretrain", "demo", "--device", "cpu", "--out"]);
    command.arg(out);
    let own = [
        "method.name=supervised",
        "run.epochs=1",
        "run.batch_size=400",
        "views.size=16",
        "model.width=4",
        "schedule.warmup_steps=2",
        "probe.knn_every=0",
        "probe.table=false",
        "checkpoint.every_steps=2",
    ];
    for value in own.iter().chain(values) {
        command.args(["--set", value]);
    }
    succeed(&mut command);
    let text = fs::read_to_string(out.join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&text).unwrap();
    run["total_steps"].clone()
}

#[test]
fn part_of_the_data_takes_constant_iterations_and_resumes_bit_for_bit() {
    let scratch = Scratch::new();
    assert_eq!(epoch(&scratch.join("all"), &[]), 5);
    let classes = "data.class_ratio=0.2";
    assert_eq!(epoch(&scratch.join("classes"), &[classes]), 1);
    assert_eq!(epoch(&scratch.join("images"), &["data.image_ratio=0.4"]), 2);
    let run = scratch.join("constant");
    let constant = "run.constant_iterations=true";
    assert_eq!(epoch(&run, &[classes, constant]), 5);
    let state = fs::read_to_string(run.join("checkpoints/step-4/state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(
        (&state["examples"], &state["full_examples"]),
        (&400.into(), &2000.into())
    );
    let end = common::checkpoint(&run, 5);
    for step in [4, 5] {
        fs::remove_dir_all(run.join(format!("checkpoints/step-{step}"))).unwrap();
    }
    // The run's own recipe says what it is trained on.
    let mut resume = parallax(&["pretrain", "--resume", "--device", "cpu", "--out"]);
    succeed(resume.arg(&run));
    assert!(common::checkpoint(&run, 5) == end);
}

#[test]
fn a_list_trains_for_as_many_iterations_as_what_it_was_drawn_from() {
    let scratch = Scratch::new();
    let list = scratch.join("list.txt");
    subsample("sample", "0.5", &list, &[]);
    let source = format!("data.source='list:{}'", list.display());
    // A fifth of the list is held out: 800 images are 2 batches, the same share of all 2,000 are 4.
    assert_eq!(epoch(&scratch.join("short"), &[&source]), 2);
    let constant = "run.constant_iterations=true";
    assert_eq!(epoch(&scratch.join("long"), &[&source, constant]), 4);
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let scratch = Scratch::new();
    let kept = |keep: &str| {
        let out = scratch.join(keep);
        let value = format!("checkpoint.keep={keep}");
        let mut command = tiny("byol", 8, &out);
        succeed(command.args(["--set", "checkpoint.every_steps=2", "--set", &value]));
        let names = fs::read_dir(out.join("checkpoints")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<String>>()
    };
    let steps = |steps: &[u32]| -> BTreeSet<String> {
        steps.iter().map(|step| format!("step-{step}")).collect()
    };
    assert_eq!(kept("all"), steps(&[2, 4, 6, 8]));
    assert_eq!(kept("3"), steps(&[4, 6, 8]));
    assert_eq!(kept("1"), steps(&[8]));
    for keep in ["0", "some"] {
        let value = format!("checkpoint.keep={keep}");
        fail(
            &mut parallax(&["pretrain", "--set", &value]),
            2,
            &["keep", "\"all\""],
        );
    }
}
