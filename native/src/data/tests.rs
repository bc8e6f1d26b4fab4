//! Tests of opening a SRC, and helpers shared by the tests of this module.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::usage::BadArgument;

/// An empty folder, removed when dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    /// A new folder; `name` distinguishes tests, the process id runs.
    pub fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("parallax-data-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and creates its folders.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The path as an argument.
    pub fn spec(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A small image file of one colour.
pub fn image(format: image::ImageFormat, colour: u8) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(9, 7, image::Rgb([colour; 3]))
        .write_to(&mut file, format)
        .unwrap();
    file.into_inner()
}

fn refusal(spec: &str, split: Split) -> String {
    let error = open_with_report(spec, split, OnBadImage::Error, &Progress::hidden())
        .map(|_| ())
        .unwrap_err();
    assert!(error.is::<BadArgument>(), "{error}");
    error.to_string()
}

#[test]
fn the_sample_has_two_splits() {
    assert_eq!(
        open("sample", Split::Train, OnBadImage::Error)
            .unwrap()
            .len(),
        2000
    );
    assert_eq!(
        open("sample", Split::Test, OnBadImage::Skip).unwrap().len(),
        500
    );
    assert!(has_own_test("sample"));
}

#[test]
fn what_is_not_there_is_refused_with_a_list_of_what_can_be() {
    let text = refusal("no/such/place", Split::Train);
    assert!(
        text.contains("no/such/place") && text.contains("`sample`") && text.contains("`cifar10`"),
        "{text}"
    );
    let dir = TempDir::new("file");
    dir.write("set.zip", b"x");
    let text = refusal(dir.0.join("set.zip").to_str().unwrap(), Split::Train);
    assert!(
        text.contains("set.zip is a file") && text.contains("Unpack"),
        "{text}"
    );
}

#[test]
fn train_and_val_beside_each_other_are_two_parts() {
    let dir = TempDir::new("parts");
    for (path, colour) in [
        ("train/a/1.png", 1),
        ("train/b/2.png", 2),
        ("train/b/3.png", 3),
    ] {
        dir.write(path, &image(image::ImageFormat::Png, colour));
    }
    assert!(refusal(dir.spec(), Split::Test).contains("neither `val` nor `test`"));
    for path in ["val/a/1.png", "val/b/2.png"] {
        dir.write(path, &image(image::ImageFormat::Png, 9));
    }
    assert!(has_own_test(dir.spec()));
    assert_eq!(
        open(dir.spec(), Split::Train, OnBadImage::Error)
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        open(dir.spec(), Split::Test, OnBadImage::Error)
            .unwrap()
            .len(),
        2
    );
    // The folder of a split can be opened by itself.
    let val = dir.0.join("val");
    assert_eq!(
        open(val.to_str().unwrap(), Split::Test, OnBadImage::Error)
            .unwrap()
            .len(),
        2
    );
    assert!(!has_own_test(val.to_str().unwrap()));
}

#[test]
fn a_class_may_be_called_train() {
    let dir = TempDir::new("train-class");
    dir.write("train/1.png", &image(image::ImageFormat::Png, 1));
    dir.write("boat/1.png", &image(image::ImageFormat::Png, 2));
    let source = open(dir.spec(), Split::Train, OnBadImage::Error).unwrap();
    assert_eq!(source.classes(), ["boat", "train"]);
}

#[test]
fn what_is_skipped_is_reported() {
    let dir = TempDir::new("told");
    for (path, bytes) in [
        ("a/1.jpg", image(image::ImageFormat::Jpeg, 1)),
        ("a/2.jpg", b"broken".to_vec()),
    ] {
        dir.write(path, &bytes);
    }
    dir.write("b/3.PNG", &image(image::ImageFormat::Png, 3));
    dir.write("b/notes.txt", b"hello");
    let opened = open_with_report(
        dir.spec(),
        Split::Train,
        OnBadImage::Skip,
        &Progress::hidden(),
    )
    .unwrap();
    let mut text = Vec::new();
    report(&opened, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("skipped 1 of 3 images"), "{text}");
    assert!(
        text.contains("2.jpg") && text.contains("1 file (.txt)"),
        "{text}"
    );
}
