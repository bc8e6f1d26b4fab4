//! Files that PyTorch, numpy and safetensors wrote, in the layouts of the tools that people use.
#![allow(clippy::unwrap_used, clippy::panic)]

use parallax_weights::{
    Import, Layout, ONLINE, Packing, Structure, TARGET, WeightFile, WeightsError,
};

macro_rules! bytes {
    ($name:literal) => {
        include_bytes!(concat!("pytorch/", $name)) as &[u8]
    };
}

fn read(name: &str, bytes: &[u8]) -> Import {
    Import::read(name, bytes).unwrap()
}

/// The values under torchvision's names.
fn expected() -> WeightFile {
    WeightFile::from_bytes("expected", bytes!("expected.safetensors")).unwrap()
}

/// Compares a network of the file with the expected one; `sign` is -1 for the target.
fn check(import: &Import, prefix: &str, sign: f32) {
    let expected = expected();
    let mut compared = 0;
    for (name, tensor) in &expected.tensors {
        if name.starts_with("fc.") {
            continue;
        }
        let found = &import.file.tensors[&format!("{prefix}{name}")];
        assert_eq!(found.shape, tensor.shape, "{name}");
        let signed: Vec<f32> = tensor.values.iter().map(|value| sign * value).collect();
        assert_eq!(found.values, signed, "{name}");
        assert_eq!(found.integer, tensor.integer, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 72);
    assert!(
        Structure::of(&import.file, prefix)
            .unwrap()
            .missing
            .is_empty()
    );
}

fn unused(import: &Import) -> Vec<&str> {
    import
        .unused
        .iter()
        .map(|unused| unused.name.as_str())
        .collect()
}

#[test]
fn bare_names_with_a_classifier() {
    for (bytes, packing) in [
        (bytes!("torchvision.pth"), Packing::Torch),
        (bytes!("torchvision-legacy.pth"), Packing::TorchLegacy),
        (bytes!("timm-f16.pth"), Packing::Torch),
        (bytes!("expected.safetensors"), Packing::Safetensors),
    ] {
        let import = read("w", bytes);
        assert_eq!(
            (import.packing, &import.layout),
            (packing, &Layout::Torchvision)
        );
        check(&import, ONLINE, 1.0);
        let head = &import.file.tensors["online_encoder.fc.0.weight"];
        assert_eq!(head.shape, [3, 8]);
        assert_eq!(head.values, expected().tensors["fc.weight"].values);
        assert!(import.unused.is_empty());
    }
}

#[test]
fn the_papers_repository() {
    let import = read("w", bytes!("paper.pth.tar"));
    assert_eq!(import.layout, Layout::Own);
    check(&import, ONLINE, 1.0);
    check(&import, TARGET, -1.0);
    for prefix in [ONLINE, TARGET] {
        let tensor = |name: &str| &import.file.tensors[&format!("{prefix}fc.{name}")];
        assert_eq!(tensor("3.weight").values, [-0.5; 8]);
        assert!(tensor("1.num_batches_tracked").integer);
    }
    let queue: Vec<f32> = (0..12u8).map(f32::from).collect();
    assert_eq!(import.file.tensors["queue"].values, queue);
    assert_eq!(import.file.tensors["queue_ptr"].values, [4.0]);
    assert!(import.file.tensors["queue_ptr"].integer);
    assert_eq!(unused(&import), ["optimizer.state.0.momentum_buffer"]);
    let renamed = ("state_dict.module.queue".to_string(), "queue".to_string());
    assert!(import.placed.contains(&renamed));
}

#[test]
fn facebookresearch_moco() {
    let import = read("w", bytes!("moco-legacy.pth.tar"));
    assert_eq!(
        (import.packing, &import.layout),
        (Packing::TorchLegacy, &Layout::Moco)
    );
    check(&import, ONLINE, 1.0);
    check(&import, TARGET, -1.0);
    assert!(import.file.tensors.contains_key("target_encoder.fc.2.bias"));
    assert!(import.file.tensors.contains_key("queue"));
    assert!(import.unused.is_empty());
}

#[test]
fn solo_learn() {
    let import = read("w", bytes!("solo.ckpt"));
    assert_eq!(import.layout, Layout::SoloLearn);
    check(&import, ONLINE, 1.0);
    check(&import, TARGET, -1.0);
    assert_eq!(
        unused(&import),
        [
            "state_dict.projector.0.weight",
            "state_dict.classifier.weight",
            "state_dict.queue",
            "rng"
        ]
    );
}

#[test]
fn lightlys_numbered_backbone() {
    let import = read("w", bytes!("lightly.pt"));
    assert_eq!(import.layout, Layout::Lightly);
    check(&import, ONLINE, 1.0);
    check(&import, TARGET, -1.0);
    assert_eq!(
        unused(&import),
        ["state_dict.projection_head.layers.0.weight"]
    );
}

#[test]
fn detectron2() {
    for bytes in [
        bytes!("detectron2-3.pkl"),
        bytes!("detectron2-4.pkl"),
        bytes!("detectron2-5.pkl"),
    ] {
        let import = read("w", bytes);
        assert_eq!(
            (import.packing, &import.layout),
            (Packing::Pickle, &Layout::Detectron2)
        );
        check(&import, ONLINE, 1.0);
        assert!(import.unused.is_empty());
    }
}

#[test]
fn bottlenecks_have_their_own_structure() {
    let import = read("w", bytes!("bottleneck.pth"));
    let mut structure = Structure::of(&import.file, ONLINE).unwrap();
    assert!(structure.bottleneck && structure.missing.is_empty());
    assert_eq!(
        (structure.width, structure.kernel, &structure.blocks[..]),
        (1, 7, &[1; 4][..])
    );
    assert_eq!(structure.arch(), None);
    structure.blocks = vec![3, 4, 6, 3];
    assert_eq!(structure.arch(), Some("resnet50"));
}

#[test]
fn missing_tensors_are_named() {
    let mut file = read("w", bytes!("torchvision.pth")).file;
    for name in [
        "bn1.bias",
        "layer2.0.downsample.0.weight",
        "layer3.0.conv2.weight",
    ] {
        file.tensors.remove(&format!("{ONLINE}{name}")).unwrap();
    }
    let structure = Structure::of(&file, ONLINE).unwrap();
    assert_eq!(
        structure.missing,
        [
            "bn1.bias",
            "layer2.0.downsample.0.weight",
            "layer3.0.conv2.weight"
        ]
    );
    assert_eq!(Structure::of(&file, TARGET), None);
}

#[test]
fn one_network_behind_any_prefix() {
    let renamed = |prefixes: &[&str]| {
        let mut file = WeightFile::default();
        for prefix in prefixes {
            for (name, tensor) in expected().tensors {
                let mut tensor = tensor.clone();
                tensor.name = format!("{prefix}{name}");
                file.tensors.insert(tensor.name.clone(), tensor);
            }
        }
        file.to_bytes().unwrap()
    };
    let import = read("w", &renamed(&["trunk.inner."]));
    assert_eq!(import.layout, Layout::Prefixed("trunk.inner.".to_string()));
    check(&import, ONLINE, 1.0);
    let error = Import::read("two", &renamed(&["left.", "right."])).unwrap_err();
    assert!(matches!(error, WeightsError::Layout { .. }));
    assert!(error.to_string().contains("left., right."), "{error}");
}

#[test]
fn hostile_files_are_refused_by_name_and_execute_nothing() {
    for bytes in [
        bytes!("evil.pth"),
        bytes!("evil-legacy.pth"),
        bytes!("evil-2.pkl"),
        bytes!("evil-4.pkl"),
    ] {
        let error = Import::read("evil.pth", bytes).unwrap_err();
        assert!(matches!(error, WeightsError::Refused { .. }));
        let message = error.to_string();
        assert!(
            message.contains("evil.pth") && message.contains("posix.system"),
            "{message}"
        );
    }
    // What the files ask the shell to make.
    assert!(!std::path::Path::new("parallax-was-fooled").exists());
    let error = Import::read("module.pth", bytes!("module.pth")).unwrap_err();
    assert!(error.to_string().contains("Sequential"), "{error}");
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let mut tar = vec![0u8; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, text) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (&tar, "tar archive"),
        (b"some notes", "neither safetensors nor"),
        (bytes!("kinds.pt"), "none of its"),
    ] {
        let error = Import::read("file", bytes).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("file"), "{error}");
    }
}

#[test]
fn no_tensor_outgrows_its_file() {
    let error = Import::read("bomb.pth", bytes!("bomb.pth")).unwrap_err();
    let message = error.to_string();
    for part in ["bomb.pth", "conv1.weight", "much larger than the file"] {
        assert!(message.contains(part), "{message}");
    }
}
