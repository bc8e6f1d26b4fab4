//! `parallax augment`: given operations, drawn views, sheets, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Scratch, fail, parallax, succeed};
use parallax_views::{Image, Op, Pipeline, ViewKey, apply_all, draw_view};
use serde_json::Value;

/// A small image on disk and in memory.
fn image(scratch: &Scratch) -> (PathBuf, Image) {
    let (width, height) = (61, 47);
    let data: Vec<u8> = (0..3 * width * height)
        .map(|i: u32| ((i * i / 7 + 3 * i) % 251) as u8)
        .collect();
    let file = scratch.join("image.png");
    image::save_buffer(&file, &data, width, height, image::ExtendedColorType::Rgb8).unwrap();
    let image = Image {
        width,
        height,
        data,
    };
    (file, image)
}

fn augment(input: &Path, out: &Path, arguments: &[&str]) -> Command {
    let mut command = parallax(&["augment", "--input"]);
    command.arg(input).arg("--out").arg(out).args(arguments);
    command
}

fn read(file: &Path) -> Image {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    parallax_data::decode(&bytes, "made").unwrap()
}

const OPS: &str = r#"[{"op":"crop","left":3,"top":2,"width":40,"height":31},{"op":"resize","width":24,"height":20},
    {"op":"hflip"},{"op":"brightness","factor":1.2},{"op":"hue","delta":-0.05},{"op":"blur","sigma":0.7}]"#;

#[test]
fn given_operations_are_replayed() {
    let scratch = Scratch::new();
    let (input, image) = image(&scratch);
    let ops: Vec<Op> = serde_json::from_str(OPS).unwrap();
    let expected = apply_all(&image, &ops).unwrap();

    let list = scratch.join("ops.json");
    std::fs::write(&list, OPS).unwrap();
    let out = scratch.join("out.png");
    let mut command = augment(&input, &out, &["--device", "cpu", "--ops"]);
    let output = succeed(command.arg(&list));
    assert_eq!(read(&out), expected);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        out.to_str().unwrap()
    );

    // From standard input, into a folder, with a report.
    let folder = scratch.join("folder");
    let mut command = augment(&input, &folder, &["--ops", "-", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(OPS.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(read(&folder.join("image.png")), expected);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        serde_json::from_value::<Vec<Op>>(report["ops"].clone()).unwrap(),
        ops
    );
}

#[test]
fn kernels_make_the_same_images() {
    let scratch = Scratch::new();
    let (input, image) = image(&scratch);
    let list = scratch.join("ops.json");
    std::fs::write(&list, OPS).unwrap();
    let out = scratch.join("out.png");
    succeed(augment(&input, &out, &["--device", "vulkan", "--ops"]).arg(&list));
    let ops: Vec<Op> = serde_json::from_str(OPS).unwrap();
    assert_eq!(read(&out), apply_all(&image, &ops).unwrap());

    std::fs::write(&list, r#"[{"op":"blur","sigma":9}]"#).unwrap();
    fail(
        augment(&input, &out, &["--device", "vulkan", "--ops"]).arg(&list),
        2,
        &["blur", "--device cpu"],
    );
}

#[test]
fn views_are_those_of_training() {
    let scratch = Scratch::new();
    let (input, image) = image(&scratch);
    let folder = scratch.join("views");
    let arguments = [
        "--recipe",
        "byol-cifar10",
        "--set",
        "views.size=20",
        "--seed",
        "7",
        "--epoch",
        "3",
        "--index",
        "11",
        "--json",
    ];
    let output = succeed(&mut augment(&input, &folder, &arguments));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for view in 0..2u16 {
        let key = ViewKey {
            seed: 7,
            epoch: 3,
            sample: 11,
            view,
        };
        let ops = draw_view(Pipeline::ByolAsymmetric, 61, 47, 20, key);
        let expected = apply_all(&image, &ops).unwrap();
        assert_eq!(
            read(&folder.join(format!("view-{}.png", view + 1))),
            expected
        );
        // Both as they are read: the reader of JSON may be off by the last bit of seventeen digits.
        let drawn: Value = serde_json::from_str(&serde_json::to_string(&ops).unwrap()).unwrap();
        assert_eq!(report["views"][usize::from(view)]["ops"], drawn);
    }
}

#[test]
fn a_sheet_shows_every_pair() {
    let scratch = Scratch::new();
    let (input, _) = image(&scratch);
    let file = scratch.join("sheet.png");
    succeed(&mut augment(&input, &file, &["--grid", "3"]));
    let sheet = read(&file);

    let folder = scratch.join("views");
    let output = succeed(&mut augment(&input, &folder, &["--grid", "3", "--json"]));
    assert_eq!(read(&folder.join("sheet.png")), sheet);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let views = report["views"].as_array().unwrap();
    assert_eq!(views.len(), 6);
    for view in views {
        // Each view stands in the sheet, enlarged: its first row does.
        let view = read(Path::new(view["file"].as_str().unwrap()));
        let scale = 224 / view.width as usize;
        let row: Vec<u8> = view.data[..3 * view.width as usize]
            .chunks_exact(3)
            .flat_map(|pixel| pixel.repeat(scale))
            .collect();
        assert!(sheet.data.windows(row.len()).any(|found| found == row));
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let scratch = Scratch::new();
    let (input, _) = image(&scratch);
    let out = scratch.join("out.png");
    let ops = |text: &str| {
        let file = scratch.join("ops.json");
        std::fs::write(&file, text).unwrap();
        let mut command = augment(&input, &out, &["--ops"]);
        command.arg(file);
        command
    };
    fail(&mut ops("{"), 2, &["ops.json", "not a JSON list"]);
    fail(
        &mut ops(r#"[{"op":"hflip"},{"op":"crp"}]"#),
        2,
        &["ops.json", "operation 2", "crp", "`crop`"],
    );
    fail(
        &mut ops(r#"[{"op":"crop","left":60,"top":0,"width":9,"height":9}]"#),
        2,
        &["crop", "61 x 47"],
    );
    fail(
        &mut ops(r#"[{"op":"blur","sigma":-1}]"#),
        2,
        &["sigma", "-1"],
    );
    let refuse = |arguments: &[&str], texts: &[&str]| {
        fail(&mut augment(&input, &out, arguments), 2, texts);
    };
    refuse(&["--ops", "nowhere.json"], &["nowhere.json"]);
    refuse(&["--ops", "-", "--grid", "2"], &["--grid"]);
    refuse(&["--recipe", "byoll"], &["byoll", "demo"]);
    refuse(&["--grid", "0"], &["--grid"]);
    refuse(&["--device", "tpu"], &["tpu", "cpu"]);
    refuse(&["--set", "views.pipeline=eval"], &["views.pipeline"]);
    fail(
        &mut augment(&input, &scratch.join("out.jpg"), &[]),
        2,
        &["out.jpg", "PNG"],
    );
    fail(
        &mut augment(&scratch.join("none.png"), &out, &[]),
        2,
        &["none.png"],
    );
    assert!(!out.exists());
}

#[test]
fn a_broken_image_is_named() {
    let scratch = Scratch::new();
    let broken = scratch.join("broken.jpg");
    std::fs::write(&broken, b"no image at all").unwrap();
    let mut command = augment(&broken, &scratch.join("out.png"), &[]);
    fail(&mut command, 1, &["broken.jpg", "JPEG, PNG or WebP"]);
}
