//! Every example runs, on small inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parallax_data::{Source, sample};
use parallax_weights::{Branch, Export, Import, Names};

/// A folder of its own that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("parallax-examples-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Ten images of each of two classes, in folders of the classes' names.
    fn images(&self) -> PathBuf {
        let folder = self.path("images");
        let source = sample::test().unwrap();
        let mut count = [0; 2];
        for index in 0..source.len() {
            let label = source.label(index) as usize;
            if label < 2 && count[label] < 10 {
                count[label] += 1;
                let class = folder.join(&source.classes()[label]);
                fs::create_dir_all(&class).unwrap();
                let image = source.image(index).unwrap();
                let path = class.join(format!("{index}.png"));
                let color = image::ColorType::Rgb8;
                image::save_buffer(path, &image.data, image.width, image.height, color).unwrap();
            }
        }
        assert_eq!(count, [10; 2]);
        folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What an example prints. Cargo builds examples next to the folder of the tests' executables.
fn printed(example: &str, arguments: &[&Path], more: &[&str]) -> String {
    let deps = std::env::current_exe().unwrap();
    let profile = deps.parent().and_then(Path::parent).unwrap();
    let program = format!("{example}{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(profile.join("examples").join(program));
    let output = command.args(arguments).args(more).output();
    let output = output.expect("`cargo test` without a choice of targets builds examples");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Overrides for a run of three steps of a small network.
const SMALL: [&str; 10] = [
    "run.total_steps=3",
    "run.batch_size=8",
    "views.size=16",
    "model.arch=resnet18",
    "model.stem=cifar",
    "model.width=4",
    "method.hidden=16",
    "method.out=8",
    "method.queue=16",
    "schedule.warmup_steps=1",
];

#[test]
fn pretrain_saves_a_checkpoint_that_linear_probe_reads_as_one_of_pytorch() {
    let scratch = Scratch::new("pretrain");
    let (images, out) = (scratch.images(), scratch.path("checkpoint"));
    let text = printed("pretrain", &[&images, &out], &SMALL);
    assert!(text.contains("step     3  loss "), "{text}");
    assert!(text.contains("trained encoder: {\"knn\": "), "{text}");

    let weights = fs::read(out.join("weights.safetensors")).unwrap();
    let file = Import::read("weights.safetensors", &weights).unwrap().file;
    let export = Export::of(file, Names::Torchvision, Some(Branch::Online)).unwrap();
    let checkpoint = scratch.path("resnet18.pth");
    fs::write(&checkpoint, export.file.to_torch_bytes().unwrap()).unwrap();
    let text = printed("linear_probe", &[&checkpoint, &images], &[]);
    assert!(text.contains("32 features of 20 images"), "{text}");
    assert!(text.contains("linear "), "{text}");
}

#[test]
fn views_writes_every_view() {
    let scratch = Scratch::new("views");
    let images = scratch.images();
    let image = fs::read_dir(images.join("airplane"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let out = scratch.path("views");
    let text = printed("views", &[&image, &out], &["byol-asymmetric"]);
    assert_eq!(
        (text.lines().count(), fs::read_dir(&out).unwrap().count()),
        (8, 8)
    );
    let view = image::open(out.join("3-1.png")).unwrap();
    assert_eq!((view.width(), view.height()), (224, 224));
}
