use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, RgbImage};

use super::*;
use crate::data::progress::Progress;
use crate::data::tests::TempDir;
use crate::usage::BadArgument;

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn png(path: &Path, width: u32, height: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::new(width, height).save(path).unwrap();
}

fn xml(objects: &str) -> String {
    format!("<annotation><size><width>6</width><height>4</height></size>{objects}</annotation>")
}

fn object(name: &str) -> String {
    format!(
        "<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>"
    )
}

/// Two images with an object, one without.
fn voc_folder(root: &Path) {
    write(&root.join("ImageSets/Main/train.txt"), "b\na 1\nc -1\n");
    for (name, objects) in [
        ("a", object("dog")),
        ("b", object("cat")),
        ("c", String::new()),
    ] {
        write(
            &root.join(format!("Annotations/{name}.xml")),
            &xml(&objects),
        );
        // The content says what a file is, not its name.
        let image = root.join(format!("JPEGImages/{name}.jpg"));
        png(&image.with_extension("png"), 6, 4);
        fs::rename(image.with_extension("png"), image).unwrap();
    }
}

fn detection(argument: &str, purpose: Purpose<'_>) -> (String, bool) {
    let error = DetectionFolder::open(argument, purpose).err().unwrap();
    (format!("{error:#}"), error.is::<BadArgument>())
}

const TRAIN: Purpose<'static> = Purpose::Train { masks: false };

#[test]
fn voc_folders_are_opened_and_empty_images_left_out() {
    let scratch = TempDir::new("voc");
    voc_folder(&scratch.0);
    let argument = format!("voc:{}:train", scratch.0.display());
    let opened = DetectionFolder::open(&argument, TRAIN).unwrap();
    assert_eq!(opened.classes, ["cat", "dog"]);
    let ids: Vec<&str> = opened
        .images
        .iter()
        .map(|image| image.id.as_str())
        .collect();
    assert_eq!((ids, opened.left_out), (vec!["b", "a"], 1));
    assert_eq!(opened.sizes(), [(6, 4), (6, 4)]);
    assert_eq!(opened.image(1).unwrap().width, 6);
    let classes = opened.classes;
    let opened = DetectionFolder::open(
        &argument,
        Purpose::Test {
            classes: Some(&classes),
        },
    )
    .unwrap();
    assert_eq!((opened.images.len(), opened.left_out), (3, 0));
    let Truth::Voc(truth) = opened.truth else {
        panic!()
    };
    assert_eq!(truth.len(), 3);
    // Two folders in a row.
    let root = scratch.0.display();
    let opened = DetectionFolder::open(&format!("voc:{root}:train,{root}:train"), TRAIN);
    assert_eq!(opened.unwrap().images.len(), 4);
}

#[test]
fn voc_errors_name_file_and_field() {
    let scratch = TempDir::new("voc-errors");
    let root = &scratch.0;
    let argument = format!("voc:{}:train", root.display());
    let (message, usage) = detection(&argument, TRAIN);
    assert!(usage && message.contains("ImageSets"), "{message}");
    voc_folder(root);
    let (message, usage) = detection(&format!("voc:{}:val", root.display()), TRAIN);
    assert!(usage && message.ends_with("there are train"), "{message}");
    let classes = ["dog".to_string()];
    let (message, _) = detection(
        &argument,
        Purpose::Test {
            classes: Some(&classes),
        },
    );
    assert!(
        message.contains("b.xml: object 1 has the class 'cat'"),
        "{message}"
    );

    write(
        &root.join("Annotations/a.xml"),
        &xml(&object("dog").replace("4", "x")),
    );
    let (message, _) = detection(&argument, TRAIN);
    assert!(
        message.contains("a.xml: object 1: <ymax> is 'x'"),
        "{message}"
    );
    write(
        &root.join("Annotations/a.xml"),
        &xml(&object("dog")).replace(">6<", ">7<"),
    );
    let (message, usage) = detection(&argument, TRAIN);
    assert!(
        !usage && message.contains("a.jpg: has 6 x 4 pixels"),
        "{message}"
    );
    fs::remove_file(root.join("JPEGImages/a.jpg")).unwrap();
    let (message, _) = detection(&argument, TRAIN);
    assert!(message.contains("a.jpg: cannot be read"), "{message}");
    fs::remove_file(root.join("Annotations/a.xml")).unwrap();
    let (message, _) = detection(&argument, TRAIN);
    assert!(
        message.contains("listed by") && message.contains("a.xml"),
        "{message}"
    );
    write(&root.join("ImageSets/Main/train.txt"), "c\n");
    let (message, usage) = detection(&argument, TRAIN);
    assert!(
        usage && message.contains("no image with an object"),
        "{message}"
    );
    write(&root.join("ImageSets/Main/train.txt"), "\n");
    assert!(detection(&argument, TRAIN).0.contains("lists no image"));
}

