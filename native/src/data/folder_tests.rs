use std::borrow::Cow;
use std::sync::Arc;

use image::ImageFormat::{Jpeg, Png, WebP};

use parallax_data::{DataError, Source};
use rayon::prelude::*;

use super::*;
use crate::data::progress::Progress;
use crate::data::tests::{TempDir, image};
use crate::data::{OnBadImage, Opened};
use crate::usage::BadArgument;

fn open(dir: &TempDir, on_bad: OnBadImage) -> anyhow::Result<Opened> {
    super::open(&dir.0)?.checked(on_bad, &Progress::hidden())
}

fn refusal(dir: &TempDir) -> String {
    let error = open(dir, OnBadImage::Error).map(|_| ()).unwrap_err();
    assert!(error.is::<BadArgument>(), "{error}");
    let text = error.to_string();
    assert!(text.contains(dir.spec()), "{text}");
    text
}

/// Three good images and two broken ones: the end is missing, and not an image at all.
fn partly_broken(name: &str) -> TempDir {
    let dir = TempDir::new(name);
    dir.write("a/1.jpg", &image(Jpeg, 10));
    let whole = image(Jpeg, 20);
    dir.write("a/2.jpg", &whole[..whole.len() - 3]);
    dir.write("b/1.png", &image(Png, 30));
    dir.write("b/2.webp", &image(WebP, 40));
    dir.write("b/3.png", b"<html>404</html>");
    dir
}

#[test]
fn classes_and_files_are_sorted() {
    let dir = TempDir::new("sorted");
    for (path, colour) in [
        ("dog/10.PNG", 4),
        ("cat/b.png", 2),
        ("dog/9/x.png", 5),
        ("cat/a.png", 1),
        ("cat/c.Png", 3),
    ] {
        dir.write(path, &image(Png, colour));
    }
    dir.write("cat/.hidden.png", b"");
    dir.write(".cache/x.png", b"");
    dir.write("cat/readme.txt", b"");
    dir.write("LICENSE", b"");
    let opened = open(&dir, OnBadImage::Error).unwrap();
    let source = &opened.source;
    assert_eq!(source.classes(), ["cat", "dog"]);
    assert_eq!(
        (0..5).map(|i| source.label(i)).collect::<Vec<_>>(),
        [0, 0, 0, 1, 1]
    );
    assert_eq!(
        (0..5)
            .map(|i| source.image(i).unwrap().data[0])
            .collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(
        opened.ignored.as_deref(),
        Some("2 files (.txt, beside the class folders)")
    );
    assert!(opened.skipped.is_empty());
    // The second look finds the kept image.
    assert!(matches!(source.image(0).unwrap(), Cow::Borrowed(_)));
    assert!(matches!(
        source.image(5),
        Err(DataError::Index {
            index: 5,
            last: 4,
            ..
        })
    ));
}

#[test]
fn images_without_class_folders_are_one_class() {
    let dir = TempDir::new("flat");
    dir.write("1.png", &image(Png, 1));
    dir.write("2.jpeg", &image(Jpeg, 2));
    let source = open(&dir, OnBadImage::Error).unwrap().source;
    assert_eq!(
        (source.classes(), source.class_counts()),
        (&[UNLABELLED.to_string()][..], vec![2])
    );
}

#[test]
fn folders_that_cannot_be_trained_on_say_what_to_do() {
    let dir = TempDir::new("empty");
    assert!(refusal(&dir).contains("has no images; it needs one folder for each class"));
    dir.write("a/1.png", &image(Png, 1));
    assert!(refusal(&dir).contains("holds 1 image(s); training needs at least 2"));
    dir.write("b/notes.txt", b"");
    assert!(refusal(&dir).contains("b has no JPEG, PNG or WebP images; add some or remove it"));
}

#[test]
fn a_broken_image_is_an_error_that_names_it() {
    let dir = partly_broken("error");
    let text = open(&dir, OnBadImage::Error)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("3.png") && text.contains("--on-bad-image skip"),
        "{text}"
    );
    // What the header does not show is found when the image is asked for.
    std::fs::remove_file(dir.0.join("b/3.png")).unwrap();
    let source = open(&dir, OnBadImage::Error).unwrap().source;
    let text = source.image(1).unwrap_err().to_string();
    assert!(
        text.contains("2.jpg") && text.contains("the file ends after"),
        "{text}"
    );
    assert!(source.image(0).is_ok() && source.image(2).is_ok());
}

