use std::sync::Arc;

use image::ImageFormat::Png;
use parallax_data::Source;

use super::*;
use crate::data::tests::{TempDir, image};
use crate::data::{OnBadImage, Opened, has_own_test, open_with_report};
use crate::usage::BadArgument;

fn spec(dir: &TempDir, list: &str) -> String {
    format!("list:{}/{list}", dir.spec())
}

fn open_list(dir: &TempDir, on_bad: OnBadImage) -> Result<Opened> {
    open_with_report(
        &spec(dir, "l.txt"),
        Split::Train,
        on_bad,
        &Progress::hidden(),
    )
}

fn source(dir: &TempDir) -> Arc<dyn Source> {
    open_list(dir, OnBadImage::Error).unwrap().source
}

fn refusal(dir: &TempDir, list: &str) -> String {
    dir.write("l.txt", list.as_bytes());
    let error = open_list(dir, OnBadImage::Error).map(|_| ()).unwrap_err();
    assert!(error.is::<BadArgument>(), "{error}");
    error.to_string()
}

#[test]
fn files_have_the_class_of_their_folder_or_of_their_line() {
    let dir = TempDir::new("list");
    for (path, colour) in [("in/dog/1.png", 1), ("in/cat/2.png", 2), ("3", 3)] {
        dir.write(path, &image(Png, colour));
    }
    let absolute = dir.0.join("in/dog/1.png");
    let list = format!("in/cat/2.png\n{}\n3\tdog\n", absolute.display());
    dir.write("l.txt", list.as_bytes());
    let source = source(&dir);
    assert_eq!(source.classes(), ["cat", "dog"]);
    let label = |index| source.label(index);
    let colour = |index| source.image(index).unwrap().data[0];
    assert_eq!([label(0), label(1), label(2)], [0, 1, 1]);
    assert_eq!([colour(0), colour(1), colour(2)], [2, 1, 3]);
    assert_eq!((source.len(), source.full_len()), (3, 3));
    assert!(!has_own_test(&spec(&dir, "l.txt")));
}

#[test]
fn indices_are_of_the_split_that_the_first_line_names() {
    let dir = TempDir::new("list-indices");
    let whole = named("sample", Split::Test).unwrap().unwrap();
    let of = |class| (0..500).find(|&index| whole.label(index) == class).unwrap();
    let (ship, bird) = (of(8), of(2));
    let list = format!("# parallax list: images=500 split=test source=sample\n{ship}\n{bird}\n");
    dir.write("l.txt", list.as_bytes());
    let source = source(&dir);
    assert_eq!(source.classes(), ["bird", "ship"]);
    assert_eq!((source.label(0), source.label(1)), (1, 0));
    assert_eq!(source.image(0).unwrap(), whole.image(ship).unwrap());
    assert_eq!((source.len(), source.full_len()), (2, 500));
}

#[test]
fn broken_lists_are_refused_by_file_and_line() {
    let dir = TempDir::new("list-broken");
    dir.write("a/1.png", &image(Png, 1));
    let text = refusal(&dir, "a/1.png\n\na/2.png\n");
    assert!(
        text.contains("l.txt line 3: there is no file") && text.contains("relative to the list"),
        "{text}"
    );
    let text = refusal(&dir, "# parallax list: source=sample\n3\n2000\n");
    assert!(
        text.contains("l.txt line 3: there is no image 2000") && text.contains("1999"),
        "{text}"
    );
    let text = refusal(&dir, "# parallax list: source=imagenet\n3\n");
    assert!(
        text.contains("line 1") && text.contains("no data set imagenet"),
        "{text}"
    );
    let text = refusal(&dir, "1.png\n");
    assert!(
        text.contains("l.txt line 1: '1.png' is in no folder"),
        "{text}"
    );
    let text = refusal(&dir, "a/1.png\n");
    assert!(text.contains("training needs at least 2"), "{text}");
    let missing = read(Path::new("no/list.txt"), &Progress::hidden());
    let text = missing.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("no list no/list.txt"), "{text}");
}

#[test]
fn damaged_images_are_named_with_their_line_or_skipped() {
    let dir = TempDir::new("list-damaged");
    for (path, bytes) in [
        ("a/1.png", image(Png, 1)),
        ("b/2.png", b"broken".to_vec()),
        ("b/3.png", image(Png, 3)),
    ] {
        dir.write(path, &bytes);
    }
    dir.write("l.txt", b"a/1.png\nb/2.png\nb/3.png\n");
    let error = open_list(&dir, OnBadImage::Error).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("l.txt line 2") && text.contains("2.png"),
        "{text}"
    );
    let opened = open_list(&dir, OnBadImage::Skip).unwrap();
    assert!(opened.skipped[0].reason.contains("l.txt line 2"));
    assert_eq!(opened.source.class_counts(), [1, 1]);
    // A file that goes away later is named with the line that it has in the list.
    fs::remove_file(dir.0.join("b/3.png")).unwrap();
    let text = opened.source.image(1).unwrap_err().to_string();
    assert!(text.contains("l.txt line 3"), "{text}");
}

#[test]
fn paths_are_relative_to_the_list() {
    let dir = TempDir::new("relative");
    for path in ["in/a/1.png", "lists/x"] {
        dir.write(path, b"");
    }
    let file = dir.0.join("in/a/1.png");
    let from = |folder: &str| {
        let mut relative = Relative::to(&dir.0.join(folder)).unwrap();
        relative.path(&file).unwrap()
    };
    assert_eq!(from("lists"), "../in/a/1.png");
    assert_eq!(from("in"), "a/1.png");
    assert_eq!(from("in/a"), "1.png");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.0.join("in/a"), dir.0.join("link")).unwrap();
        assert_eq!(from("link"), "1.png");
        let mut relative = Relative::to(&dir.0.join("lists")).unwrap();
        let linked = relative.path(&dir.0.join("link/1.png")).unwrap();
        assert_eq!(linked, "../in/a/1.png");
    }
}
