use super::*;

fn voc(objects: &[(&str, [u32; 4])]) -> VocAnnotation {
    let objects: String = objects
        .iter()
        .map(|(name, [a, b, c, d])| {
            format!(
                "<object><name>{name}</name><difficult>1</difficult><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>\
                 <xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            )
        })
        .collect();
    let text = format!(
        "<annotation><size><width>30</width><height>20</height></size>{objects}</annotation>"
    );
    VocAnnotation::parse("a.xml", &text).unwrap()
}

fn coco(annotations: &str) -> CocoDataset {
    let text = format!(
        r#"{{"images": [{{"id": 9, "width": 40, "height": 30, "file_name": "a/b.jpg"}},
            {{"id": 4, "width": 20, "height": 10, "file_name": "c.jpg"}}],
            "categories": [{{"id": 18, "name": "dog"}}, {{"id": 3, "name": "car"}}], "annotations": [{annotations}]}}"#
    );
    CocoDataset::parse("x.json", text.as_bytes()).unwrap()
}

#[test]
fn voc_boxes_begin_at_zero_and_difficult_objects_stay() {
    let list = [
        (
            "000002".to_string(),
            voc(&[("dog", [1, 2, 30, 20]), ("cat", [5, 5, 5, 9])]),
        ),
        ("000001".to_string(), voc(&[])),
    ];
    let set = DetectionSet::of_voc("d", &list, None).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    assert_eq!(set.images[0].id, "000002");
    assert_eq!(set.images[0].file, "JPEGImages/000002.jpg");
    assert_eq!(set.images[0].size, Some((30, 20)));
    let [dog, cat] = &set.images[0].instances[..] else {
        panic!()
    };
    assert_eq!((dog.corners, dog.class), ([0.0, 1.0, 30.0, 20.0], 1));
    // A single column of pixels.
    assert_eq!((cat.corners, cat.class), ([4.0, 4.0, 5.0, 9.0], 0));
    assert_eq!(set.class_counts(), [1, 1]);
    let set = set.for_training();
    assert_eq!(set.images.len(), 1);
}

#[test]
fn voc_names_and_classes_are_checked() {
    let of = |list: &[(String, VocAnnotation)], classes: Option<&[String]>| {
        DetectionSet::of_voc("set", list, classes)
            .unwrap_err()
            .to_string()
    };
    let dog = || voc(&[("dog", [1, 1, 2, 2])]);
    let classes = ["cat".to_string(), "cow".to_string()];
    assert_eq!(
        of(&[("7".to_string(), dog())], Some(&classes)),
        "set: Annotations/7.xml: object 1 has the class 'dog', which is none of the model's: cat, cow"
    );
    let twice = [("7".to_string(), dog()), ("7".to_string(), dog())];
    assert_eq!(of(&twice, None), "set: 7: is listed twice; list it once");
    for bad in ["../7", "/etc/x", "a/../../b", "C:\\x"] {
        let found = of(&[(bad.to_string(), dog())], None);
        assert!(found.contains("leads out of"), "{found}");
    }
}