#[test]
fn coco_folders_are_opened_and_checked() {
    let scratch = TempDir::new("coco");
    let (images, json) = (scratch.0.join("images"), scratch.0.join("x.json"));
    let argument = format!("coco:{}:{}", images.display(), json.display());
    let (message, usage) = detection(&argument, TRAIN);
    assert!(usage && message.contains("images"), "{message}");
    png(&images.join("a.png"), 6, 4);
    png(&images.join("unlisted.png"), 6, 4);
    let (message, usage) = detection(&argument, TRAIN);
    assert!(
        usage && message.contains("x.json does not exist"),
        "{message}"
    );
    let text = r#"{"images": [{"id": 3, "file_name": "a.png", "width": 6, "height": 4}],
        "categories": [{"id": 2, "name": "dog"}], "annotations": [
        {"id": 1, "image_id": 3, "category_id": 2, "bbox": [1, 1, 2, 2], "area": 2, "segmentation": [[1, 1, 3, 1, 3, 3]]}]}"#;
    write(&json, text);
    let opened = DetectionFolder::open(&argument, Purpose::Train { masks: true }).unwrap();
    assert_eq!((opened.images.len(), opened.sizes()), (1, &[(6, 4)][..]));
    assert_eq!(opened.images[0].instances[0].polygons.len(), 1);
    let classes = ["cat".to_string()];
    let (message, usage) = detection(
        &argument,
        Purpose::Test {
            classes: Some(&classes),
        },
    );
    assert!(usage && message.contains("differ: "), "{message}");
    write(&json, &text.replace("\"width\": 6", "\"width\": 5"));
    let (message, _) = detection(&argument, TRAIN);
    assert!(
        message.contains("a.png: has 6 x 4 pixels, but width and height"),
        "{message}"
    );
    write(&json, &text.replace("a.png", "b.png"));
    let (message, _) = detection(&argument, TRAIN);
    assert!(message.contains("b.png: cannot be read"), "{message}");
    write(&json, &text.replace("\"image_id\": 3", "\"image_id\": 4"));
    let (message, _) = detection(&argument, TRAIN);
    assert!(
        message.contains("x.json: annotation 1 has the image_id 4"),
        "{message}"
    );
    let (message, _) = detection("cityscapes:a:b", TRAIN);
    assert!(message.contains("no boxes"), "{message}");
}

/// An image and a map whose every id is `id`.
fn frame(root: &Path, name: &str, size: (u32, u32), id: u8) {
    png(
        &root.join(format!("leftImg8bit/val/ulm/{name}_leftImg8bit.png")),
        6,
        4,
    );
    let map = root.join(format!("gtFine/val/ulm/{name}_gtFine_labelTrainIds.png"));
    fs::create_dir_all(map.parent().unwrap()).unwrap();
    let map_image = GrayImage::from_pixel(size.0, size.1, image::Luma([id]));
    map_image.save(map).unwrap();
}

#[test]
fn cityscapes_folders_are_opened_and_checked() {
    let scratch = TempDir::new("cityscapes");
    let root = &scratch.0;
    let argument = format!("cityscapes:{}:val", root.display());
    let fails = |argument: &str| {
        let error = SegmentationFolder::open(argument).err().unwrap();
        format!("{error:#}")
    };
    assert!(fails(&argument).contains("leftImg8bit"));
    frame(root, "ulm_000001_000019", (6, 4), 18);
    frame(root, "ulm_000000_000019", (6, 4), 255);
    let opened = SegmentationFolder::open(&argument).unwrap();
    assert_eq!((opened.len(), opened.id(0)), (2, "ulm_000000_000019"));
    assert_eq!(opened.labels(1).unwrap().ids, [18; 24]);
    assert_eq!(opened.image(1).unwrap().height, 4);
    assert_eq!(SegmentationFolder::classes().len(), 19);
    assert!(fails(&argument.replace(":val", ":train")).ends_with("there are val"));
    assert!(fails("voc:a:b").contains("no label maps"));

    frame(root, "ulm_000001_000019", (4, 6), 18);
    let message = fails(&argument);
    assert!(
        message.contains("ulm_000001_000019_gtFine_labelTrainIds.png: has 4 x 6"),
        "{message}"
    );
    frame(root, "ulm_000001_000019", (6, 4), 33);
    let message = fails(&argument);
    assert!(
        message.contains("has the id 33; train ids are 0 to 18"),
        "{message}"
    );
    fs::remove_dir_all(root.join("gtFine")).unwrap();
    assert!(fails(&argument).contains("has no map"));
}

