//! Every loss, head, block and batch-norm variant: the gradient along a direction against the central difference, in
//! f64. In a process of its own, because a device's element type is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType, Gradients, Tensor, TensorData};
use parallax_kernels::Activation;
use parallax_methods::{
    BnConfig, BnKind, MethodConfig, MethodKind, Views, byol_loss, cross_entropy, info_nce,
    normalize, one_hot,
};
use parallax_nets::names::{self, Map, Visit, is_buffer};
use parallax_nets::{
    Arch, BatchNorm, HeadKind, Init, Mode, ResNet, ResNetConfig, StageConfig, Stem,
};
use parallax_ranks::Ranks;

/// Of the difference; its error falls with the square, until rounding takes over.
const STEP: f64 = 1e-6;

fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || {
        let mut device = Device::flex();
        device
            .configure(FloatDType::F64)
            .expect("nothing uses the device before");
        device
    };
    DEVICE.get_or_init(open).clone()
}

/// Values without a pattern, about one large.
fn values<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| ((i as f64 + 1.0) * (12.9898 + seed)).sin() * 43.758;
    let values: Vec<f64> = (0..count).map(|i| 2.0 * value(i).fract()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn number(tensor: Tensor<1>) -> f64 {
    tensor.into_data().iter::<f64>().next().unwrap()
}

fn assert_near(what: &str, slope: f64, difference: f64, tolerance: f64) {
    let scale = slope.abs().max(difference.abs()).max(1e-3);
    let error = (slope - difference).abs() / scale;
    assert!(
        error < tolerance,
        "{what}: slope {slope}, difference {difference}"
    );
    assert!(slope.abs() > 1e-7, "{what}: the direction is flat");
}

/// Checks the gradient of `f` by its argument.
fn check<const D: usize>(what: &str, shape: [usize; D], f: impl Fn(Tensor<D>) -> Tensor<1>) {
    let graph = device().autodiff();
    let (x, along) = (values(shape, 0.1, &graph), values(shape, 0.7, &graph));
    let leaf = x.clone().detach().require_grad();
    let gradients = f(leaf.clone()).backward();
    let gradient = leaf.grad(&gradients).expect("there is a gradient");
    let slope = number((gradient * along.clone().inner()).sum());
    let at = |step: f64| number(f(x.clone() + along.clone() * step).inner());
    assert_near(what, slope, (at(STEP) - at(-STEP)) / (2.0 * STEP), 1e-6);
}

/// Weights the values of an output, so that no gradient cancels.
fn weighted<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    let weights = values(y.dims(), 0.3, &y.device());
    (y * weights).sum()
}

#[test]
fn losses() {
    let constant = |seed| Tensor::from_inner(normalize(values([4, 6], seed, &device())));
    check("BYOL", [4, 6], |x| byol_loss(normalize(x), constant(0.2)));
    check("L2 normalisation", [4, 6], |x| weighted(normalize(x)));
    check("info NCE", [4, 6], |x| {
        let queue = Tensor::from_inner(normalize(values([9, 6], 0.5, &device())));
        info_nce(normalize(x), constant(0.2), queue, 0.2)
    });
    check("cross-entropy", [4, 6], |x| {
        let labels = Tensor::from_ints([5, 0, 2, 2], &device());
        cross_entropy(x, Tensor::from_inner(one_hot(labels, 6)))
    });
}

#[test]
fn batch_norm_variants() {
    for mode in [
        Mode::Train,
        Mode::Sync(Ranks::ONE),
        Mode::TrainBiased(Ranks::ONE),
        Mode::Batch,
        Mode::Eval,
        Mode::Frozen,
    ] {
        for activation in [Activation::None, Activation::Relu] {
            for residual in [false, true] {
                let pass = |x: Tensor<2>| {
                    let graph = device().autodiff();
                    let mut norm = BatchNorm::new(&mut Init::new(0, &graph), 5);
                    let other = residual.then(|| x.clone() * x.clone());
                    weighted(norm.forward(x, other, activation, mode))
                };
                check(&format!("{mode:?} {activation:?} {residual}"), [7, 5], pass);
            }
        }
    }
}

