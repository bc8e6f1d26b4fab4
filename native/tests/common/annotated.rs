//! Small annotated sets of drawn images.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

/// Eight images with a bright rectangle each, in the layouts of VOC and of COCO.
pub fn boxes(root: &Path) {
    for folder in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let (mut names, mut images, mut annotations) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..8u32 {
        let (width, height) = if number % 2 == 0 { (64, 48) } else { (48, 64) };
        let (x, y) = (4 + 3 * number, 6 + 2 * number);
        let (w, h) = (16 + number, 20);
        let red = number % 2 == 0;
        let mut image = RgbImage::from_fn(width, height, |x, y| {
            Rgb([40, 50, ((x * 7 + y * 5) % 60) as u8])
        });
        for (column, row) in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            if column < width && row < height {
                image.put_pixel(
                    column,
                    row,
                    if red {
                        Rgb([220, 30, 30])
                    } else {
                        Rgb([30, 220, 30])
                    },
                );
            }
        }
        let name = format!("{number:06}");
        let file = root.join(format!("JPEGImages/{name}.png"));
        image.save(&file).unwrap();
        // The content says what a file is, not its name.
        fs::rename(&file, root.join(format!("JPEGImages/{name}.jpg"))).unwrap();
        let (x2, y2) = ((x + w).min(width), (y + h).min(height));
        let class = if red { "red" } else { "green" };
        let text = format!(
            "<annotation><size><width>{width}</width><height>{height}</height></size><object><name>{class}</name>\
             <bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>",
            x + 1,
            y + 1
        );
        fs::write(root.join(format!("Annotations/{name}.xml")), text).unwrap();
        images.push(format!(
            r#"{{"id": {number}, "file_name": "{name}.jpg", "width": {width}, "height": {height}}}"#
        ));
        annotations.push(format!(
            r#"{{"id": {number}, "image_id": {number}, "category_id": {}, "iscrowd": 0, "area": 300,
                "bbox": [{x}, {y}, {}, {}], "segmentation": [[{x}, {y}, {x2}, {y}, {x2}, {y2}, {x}, {y2}]]}}"#,
            if red { 7 } else { 3 },
            x2 - x,
            y2 - y
        ));
        names.push(name);
    }
    fs::write(root.join("ImageSets/Main/train.txt"), names.join("\n")).unwrap();
    fs::write(root.join("ImageSets/Main/test.txt"), names[..3].join("\n")).unwrap();
    let json = format!(
        r#"{{"images": [{}], "annotations": [{}],
            "categories": [{{"id": 7, "name": "red"}}, {{"id": 3, "name": "green"}}]}}"#,
        images.join(","),
        annotations.join(",")
    );
    fs::write(root.join("instances.json"), json).unwrap();
}

/// Four images of two classes, in the layout of Cityscapes.
pub fn maps(root: &Path) {
    for number in 0..4u32 {
        let name = format!("ulm_{number:06}_000019");
        let edge = 10 + 5 * number;
        let image = RgbImage::from_fn(64, 48, |_, y| {
            if y < edge {
                Rgb([90, 130, 200])
            } else {
                Rgb([80, 80, 80])
            }
        });
        let map = GrayImage::from_fn(64, 48, |x, y| {
            Luma([if x == 0 {
                255
            } else if y < edge {
                10
            } else {
                0
            }])
        });
        let image_file = root.join(format!("leftImg8bit/train/ulm/{name}_leftImg8bit.png"));
        let map_file = root.join(format!("gtFine/train/ulm/{name}_gtFine_labelTrainIds.png"));
        for file in [&image_file, &map_file] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        image.save(image_file).unwrap();
        map.save(map_file).unwrap();
    }
}