#[test]
fn broken_images_are_skipped_counted_and_named() {
    let dir = partly_broken("skip");
    let opened = open(&dir, OnBadImage::Skip).unwrap();
    let names: Vec<_> = opened
        .skipped
        .iter()
        .map(|bad| Path::new(&bad.image).strip_prefix(&dir.0).unwrap())
        .collect();
    assert_eq!(names, [Path::new("a/2.jpg"), Path::new("b/3.png")]);
    assert!(opened.skipped[0].reason.contains("2.jpg"));
    assert_eq!(opened.source.class_counts(), [1, 2]);
    assert!((0..3).all(|index| opened.source.image(index).is_ok()));
}

#[test]
fn skipping_all_is_an_error() {
    let dir = TempDir::new("all-broken");
    dir.write("a/1.png", b"x");
    dir.write("a/2.png", &image(Png, 1));
    let text = open(&dir, OnBadImage::Skip)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("1 of 2 images cannot be read") && text.contains("1.png"),
        "{text}"
    );
}

#[test]
fn a_file_that_goes_away_is_named() {
    let dir = TempDir::new("gone");
    dir.write("a/1.png", &image(Png, 1));
    dir.write("a/2.png", &image(Png, 2));
    let source = open(&dir, OnBadImage::Error).unwrap().source;
    std::fs::remove_file(dir.0.join("a/2.png")).unwrap();
    assert!(
        matches!(source.image(1), Err(DataError::Read { name, .. }) if name.ends_with("2.png"))
    );
}

#[test]
fn several_threads_may_ask_at_once() {
    let dir = TempDir::new("threads");
    for i in 0..20 {
        dir.write(&format!("a/{i:02}.png"), &image(Png, i));
    }
    let source: Arc<dyn Source> = open(&dir, OnBadImage::Error).unwrap().source;
    (0..200usize).into_par_iter().for_each(|i| {
        assert_eq!(source.image(i % 20).unwrap().data[0] as usize, i % 20);
    });
}

#[test]
fn a_large_folder_opens_by_its_index_until_it_changes() {
    let dir = TempDir::new("index");
    for path in ["a/1.png", "b/x/2.png", "b/x.txt"] {
        dir.write(path, &image(Png, 1));
    }
    let open = || open_indexed(&dir.0, 2, Duration::ZERO).unwrap();
    let paths = |files: &Files| files.paths().unwrap();
    assert!(index::load::<Index>(KIND, &dir.0).is_none());
    let listed = open();
    assert!(index::load::<Index>(KIND, &dir.0).is_some());
    let again = open();
    assert_eq!(paths(&again), paths(&listed));
    assert_eq!(again.classes(), listed.classes());
    assert_eq!((again.label(0), again.label(1)), (0, 1));
    assert_eq!(again.ignored(), Some("1 file (.txt)"));
    // A file that comes, goes or is renamed changes its folder, however deep.
    dir.write("b/x/3.png", &image(Png, 2));
    assert_eq!(open().len(), 3);
    std::fs::rename(dir.0.join("b/x/3.png"), dir.0.join("b/x/0.png")).unwrap();
    assert!(paths(&open())[1].ends_with("b/x/0.png"));
    dir.write("c/4.png", &image(Png, 2));
    assert_eq!(open().classes(), ["a", "b", "c"]);
    forget(&dir.0);
    assert!(index::load::<Index>(KIND, &dir.0).is_none());
    // A folder that has just changed is listed again the next time.
    open_indexed(&dir.0, 2, Duration::from_secs(60)).unwrap();
    assert!(index::load::<Index>(KIND, &dir.0).is_none());
}