#[test]
fn coco_classes_follow_their_ids_and_crowds_are_for_testing() {
    let dataset = coco(
        r#"{"id": 1, "image_id": 9, "category_id": 18, "bbox": [1.5, 2, 3, 4.25], "area": 4, "iscrowd": 0,
            "segmentation": [[0, 0, 1, 1], [0, 0, 4, 0, 4, 4], [1, 2, 3, 4, 5, 6, 7]]},
           {"id": 2, "image_id": 4, "category_id": 3, "bbox": [0, 0, 3, 4], "area": 4, "iscrowd": 1,
            "segmentation": {"size": [10, 20], "counts": [0, 200]}},
           {"id": 3, "image_id": 9, "category_id": 3, "bbox": [0, 0, 3, 4], "area": 4, "segmentation": [[1, 2, 3, 4]]},
           {"id": 4, "image_id": 9, "category_id": 3, "bbox": [0, 0, 0, 0], "area": 0, "segmentation": []}"#,
    );
    let set = DetectionSet::of_coco("x.json", &dataset, true).unwrap();
    assert_eq!(set.classes, ["car", "dog"]);
    let [first, second] = &set.images[..] else {
        panic!()
    };
    assert_eq!((first.id.as_str(), first.file.as_str()), ("9", "a/b.jpg"));
    assert_eq!(first.size, Some((40, 30)));
    // The third object has no usable polygon, the fourth none at all.
    let [dog, car] = &first.instances[..] else {
        panic!("{first:?}")
    };
    assert_eq!((dog.class, dog.corners), (1, [1.5, 2.0, 4.5, 6.25]));
    assert_eq!(dog.polygons, [vec![0.0, 0.0, 4.0, 0.0, 4.0, 4.0]]);
    assert!(car.polygons.is_empty() && car.class == 0);
    assert!(second.instances[0].crowd);
    assert_eq!(set.class_counts(), [2, 1]);
    let trained = set.for_training();
    assert_eq!(trained.images.len(), 1, "the other image has only a crowd");
    let boxes = DetectionSet::of_coco("x.json", &dataset, false).unwrap();
    assert!(boxes.images[0].instances[0].polygons.is_empty());
    assert_eq!(boxes.images[0].instances.len(), 2);
}

#[test]
fn coco_errors_name_file_and_field() {
    let of = |dataset: &CocoDataset| {
        DetectionSet::of_coco("x.json", dataset, true)
            .unwrap_err()
            .to_string()
    };
    let found = of(&coco(
        r#"{"id": 5, "image_id": 9, "category_id": 3, "bbox": [5, 5, -1, 2], "area": 1}"#,
    ));
    assert_eq!(
        found,
        "x.json: annotation 5: bbox has the sides -1 and 2; x, y, width, height are needed"
    );
    let found = of(&coco(
        r#"{"id": 6, "image_id": 9, "category_id": 3, "bbox": [5, 5, 1, 2], "area": 1,
            "segmentation": {"size": [30, 40], "counts": "0<"}}"#,
    ));
    assert!(
        found.contains("annotation 6: segmentation is given as run lengths"),
        "{found}"
    );
    let mut dataset = coco("");
    dataset.images[1].file_name = "a/b.jpg".to_string();
    assert_eq!(
        of(&dataset),
        "x.json: two images have the file_name 'a/b.jpg'"
    );
    dataset.images[1].file_name = "../c.jpg".to_string();
    assert!(of(&dataset).contains("image 4: file_name '../c.jpg' leads out of"));
    dataset.images[1].file_name = String::new();
    assert_eq!(of(&dataset), "x.json: image 4: file_name is missing");
    let mut dataset = coco("");
    dataset.images[0].width = 0;
    assert_eq!(
        of(&dataset),
        "x.json: image 9: width and height are 0 and 30"
    );
}

#[test]
fn hostile_texts_are_errors() {
    let deep = |open: &str, close: &str, times| open.repeat(times) + &close.repeat(times);
    let xml = deep("<annotation>", "</annotation>", 200_000);
    assert!(
        VocAnnotation::parse("a.xml", &xml)
            .unwrap()
            .objects
            .is_empty()
    );
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><annotation>&c;</annotation>";
    let error = VocAnnotation::parse("a.xml", bomb).unwrap_err().to_string();
    assert!(error.contains("a.xml: not valid XML"), "{error}");
    let json = deep("[", "]", 200_000);
    assert!(CocoDataset::parse("x.json", json.as_bytes()).is_err());
    let json = format!(
        r#"{{"images": [], "categories": [], "annotations": [{{"id": 1, "segmentation": {json}}}]}}"#
    );
    assert!(CocoDataset::parse("x.json", json.as_bytes()).is_err());
    for text in [
        "",
        "{",
        "null",
        "[]",
        r#"{"images": 1, "categories": []}"#,
        "\u{0}",
    ] {
        assert!(
            CocoDataset::parse("x.json", text.as_bytes()).is_err(),
            "{text}"
        );
    }
    let huge = r#"{"images": [{"id": 1e400, "width": 1, "height": 1}], "categories": []}"#;
    assert!(CocoDataset::parse("x.json", huge.as_bytes()).is_err());
}