/// Moves every parameter along a direction of its own.
struct Along(f64, f64);

impl Map for Along {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        if is_buffer(name) {
            return tensor;
        }
        self.1 += 0.01;
        let along = values(tensor.dims(), self.1, &tensor.device());
        tensor + along * self.0
    }
}

/// The slope along the same directions.
struct Slope<'a>(&'a Gradients, f64, f64);

impl Visit for Slope<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        if !is_buffer(name) {
            self.1 += 0.01;
            let gradient = tensor.grad(self.0).expect("there is a gradient");
            let along = values(tensor.dims(), self.1, &gradient.device());
            self.2 += number((gradient * along).sum());
        }
    }
}

fn check_network(
    what: &str,
    network: ResNet,
    (step, tolerance): (f64, f64),
    f: impl Fn(&mut ResNet) -> Tensor<1>,
) {
    let gradients = f(&mut network.clone()).backward();
    let mut slope = Slope(&gradients, 0.0, 0.0);
    names::visit(&network, &mut slope);
    let at = |step: f64| {
        let mut moved = names::map(network.clone(), &mut Along(step, 0.0));
        number(f(&mut moved).inner())
    };
    let difference = (at(step) - at(-step)) / (2.0 * step);
    assert_near(what, slope.2, difference, tolerance);
}

fn config(arch: Arch, stem: Stem, head: HeadKind) -> ResNetConfig {
    ResNetConfig {
        arch,
        stem,
        width: 2,
        stages: StageConfig::STANDARD,
        head,
        hidden: 5,
        out: 4,
    }
}

#[test]
fn blocks_stems_and_heads() {
    let graph = device().autodiff();
    let x = values([4, 3, 9, 9], 0.4, &graph);
    for (arch, stem, head) in [
        (Arch::Tiny, Stem::Cifar, HeadKind::Linear),
        (Arch::Tiny, Stem::Small, HeadKind::Mlp),
        (Arch::Tiny, Stem::Imagenet, HeadKind::Projector),
        (Arch::Tiny, Stem::Cifar, HeadKind::ProjectorPredictor),
        (
            Arch::Tiny,
            Stem::Cifar,
            HeadKind::BiasFreeProjectorPredictor,
        ),
        (Arch::ResNet50, Stem::Cifar, HeadKind::Linear),
    ] {
        let config = config(arch, stem, head);
        let network = ResNet::new(&config, &mut Init::new(3, &graph));
        let what = format!("{arch:?} {stem:?} {head:?}");
        // Fifty layers bend so much that only the nearest neighbourhood is straight.
        let near = match arch {
            Arch::ResNet50 => (1e-9, 1e-4),
            _ => (STEP, 1e-6),
        };
        check_network(&what, network, near, |network| {
            weighted(network.forward(x.clone(), Mode::Train))
        });
    }
}

#[test]
fn methods() {
    for kind in MethodKind::ALL {
        let config = MethodConfig {
            network: config(Arch::Tiny, Stem::Cifar, HeadKind::None),
            bn: BnConfig {
                kind: match kind.bn() {
                    BnKind::Sync => BnKind::Plainsync,
                    own => own,
                },
                bn_groups: 2,
                ranks: Ranks::ONE,
            },
            temperature: 0.2,
            queue: 7,
            seed: 5,
            predictor: true,
            recompute: false,
        };
        let network = kind.build(&config, &device()).online().clone();
        check_network(kind.name(), network, (STEP, 1e-6), |network| {
            let mut method = kind.build(&config, &device());
            *method.parts_mut().online = network.clone();
            let views = Views {
                first: values([4, 3, 8, 8], 0.4, &device()),
                second: values([4, 3, 8, 8], 0.6, &device()),
                labels: Tensor::from_ints([0, 3, 1, 2], &device()),
                enqueue_second: vec![true, false],
                order: vec![2, 0, 3, 1],
            };
            method.loss(views).loss
        });
    }
}
