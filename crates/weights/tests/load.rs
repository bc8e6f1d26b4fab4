//! Files in and out of networks, and files that do not fit.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use parallax_nets::{Arch, HeadKind, Init, ResNet, ResNetConfig, StageConfig, Stem};
use parallax_weights::{WeightFile, WeightsError, collect, load};

fn network(arch: Arch, width: usize, seed: u64) -> ResNet {
    let config = ResNetConfig {
        arch,
        stem: Stem::Cifar,
        width,
        stages: StageConfig::STANDARD,
        head: HeadKind::Projector,
        hidden: 8,
        out: 4,
    };
    ResNet::new(&config, &mut Init::new(seed, &Device::flex()))
}

fn file(network: &ResNet) -> WeightFile {
    let tensors = pollster::block_on(collect(network, "online_encoder.")).unwrap();
    let bytes = WeightFile::new("w", tensors)
        .with_recipe("text")
        .to_bytes()
        .unwrap();
    WeightFile::from_bytes("w.safetensors", &bytes).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let saved = file(&network(Arch::Tiny, 4, 1));
    assert_eq!(saved.recipe.as_deref(), Some("text"));
    let (loaded, report) = load(network(Arch::Tiny, 4, 2), "online_encoder.", &saved).unwrap();
    assert!(report.unused.is_empty());
    assert_eq!(report.taken.len(), saved.tensors.len());
    assert_eq!(file(&loaded).tensors, saved.tensors);
}

#[test]
fn a_backbone_takes_its_part_and_names_the_rest() {
    let saved = file(&network(Arch::Tiny, 4, 1));
    let config = ResNetConfig {
        arch: Arch::Tiny,
        stem: Stem::Cifar,
        width: 4,
        stages: StageConfig::STANDARD,
        head: HeadKind::None,
        hidden: 8,
        out: 4,
    };
    let backbone = ResNet::new(&config, &mut Init::new(0, &Device::flex()));
    let (_, report) = load(backbone, "online_encoder.", &saved).unwrap();
    assert!(
        report.unused.iter().all(|name| name.starts_with("fc.")),
        "{:?}",
        report.unused
    );
    assert_eq!(report.unused.len(), 8);
}

#[test]
fn another_width_is_refused_with_both_shapes() {
    let saved = file(&network(Arch::Tiny, 4, 1));
    let error = load(network(Arch::Tiny, 8, 1), "online_encoder.", &saved).unwrap_err();
    assert!(matches!(error, WeightsError::Shape { .. }));
    let message = error.to_string();
    for part in [
        "w.safetensors",
        "conv1.weight",
        "[4, 3, 3, 3]",
        "[8, 3, 3, 3]",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn another_depth_is_refused_with_what_is_missing() {
    let saved = file(&network(Arch::Tiny, 4, 1));
    let error = load(network(Arch::ResNet18, 4, 1), "online_encoder.", &saved).unwrap_err();
    assert!(matches!(error, WeightsError::Missing { .. }));
    assert!(
        error.to_string().contains("layer1.1.conv1.weight"),
        "{error}"
    );
}

#[test]
fn no_prefix_of_a_file_is_a_file() {
    let tensors = pollster::block_on(collect(&network(Arch::Tiny, 4, 1), "")).unwrap();
    let bytes = WeightFile::new("w", tensors).to_bytes().unwrap();
    for length in [0, 1, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = WeightFile::from_bytes("cut.safetensors", &bytes[..length]).unwrap_err();
        assert!(error.to_string().contains("cut.safetensors"), "{error}");
    }
}