/// The real sets, which are not part of the repository: `PARALLAX_DATA_SETS`, or `shared/data` beside it.
fn real(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("PARALLAX_DATA_SETS").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!(
        "not tested with real images: {} is missing (PARALLAX_DATA_SETS names its folder)",
        path.display()
    );
    None
}

fn counts(opened: &DetectionFolder) -> Vec<usize> {
    let mut counts = vec![0; opened.classes.len()];
    let instances = opened.images.iter().flat_map(|image| &image.instances);
    instances.for_each(|instance| counts[instance.class] += 1);
    counts
}

#[test]
fn bccd_has_the_counts_of_its_description() {
    let Some(root) = real("bccd") else { return };
    for (split, images, expected) in [
        ("train", 205, [209, 2382, 214]),
        ("val", 87, [83, 968, 87]),
        ("trainval", 292, [292, 3350, 301]),
        ("test", 72, [69, 805, 71]),
    ] {
        let opened = DetectionFolder::open(&format!("voc:{}:{split}", root.display()), TRAIN);
        let opened = opened.unwrap();
        assert_eq!(opened.classes, ["Platelets", "RBC", "WBC"]);
        assert_eq!((opened.images.len(), opened.left_out), (images, 0));
        assert_eq!(counts(&opened), expected, "{split}");
        assert!(opened.sizes().iter().all(|&size| size == (640, 480)));
    }
}

#[test]
fn coco128_has_the_counts_of_its_description() {
    let Some(root) = real("coco128") else { return };
    for (split, empty, all, crowds, classes) in
        [("train2017", 2, 746, 6, 69), ("val2017", 0, 712, 5, 72)]
    {
        let root = root.display();
        let argument = format!("coco:{root}/{split}:{root}/annotations/instances_{split}.json");
        let trained = DetectionFolder::open(&argument, Purpose::Train { masks: true }).unwrap();
        assert_eq!(trained.classes.len(), 80);
        assert_eq!(
            (trained.images.len(), trained.left_out),
            (100 - empty, empty)
        );
        assert_eq!(counts(&trained).iter().sum::<usize>(), all - crowds);
        let polygons = trained.images.iter().flat_map(|image| &image.instances);
        assert!(
            polygons
                .clone()
                .all(|instance| !instance.polygons.is_empty())
        );
        let purpose = Purpose::Test {
            classes: Some(&trained.classes),
        };
        let tested = DetectionFolder::open(&argument, purpose).unwrap();
        assert_eq!(tested.images.len(), 100);
        assert_eq!(counts(&tested).iter().sum::<usize>(), all);
        let present = counts(&tested).iter().filter(|&&count| count > 0).count();
        assert_eq!(present, classes);
    }
}

#[test]
fn camvid_has_the_counts_of_its_description() {
    let Some(root) = real("camvid") else { return };
    for (split, images) in [("train", 80), ("val", 24), ("test", 24)] {
        let argument = format!("cityscapes:{}:{split}", root.display());
        let opened = SegmentationFolder::open(&argument).unwrap();
        assert_eq!(opened.len(), images);
        assert!(opened.sizes().iter().all(|&size| size == (480, 360)));
        if split == "train" {
            let mut pixels = [0u64; 256];
            for index in 0..images {
                let map = opened.labels(index).unwrap();
                map.ids.iter().for_each(|&id| pixels[usize::from(id)] += 1);
            }
            let all: u64 = pixels.iter().sum();
            let percent = |id: usize| (pixels[id] as f64 / all as f64 * 1000.0).round() / 10.0;
            assert_eq!([0, 1, 13, 255].map(percent), [31.5, 4.6, 6.0, 4.0]);
            let present = (0..19).filter(|&id| pixels[id] > 0).count();
            assert_eq!(present, 11);
        }
    }
}

#[test]
fn summaries_fit_a_terminal() {
    let scratch = TempDir::new("summary");
    voc_folder(&scratch.0);
    let argument = format!("voc:{}:train", scratch.spec());
    let summary = Summary::of(&argument, &Progress::hidden()).unwrap();
    let text = summary.to_string();
    let (_, text) = text.split_once('\n').unwrap();
    assert_eq!(
        text,
        "  3 images, 2 objects\n  not trained on: 1 images without objects, 0 crowds\n  6 x 4 pixels\n  cat 1, dog 1\n"
    );
    assert_eq!(summary.json()["classes"][1]["objects"], 1);
    frame(&scratch.0, "ulm_000000_000019", (6, 4), 255);
    let argument = format!("cityscapes:{}:val", scratch.spec());
    let summary = Summary::of(&argument, &Progress::hidden()).unwrap();
    assert!(
        summary.to_string().ends_with("  ignored 100.0 %\n"),
        "{summary}"
    );
    assert!(is_annotated(&argument) && !is_annotated("sample"));
}
