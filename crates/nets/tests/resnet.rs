//! Names, counts and shapes of the networks (methods.md 2).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_kernels::Activation;
use parallax_nets::names::{self, is_buffer};
use parallax_nets::{
    Arch, BatchNorm, Head, HeadKind, Init, Mode, ResNet, ResNetConfig, StageConfig, Stem,
};
use parallax_ranks::Ranks;

fn network(arch: Arch, stem: Stem, width: usize, head: HeadKind) -> ResNet {
    let config = ResNetConfig {
        arch,
        stem,
        width,
        stages: StageConfig::STANDARD,
        head,
        hidden: 4096,
        out: 256,
    };
    ResNet::new(&config, &mut Init::new(0, &Device::flex()))
}

fn parameters(network: &ResNet) -> usize {
    let shapes = names::shapes(network);
    shapes
        .iter()
        .filter(|(name, _)| !is_buffer(name))
        .map(|(_, s)| s.iter().product::<usize>())
        .sum()
}

fn backbone(arch: Arch) -> usize {
    parameters(&network(arch, Stem::Imagenet, 64, HeadKind::None))
}

#[test]
fn parameter_counts_of_backbones() {
    assert_eq!(backbone(Arch::ResNet18), 11_176_512);
    assert_eq!(backbone(Arch::ResNet34), 21_284_672);
    assert_eq!(backbone(Arch::ResNet50), 23_508_032);
    assert_eq!(backbone(Arch::ResNet101), 42_500_160);
    assert_eq!(backbone(Arch::ResNet152), 58_143_808);
}

#[test]
fn parameter_counts_of_heads() {
    let head = |kind, features, hidden, out| {
        let head = Head::new(
            &mut Init::new(0, &Device::flex()),
            kind,
            features,
            hidden,
            out,
        );
        let shapes = names::shapes(&head);
        let trained = shapes.iter().filter(|(name, _)| !is_buffer(name));
        trained
            .map(|(_, s)| s.iter().product::<usize>())
            .sum::<usize>()
    };
    let features = Arch::ResNet50.features(64);
    assert_eq!(head(HeadKind::Linear, features, 0, 128), 262_272);
    assert_eq!(head(HeadKind::Mlp, features, 2048, 128), 4_458_624);
    let projector = head(HeadKind::Projector, features, 4096, 256);
    assert_eq!(projector, 9_449_728);
    let both = head(HeadKind::ProjectorPredictor, features, 4096, 256);
    assert_eq!(both - projector, 2_109_696);
    let bias_free = head(HeadKind::BiasFreeProjectorPredictor, features, 4096, 256);
    assert_eq!(bias_free, 11_558_912);
    // Behind the 512 features of ResNet-18: 512 h + h, 2 h, h o + o.
    assert_eq!(head(HeadKind::Projector, 512, 4096, 256), 3_158_272);
}

#[test]
fn the_size_is_known_without_building() {
    for arch in [
        Arch::Tiny,
        Arch::ResNet18,
        Arch::ResNet34,
        Arch::ResNet50,
        Arch::ResNet101,
    ] {
        for stem in [Stem::Imagenet, Stem::Cifar, Stem::Small] {
            for head in [
                HeadKind::None,
                HeadKind::Linear,
                HeadKind::Mlp,
                HeadKind::Projector,
                HeadKind::ProjectorPredictor,
                HeadKind::BiasFreeProjectorPredictor,
            ] {
                let config = ResNetConfig {
                    arch,
                    stem,
                    width: 4,
                    stages: StageConfig::STANDARD,
                    head,
                    hidden: 24,
                    out: 6,
                };
                let built = ResNet::new(&config, &mut Init::new(0, &Device::flex()));
                assert_eq!(config.size(32).parameters, parameters(&built), "{config:?}");
            }
        }
    }
    // ResNet-50 on 224 pixels: the stem, its pool, and the sixteen blocks by hand.
    let config = ResNetConfig {
        arch: Arch::ResNet50,
        stem: Stem::Imagenet,
        width: 64,
        stages: StageConfig::STANDARD,
        head: HeadKind::None,
        hidden: 1,
        out: 1,
    };
    let stem = 2 * 64 * 112 * 112 + 64 * 56 * 56;
    let block = |width: usize, side: usize| 2 * side * side * (width + width + 4 * width);
    let stage = |count, width, side| count * block(width, side) + 2 * side * side * 4 * width;
    // The first block of the later stages reduces at its second convolution.
    let wider = |width: usize, side: usize| 2 * width * (4 * side * side - side * side);
    let stages = stage(3, 64, 56) + stage(4, 128, 28) + stage(6, 256, 14) + stage(3, 512, 7);
    let wider = wider(128, 28) + wider(256, 14) + wider(512, 7);
    assert_eq!(config.size(224).activations, stem + stages + wider);
}

