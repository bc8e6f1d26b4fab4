//! Names, counts and shapes of the networks (methods.md 2).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_nets::names::{self, is_buffer};
use parallax_nets::{Arch, HeadKind, Init, Mode, ResNet, ResNetConfig, Stem};

fn network(arch: Arch, stem: Stem, width: usize, head: HeadKind) -> ResNet {
    let config = ResNetConfig {
        arch,
        stem,
        width,
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

#[test]
fn parameter_counts() {
    let resnet18 = network(Arch::ResNet18, Stem::Imagenet, 64, HeadKind::None);
    assert_eq!(parameters(&resnet18), 11_176_512);
    let resnet34 = network(Arch::ResNet34, Stem::Imagenet, 64, HeadKind::None);
    assert_eq!(parameters(&resnet34), 21_284_672);
    // Heads behind 512 features: 512 h + h, 2 h, h o + o; then o h + h, 2 h, h o + o.
    let projector = network(Arch::ResNet18, Stem::Imagenet, 64, HeadKind::Projector);
    assert_eq!(parameters(&projector) - 11_176_512, 3_158_272);
    let both = network(
        Arch::ResNet18,
        Stem::Imagenet,
        64,
        HeadKind::ProjectorPredictor,
    );
    assert_eq!(parameters(&both) - parameters(&projector), 2_109_696);
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
    tiny.features(x, Mode::Train);
    assert_ne!(statistics(&tiny), before);
}

#[test]
fn a_seed_is_a_network() {
    let values = |seed: u64| {
        let config = ResNetConfig {
            arch: Arch::Tiny,
            stem: Stem::Cifar,
            width: 4,
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
