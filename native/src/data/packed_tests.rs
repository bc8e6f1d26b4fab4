//! Tests of tar shards and parquet files: what they hold, that they give the batches of the files, and what is refused.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use image::ImageFormat::{Jpeg, Png};
use parallax_train::{Batch, BatchViews, Loader, Recipe};

use super::pack::{self, Pack};
use super::tests::{TempDir, image};
use super::*;

const CLASSES: [&str; 3] = ["cat", "dog", "eel"];

fn fixture(name: &str) -> String {
    format!(
        "{}/tests/parquet/{name}.parquet",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The images of the fixtures, with their classes: see `native/tests/parquet/make.py`.
fn images() -> Vec<(Vec<u8>, &'static str)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/data/tests/jpeg");
    let mut data = fs::read(folder.join("files.bin")).unwrap();
    let lines = fs::read_to_string(folder.join("cases.txt")).unwrap();
    let files = lines.lines().take(24).enumerate().map(|(index, line)| {
        let size = line.split(' ').nth(1).unwrap().parse().unwrap();
        let rest = data.split_off(size);
        (std::mem::replace(&mut data, rest), CLASSES[index * 7 % 3])
    });
    files.collect()
}

fn source(spec: &str) -> Arc<dyn Source> {
    open_with_report(spec, Split::Train, OnBadImage::Error, &Progress::hidden())
        .unwrap_or_else(|error| panic!("{spec}: {error:#}"))
        .source
}

fn failure(spec: &str) -> String {
    let opened = open_with_report(spec, Split::Train, OnBadImage::Error, &Progress::hidden());
    format!("{:#}", opened.map(|_| ()).unwrap_err())
}

fn arguments(src: &str, out: &Path) -> Pack {
    Pack {
        src: src.to_string(),
        out: out.to_path_buf(),
        shard_size: 9000,
        resize: None,
        quality: 90,
        on_bad_image: OnBadImage::Error,
        split: None,
        json: false,
    }
}

fn packed(arguments: &Pack) -> anyhow::Result<Vec<String>> {
    let stop = AtomicBool::new(false);
    let out = &arguments.out;
    pack::pack(
        arguments,
        Split::Train,
        None,
        out,
        &Progress::hidden(),
        &stop,
    )?;
    let mut names: Vec<String> = fs::read_dir(out)?
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tar"))
        .collect();
    names.sort();
    Ok(names)
}

/// The views and labels of some batches.
fn batches(spec: &str) -> Vec<(Vec<Vec<f32>>, Vec<u32>)> {
    let recipe = ["run.batch_size=5", "views.size=16"].map(String::from);
    let recipe = Recipe::named("demo", &recipe).unwrap();
    let loader = Loader::new(&recipe, source(spec), &Device::flex()).unwrap();
    let batch = |step| {
        let Batch { views, labels, .. } = loader.load(step).unwrap();
        match views {
            BatchViews::Made(views) => (views, labels),
            _ => panic!("the CPU has no kernels for views"),
        }
    };
    (0..10).map(batch).collect()
}

#[test]
fn files_shards_and_parquet_give_the_same_batches() {
    let dir = TempDir::new("same");
    let mut list = String::new();
    for (index, (bytes, class)) in images().into_iter().enumerate() {
        dir.write(&format!("files/{index:02}.jpg"), &bytes);
        dir.write(&format!("folder/{class}/{index:02}.jpg"), &bytes);
        list += &format!("files/{index:02}.jpg\t{class}\n");
    }
    dir.write("l.txt", list.as_bytes());
    let expected = batches(&format!("list:{}/l.txt", dir.spec()));
    for name in ["hub", "gzip", "zstd", "none"] {
        let source = source(&fixture(name));
        assert_eq!((source.len(), source.classes().len()), (24, 3), "{name}");
        assert_eq!(source.classes(), CLASSES);
        assert!(batches(&fixture(name)) == expected, "{name}");
    }
    let out = dir.0.join("shards");
    let names = packed(&arguments(&fixture("hub"), &out)).unwrap();
    assert!(names.len() > 2, "{names:?}");
    let pattern = format!("{}/{{000000..{:06}}}.tar", out.display(), names.len() - 1);
    assert!(batches(&pattern) == expected);
    assert!(batches(out.to_str().unwrap()) == expected);

    let folder = format!("{}/folder", dir.spec());
    let again = dir.0.join("again");
    packed(&arguments(&folder, &again)).unwrap();
    assert!(batches(again.to_str().unwrap()) == batches(&folder));
    assert!(batches(&folder) != expected);
    assert_eq!(source(again.to_str().unwrap()).classes(), CLASSES);
}

#[test]
fn a_list_draws_from_shards_and_parquet() {
    let dir = TempDir::new("list-of-shards");
    packed(&arguments(&fixture("hub"), &dir.0.join("s"))).unwrap();
    dir.write("l.txt", b"# parallax list: images=24 source=s\n3\n0\n6\n");
    let drawn = source(&format!("list:{}/l.txt", dir.spec()));
    let whole = source(&fixture("hub"));
    for (place, index) in [3, 0, 6].into_iter().enumerate() {
        assert_eq!(drawn.image(place).unwrap(), whole.image(index).unwrap());
    }
    assert_eq!(
        (drawn.len(), drawn.full_len(), drawn.classes().len()),
        (3, 24, 1)
    );
}

#[test]
fn packing_goes_on_where_it_was_and_refuses_other_settings() {
    let dir = TempDir::new("go-on");
    let out = dir.0.join("out");
    let mut given = arguments(&fixture("hub"), &out);
    let whole = packed(&given).unwrap();
    let contents: Vec<Vec<u8>> = whole
        .iter()
        .map(|name| fs::read(out.join(name)).unwrap())
        .collect();
    assert!(contents.iter().all(|content| content.len() <= 9000));
    // As if it had been interrupted while the second shard was written.
    let manifest = fs::read_to_string(out.join("pack.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    value["complete"] = false.into();
    value["shards"].as_array_mut().unwrap().truncate(1);
    fs::write(out.join("pack.json"), value.to_string()).unwrap();
    for name in &whole[1..] {
        fs::remove_file(out.join(name)).unwrap();
    }
    fs::write(out.join(".000001.tar.partial"), b"half").unwrap();
    assert_eq!(packed(&given).unwrap(), whole);
    for (name, content) in whole.iter().zip(&contents) {
        assert!(fs::read(out.join(name)).unwrap() == *content, "{name}");
    }
    assert_eq!(fs::read_to_string(out.join("pack.json")).unwrap(), manifest);
    given.shard_size = 5000;
    let text = packed(&given).unwrap_err().to_string();
    assert!(
        text.contains("with other settings") && text.contains("name an empty folder"),
        "{text}"
    );
    fs::remove_file(out.join("pack.json")).unwrap();
    let text = packed(&given).unwrap_err().to_string();
    assert!(text.contains("shards of another origin"), "{text}");
}

#[test]
fn packing_resizes_leaves_out_and_stops() {
    let dir = TempDir::new("pack-more");
    for (index, (bytes, class)) in images().into_iter().enumerate() {
        dir.write(&format!("in/{class}/{index:02}.x.jpg"), &bytes);
    }
    dir.write("in/dog/broken.jpg", b"no image");
    let given = arguments(&format!("{}/in", dir.spec()), &dir.0.join("out"));
    let text = packed(&given).unwrap_err().to_string();
    assert!(
        text.contains("broken.jpg") && text.contains("leaves it out"),
        "{text}"
    );
    let given = Pack {
        resize: Some(8),
        on_bad_image: OnBadImage::Skip,
        shard_size: 1 << 30,
        out: dir.0.join("small"),
        ..given
    };
    assert_eq!(packed(&given).unwrap(), ["000000.tar"]);
    let small = source(given.out.to_str().unwrap());
    assert_eq!(small.len(), 24);
    let sides: Vec<u32> = (0..24)
        .map(|index| small.image(index).unwrap())
        .map(|image| image.width.min(image.height))
        .collect();
    assert!(sides.iter().all(|side| *side <= 8) && sides.contains(&8));
    let out = dir.0.join("stopped");
    let given = arguments(&fixture("hub"), &out);
    let stop = AtomicBool::new(true);
    let text = pack::pack(&given, Split::Train, None, &out, &Progress::hidden(), &stop);
    assert!(
        text.unwrap_err()
            .to_string()
            .contains("stopped after 0 of 24 images")
    );
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    // Data without files become PNG files.
    let given = Pack {
        src: "sample".into(),
        out: dir.0.join("sample"),
        shard_size: 1 << 30,
        ..given
    };
    packed(&given).unwrap();
    let (png, sample) = (source(given.out.to_str().unwrap()), source("sample"));
    assert!(
        (0..2000)
            .step_by(97)
            .all(|index| png.image(index).unwrap() == sample.image(index).unwrap())
    );
    assert_eq!(png.classes(), sample.classes());
}

/// A shard with the given files.
fn shard(dir: &TempDir, name: &str, files: &[(&str, &[u8])]) -> String {
    let path = dir.0.join(name);
    let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.finish().unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn samples_of_shards_are_labelled_by_cls_or_json() {
    let dir = TempDir::new("samples");
    let (a, b) = (image(Png, 1), image(Jpeg, 2));
    let deep = format!("{}/3.png", "folder".repeat(30));
    let spec = shard(
        &dir,
        "0.tar",
        &[
            ("x/1.cls", b"dog"),
            ("x/1.png", &a),
            ("x/1.txt", b"a dog"),
            ("x/2.seg.png", &a),
            ("x/2.JPEG", &b),
            ("x/2.json", br#"{"label": "cat", "id": 7}"#),
            (&deep, &a),
            (&format!("{}/3.cls", "folder".repeat(30)), b"cat"),
            ("x/4.cls", b"cat"),
        ],
    );
    let opened =
        open_with_report(&spec, Split::Train, OnBadImage::Error, &Progress::hidden()).unwrap();
    let source = opened.source;
    assert_eq!(source.classes(), ["cat", "dog"]);
    assert_eq!(
        [source.label(0), source.label(1), source.label(2)],
        [1, 0, 0]
    );
    assert_eq!(source.image(1).unwrap().data[0], 2);
    assert_eq!(
        opened.ignored.as_deref(),
        Some("3 files (.seg.png, .txt, a label without an image)")
    );

    // Numbers are named by classes.txt.
    let files: [(&str, &[u8]); 4] = [
        ("1.png", &a),
        ("1.cls", b"2"),
        ("2.png", &a),
        ("2.cls", b"0"),
    ];
    let spec = shard(&dir, "1.tar", &files);
    assert_eq!(self::source(&spec).classes(), ["0", "1", "2"]);
    dir.write("classes.txt", b"ant\nbee\ncat\n");
    assert_eq!(self::source(&spec).classes(), ["ant", "bee", "cat"]);
    dir.write("classes.txt", b"ant\nbee\n");
    assert!(failure(&spec).contains("label 2, but there are names of 2 classes"));
    fs::remove_file(dir.0.join("classes.txt")).unwrap();

    let unlabelled = shard(&dir, "2.tar", &[("1.png", &a), ("2.png", &b)]);
    assert_eq!(self::source(&unlabelled).classes(), ["unlabelled"]);
    let text = failure(&format!("{}/{{1,2}}.tar", dir.spec()));
    assert!(
        text.contains("2.tar: image 0 has no label, but images of"),
        "{text}"
    );
}

#[test]
fn shards_that_cannot_be_read_are_refused_by_name() {
    let dir = TempDir::new("bad-shards");
    let a = image(Png, 1);
    let pair = [("1.png", a.as_slice()), ("2.png", a.as_slice())];
    let spec = shard(&dir, "0.tar", &pair);
    let whole = fs::read(&spec).unwrap();
    let broken = |name: &str, bytes: &[u8]| {
        dir.write(name, bytes);
        failure(dir.0.join(name).to_str().unwrap())
    };
    let text = broken("cut.tar", &whole[..3 * 512 + 10]);
    assert!(
        text.contains("cut.tar: it ends in the middle of 2.png"),
        "{text}"
    );
    assert!(broken("noise.tar", &[7; 2000]).contains("noise.tar: not a whole tar archive"));
    assert!(broken("zip.tar", &[0x1F, 0x8B, 8, 0]).contains("unpack it by gunzip"));
    assert!(broken("empty.tar", &[0; 1024]).contains("holds no images, which end in .jpg"));
    let refused = |files: &[(&str, &[u8])]| failure(&shard(&dir, "r.tar", files));
    assert!(refused(&[("1.png", &a), ("1.jpg", &a)]).contains("1.png and 1.jpg are two images"));
    assert!(refused(&[("1.png", &a), ("1.cls", b"")]).contains("r.tar: 1.cls is empty"));
    assert!(refused(&[("1.png", &a), ("1.json", b"[]")]).contains("1.json is not a JSON object"));
    let mixed = [
        ("1.png", a.as_slice()),
        ("1.cls", b"0"),
        ("2.png", &a),
        ("2.cls", b"x"),
    ];
    assert!(refused(&mixed).contains("numbers (0) and others names ('x')"));

    // A damaged image is named by shard and file.
    let text = refused(&[("1.png", &a), ("2.png", b"x")]);
    assert!(text.contains("r.tar: 2.png: not a valid JPEG"), "{text}");

    // A shard that changes is indexed again; while it is used, that is an error.
    let source = source(&spec);
    shard(
        &dir,
        "0.tar",
        &[("0.png", &image(Png, 9)), pair[0], pair[1]],
    );
    assert_eq!(self::source(&spec).len(), 3);
    let text = source.image(0).unwrap_err().to_string();
    assert!(text.contains("0.tar: 1.png: cannot be read"), "{text}");
}

#[test]
fn parquet_without_images_is_refused_with_its_columns() {
    let text = failure(&fixture("text"));
    assert!(
        text.contains("no column of images") && text.contains("text (bytes), score (other)"),
        "{text}"
    );
    let text = failure(&fixture("lz4"));
    assert!(
        text.contains("compressed by LZ4; write it with Snappy"),
        "{text}"
    );
    let text = failure(&fixture("missing"));
    assert!(
        text.contains("row 1") && text.contains("no image bytes"),
        "{text}"
    );
    let opened = open_with_report(
        &fixture("unlabelled"),
        Split::Train,
        OnBadImage::Error,
        &Progress::hidden(),
    )
    .unwrap();
    assert_eq!(opened.source.classes(), ["unlabelled"]);
    assert_eq!(opened.ignored.as_deref(), Some("columns caption"));
    let skipped = open_with_report(
        &fixture("missing"),
        Split::Train,
        OnBadImage::Skip,
        &Progress::hidden(),
    );
    assert_eq!(skipped.unwrap().skipped.len(), 1);
}

/// Whatever a file holds, opening and reading it ends in images or an error.
#[test]
fn damaged_parquet_files_are_errors() {
    let dir = TempDir::new("bad-parquet");
    let whole = fs::read(fixture("unlabelled")).unwrap();
    let mut state = 7u32;
    let mut random = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (state >> 8) as usize
    };
    let mut refused = 0;
    for round in 0..300 {
        let mut bytes = whole.clone();
        match round % 3 {
            0 => bytes.truncate(random() % whole.len()),
            1 => {
                let footer = whole.len() - 1500;
                bytes[footer + random() % 1500] = random() as u8;
            }
            _ => bytes[random() % whole.len()] = random() as u8,
        }
        let name = format!("{round}.parquet");
        dir.write(&name, &bytes);
        let spec = dir.0.join(&name);
        let spec = spec.to_str().unwrap();
        match open_with_report(spec, Split::Train, OnBadImage::Error, &Progress::hidden()) {
            Ok(opened) => (0..opened.source.len()).for_each(|index| {
                let _ = opened.source.image(index);
            }),
            Err(error) => {
                assert!(format!("{error:#}").contains(&name), "{error:#}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