#[test]
fn names_are_those_of_torchvision() {
    let network = network(Arch::ResNet18, Stem::Cifar, 4, HeadKind::ProjectorPredictor);
    let names: Vec<String> = names::shapes(&network)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in [
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv1.weight",
        "layer4.1.bn2.bias",
        "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.running_mean",
        "fc.0.weight",
        "fc.1.weight",
        "fc.3.bias",
        "fc.4.weight",
        "fc.7.weight",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} is not in {names:?}"
        );
    }
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("layer1.0.downsample"))
    );
}

#[test]
fn bottlenecks_have_their_shapes_and_a_shortcut_in_the_first_stage() {
    let network = network(Arch::ResNet50, Stem::Imagenet, 4, HeadKind::Linear);
    let shapes: BTreeMap<String, Vec<usize>> = names::shapes(&network).into_iter().collect();
    for (name, shape) in [
        ("layer1.0.conv1.weight", vec![4, 4, 1, 1]),
        ("layer1.0.downsample.0.weight", vec![16, 4, 1, 1]),
        ("layer2.0.conv1.weight", vec![8, 16, 1, 1]),
        ("layer2.0.conv2.weight", vec![8, 8, 3, 3]),
        ("layer2.0.conv3.weight", vec![32, 8, 1, 1]),
        ("layer2.0.bn3.running_var", vec![32]),
        ("layer3.5.conv3.weight", vec![64, 16, 1, 1]),
        ("layer4.2.bn3.weight", vec![128]),
        ("fc.0.weight", vec![256, 128]),
        ("fc.0.bias", vec![256]),
    ] {
        assert_eq!(shapes.get(name), Some(&shape), "{name}");
    }
    assert!(!shapes.contains_key("layer1.1.downsample.0.weight"));
}

#[test]
fn heads_are_numbered_as_sequentials() {
    let names = |kind| {
        let network = network(Arch::Tiny, Stem::Cifar, 4, kind);
        let names = names::shapes(&network).into_iter().map(|(name, _)| name);
        let head = names.filter(|name| name.starts_with("fc.") && !is_buffer(name));
        head.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(HeadKind::None), "");
    assert_eq!(names(HeadKind::Linear), "fc.0.weight fc.0.bias");
    assert_eq!(
        names(HeadKind::Mlp),
        "fc.0.weight fc.0.bias fc.2.weight fc.2.bias"
    );
    assert_eq!(
        names(HeadKind::BiasFreeProjectorPredictor),
        "fc.0.weight fc.0.bias fc.1.weight fc.1.bias fc.3.weight \
         fc.4.weight fc.4.bias fc.5.weight fc.5.bias fc.7.weight"
    );
}

#[test]
fn shapes_follow_stem_and_strides() {
    let x = Tensor::<4>::ones([2, 3, 33, 31], &Device::flex());
    for stem in [Stem::Imagenet, Stem::Cifar, Stem::Small] {
        let mut tiny = network(Arch::Tiny, stem, 4, HeadKind::Projector);
        assert_eq!(tiny.features(x.clone(), Mode::Train).dims(), [2, 16]);
        assert_eq!(tiny.forward(x.clone(), Mode::Eval).dims(), [2, 256]);
    }
}

#[test]
fn evaluation_leaves_running_statistics_alone() {
    let x = Tensor::<4>::ones([2, 3, 16, 16], &Device::flex());
    let mut tiny = network(Arch::Tiny, Stem::Cifar, 4, HeadKind::None);
    let statistics = |network: &ResNet| {
        struct Means(Vec<f32>);
        impl names::Visit for Means {
            fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
                if is_buffer(name) {
                    self.0.extend(tensor.into_data().iter::<f32>());
                }
            }
        }
        let mut means = Means(Vec::new());
        names::visit(network, &mut means);
        means.0
    };
    let before = statistics(&tiny);
    tiny.features(x.clone(), Mode::Eval);
    assert_eq!(statistics(&tiny), before);
    tiny.features(x.clone(), Mode::Batch);
    assert_eq!(statistics(&tiny), before);
    tiny.features(x, Mode::Train);
    assert_ne!(statistics(&tiny), before);
}

#[test]
fn the_running_variance_is_unbiased_unless_said_otherwise() {
    let device = Device::flex();
    let x = Tensor::<2>::from_floats([[1.0], [2.0], [6.0]], &device);
    let variance = |mode| {
        let mut norm = BatchNorm::new(&mut Init::new(0, &device), 1);
        norm.forward(x.clone(), None, Activation::None, mode);
        norm.running_var.val().into_scalar::<f32>()
    };
    // Mean 3, squares 4 + 1 + 9 = 14: biased 14 / 3, unbiased 7.
    assert!((variance(Mode::Train) - (0.9 + 0.7)).abs() < 1e-6);
    assert!((variance(Mode::TrainBiased(Ranks::ONE)) - (0.9 + 1.4 / 3.0)).abs() < 1e-6);
    assert_eq!(variance(Mode::Batch), 1.0);
}

#[test]
fn a_seed_is_a_network() {
    let values = |seed: u64| {
        let config = ResNetConfig {
            arch: Arch::Tiny,
            stem: Stem::Cifar,
            width: 4,
            stages: StageConfig::STANDARD,
            head: HeadKind::None,
            hidden: 1,
            out: 1,
        };
        let mut network = ResNet::new(&config, &mut Init::new(seed, &Device::flex())).no_grad();
        let x = Tensor::<4>::ones([1, 3, 8, 8], &Device::flex());
        network
            .features(x, Mode::Eval)
            .into_data()
            .iter::<f32>()
            .collect::<Vec<_>>()
    };
    assert_eq!(values(1), values(1));
    assert_ne!(values(1), values(2));
}

/// Every tensor's values, by name.
fn values(network: &ResNet) -> Vec<(String, Vec<usize>, Vec<f64>)> {
    struct Read(Vec<(String, Vec<usize>, Vec<f64>)>);
    impl names::Visit for Read {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            let shape = tensor.dims().to_vec();
            let values = tensor.into_data().iter::<f64>().collect();
            self.0.push((name.to_string(), shape, values));
        }
    }
    let mut read = Read(Vec::new());
    names::visit(network, &mut read);
    read.0
}

/// The moments of PyTorch's laws, of every tensor that is large enough to tell.
#[test]
fn weights_begin_as_pytorchs() {
    let network = network(
        Arch::ResNet50,
        Stem::Imagenet,
        16,
        HeadKind::ProjectorPredictor,
    );
    let (mut normal, mut uniform, mut inputs) = (0, 0, 0);
    for (name, shape, values) in values(&network) {
        let count = values.len() as f64;
        let moment = |power| values.iter().map(|v| v.powi(power)).sum::<f64>() / count;
        // Five standard errors of a mean over the tensor's values.
        let near = |found: f64, expected: f64, deviation: f64| {
            let error = 5.0 * deviation / count.sqrt();
            assert!(
                (found - expected).abs() < error,
                "{name}: {found} is not {expected}"
            );
        };
        match shape[..] {
            [out, _, height, width] => {
                let variance = 2.0 / (out * height * width) as f64;
                near(moment(1), 0.0, variance.sqrt());
                near(moment(2), variance, variance * 2f64.sqrt());
                near(
                    moment(4),
                    3.0 * variance.powi(2),
                    variance.powi(2) * 96f64.sqrt(),
                );
                normal += 1;
            }
            [_, width] => {
                inputs = width;
                let variance = 1.0 / (3 * width) as f64;
                near(moment(1), 0.0, variance.sqrt());
                near(moment(2), variance, variance * 0.8f64.sqrt());
                assert!(
                    values
                        .iter()
                        .all(|v| v.abs() <= 1.0 / (width as f64).sqrt()),
                    "{name}"
                );
                uniform += 1;
            }
            _ if ["fc.0.bias", "fc.3.bias", "fc.4.bias", "fc.7.bias"].contains(&name.as_str()) => {
                let bound = 1.0 / (inputs as f64).sqrt();
                let largest = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
                assert!(
                    (0.95 * bound..=bound).contains(&largest),
                    "{name}: {largest}, {bound}"
                );
            }
            // Batch norm; the last one of a block begins at 1, too.
            _ => {
                let one = name.ends_with("weight") || name.ends_with("running_var");
                assert!(
                    values.iter().all(|v| *v == f64::from(u8::from(one))),
                    "{name}"
                );
            }
        }
    }
    assert_eq!((normal, uniform), (53, 4));
}
