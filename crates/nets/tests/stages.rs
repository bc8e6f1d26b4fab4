//! What other networks build on: feature maps of the stages, dilation, frozen batch norm, convolutions of any shape.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use parallax_nets::names::{self, Map, Visit, is_buffer};
use parallax_nets::{
    Arch, Conv2d, ConvConfig, Init, Mode, OutputStride, ResNet, ResNetConfig, StageConfig, Stem,
};
use parallax_ranks::Ranks;

/// The seed of the images in `stages/generate.py`.
const IMAGES: u32 = 1027;

/// Values from -0.5 to 0.5 as in `stages/generate.py`.
fn pattern(count: usize, salt: u32) -> Vec<f32> {
    let value = |index: u32| {
        let mut mixed = index.wrapping_add(salt.wrapping_mul(0x9E37_79B1));
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85EB_CA6B);
        mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
        (f64::from(mixed ^ (mixed >> 16)) / 2f64.powi(32) - 0.5) as f32
    };
    (0..count as u32).map(value).collect()
}

fn patterned<const D: usize>(shape: [usize; D], salt: u32, device: &Device) -> Tensor<D> {
    let values = pattern(shape.iter().product(), salt);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Fills a network with the pattern.
struct Fill(u32);

impl Map for Fill {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        let shape = tensor.dims();
        let values = patterned(shape, self.0, &tensor.device());
        self.0 += 1;
        match D {
            4 => values * (12.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt(),
            _ if name.ends_with("running_var") || name.ends_with("weight") => values + 1.0,
            _ => values,
        }
    }
}

fn network(arch: Arch, width: usize, stages: [StageConfig; 4], device: &Device) -> ResNet {
    let config = ResNetConfig {
        width,
        stages,
        ..ResNetConfig::new(arch, Stem::Imagenet)
    };
    let network = ResNet::new(&config, &mut Init::new(0, device));
    names::map(network, &mut Fill(0))
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The gradient of each parameter, where there is one.
fn gradients(network: &ResNet, gradients: &Gradients) -> Vec<(String, Option<Vec<f64>>)> {
    struct Read<'a>(&'a Gradients, Vec<(String, Option<Vec<f64>>)>);
    impl Visit for Read<'_> {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            if !is_buffer(name) {
                let gradient = tensor.grad(self.0).map(floats);
                self.1.push((name.to_string(), gradient));
            }
        }
    }
    let mut read = Read(gradients, Vec::new());
    names::visit(network, &mut read);
    read.1
}

/// Compares some values with a line of the reference, relative to the largest of them.
fn assert_near(line: &str, dims: &[usize], found: &[f64], tolerance: f64) {
    let (head, expected) = line.split_once(" | ").unwrap();
    let sizes: Vec<String> = dims.iter().map(usize::to_string).collect();
    assert!(head.ends_with(&sizes.join(" ")), "{head}: {dims:?}");
    let expected: Vec<f64> = expected.split(' ').map(|v| v.parse().unwrap()).collect();
    let some = found.iter().step_by((found.len() / 48) | 1);
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    assert_eq!(some.clone().count(), expected.len(), "{head}");
    let errors = some.zip(&expected).map(|(a, b)| (a - b).abs() / largest);
    let worst = errors.fold(0.0, f64::max);
    assert!(worst < tolerance, "{head}: {worst:e}");
}

#[test]
fn stages_and_their_gradients_are_torchvisions() {
    let reference = include_str!("stages/reference.txt");
    let deeplab = {
        let [first, second, third, _] = StageConfig::STANDARD;
        let fourth = StageConfig::dilated(2).multi_grid([1, 2, 4]);
        [first, second, third, fourth]
    };
    let device = Device::flex().autodiff();
    for (case, stages) in [
        ("x32", OutputStride::X32.stages()),
        ("x16", OutputStride::X16.stages()),
        ("x8", OutputStride::X8.stages()),
        ("deeplab", deeplab),
    ] {
        let mut network = network(Arch::ResNet50, 64, stages, &device);
        let prefix = format!("{case} ");
        let lines = reference.lines().filter_map(|l| l.strip_prefix(&prefix));
        let lines: Vec<&str> = lines.collect();
        let images = patterned([2, 3, 50, 66], IMAGES, &device);
        let maps = network.stages(images, Mode::Eval);
        assert_eq!(maps.len(), 4);
        for (map, line) in maps.iter().zip(&lines) {
            assert_near(line, &map.dims(), &floats(map.clone()), 1e-5);
        }
        let last = maps[3].clone();
        let loss = (last.clone() * patterned(last.dims(), 2000, &device)).sum();
        let found = gradients(&network, &loss.backward());
        let shapes = names::shapes(&network);
        for line in &lines[4..] {
            let name = line.split(' ').next().unwrap();
            let of = |other: &String| other == name;
            let (_, shape) = shapes.iter().find(|(other, _)| of(other)).unwrap();
            let (_, gradient) = found.iter().find(|(other, _)| of(other)).unwrap();
            assert_near(line, shape, gradient.as_ref().unwrap(), 1e-4);
        }
    }
}

/// Every second pixel of the dilated map is the map with the stride, for basic blocks as for bottlenecks.
#[test]
fn dilation_in_place_of_stride_computes_the_same_pixels() {
    let device = Device::flex();
    let images = patterned([1, 3, 70, 90], 3, &device);
    for arch in [Arch::ResNet18, Arch::ResNet50] {
        let last = |stride: OutputStride| {
            let mut network = network(arch, 8, stride.stages(), &device);
            network.stages(images.clone(), Mode::Eval).remove(3)
        };
        let strided = last(OutputStride::X32);
        for (stride, step) in [(OutputStride::X16, 2), (OutputStride::X8, 4)] {
            let map = last(stride);
            let indices = |axis: usize| {
                let count = map.dims()[axis].div_ceil(step) as i64;
                Tensor::arange(0..count, &device) * step as i64
            };
            let some = map.clone().select(1, indices(1)).select(2, indices(2));
            assert_eq!(some.dims(), strided.dims());
            let pairs = floats(some).into_iter().zip(floats(strided.clone()));
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-4, "{arch:?} {stride:?}: {worst:e}");
        }
    }
}

#[test]
fn every_stage_has_a_map_and_gradients_flow() {
    let device = Device::flex().autodiff();
    let images = || patterned([2, 3, 64, 64], 5, &device);
    let mut tiny = network(Arch::Tiny, 4, StageConfig::STANDARD, &device);
    let maps = tiny.stages(images(), Mode::Train);
    let dims: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
    assert_eq!(dims, [[2, 16, 16, 4], [2, 8, 8, 8], [2, 4, 4, 16]]);

    for mode in [
        Mode::Train,
        Mode::Sync(Ranks::ONE),
        Mode::Eval,
        Mode::Frozen,
    ] {
        let mut network = network(Arch::ResNet18, 4, OutputStride::X8.stages(), &device);
        let maps = network.stages(images(), mode);
        let sums = maps.into_iter().map(|map| {
            let weights = patterned(map.dims(), 7, &device);
            (map * weights).sum()
        });
        let loss = sums.reduce(|a, b| a + b).unwrap();
        for (name, gradient) in gradients(&network, &loss.backward()) {
            let of_norm = name.contains("bn") || name.contains("downsample.1");
            let moves = gradient.is_some_and(|g| g.iter().any(|value| *value != 0.0));
            assert_eq!(moves, !(of_norm && mode == Mode::Frozen), "{mode:?} {name}");
        }
    }
}

#[test]
fn frozen_batch_norm_computes_as_in_evaluation_and_keeps_its_statistics() {
    let device = Device::flex();
    let images = patterned([2, 3, 32, 32], 5, &device);
    let mut network = network(Arch::ResNet18, 4, StageConfig::STANDARD, &device);
    let statistics = |network: &ResNet| {
        struct Read(Vec<f64>);
        impl Visit for Read {
            fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
                if is_buffer(name) {
                    self.0.extend(floats(tensor));
                }
            }
        }
        let mut read = Read(Vec::new());
        names::visit(network, &mut read);
        read.0
    };
    let before = statistics(&network);
    let frozen = network.features(images.clone(), Mode::Frozen);
    assert_eq!(statistics(&network), before);
    let evaluated = network.features(images.clone(), Mode::Eval);
    assert_eq!(floats(frozen), floats(evaluated));
    // Synchronised batch norm on one device is that of the whole batch.
    let (mut one, mut other) = (network.clone(), network);
    let synced = one.features(images.clone(), Mode::Sync(Ranks::ONE));
    assert_eq!(floats(synced), floats(other.features(images, Mode::Train)));
    assert_eq!(statistics(&one), statistics(&other));
}

/// A convolution by its definition, in f64.
fn convolve(x: &[f64], [height, width]: [usize; 2], weight: &[f64], c: ConvConfig) -> Vec<f64> {
    let reach = c.dilation * (c.kernel - 1) + 1;
    let out = [height, width].map(|side| (side + 2 * c.padding - reach) / c.stride + 1);
    let mut y = Vec::new();
    for (row, column) in (0..out[0]).flat_map(|row| (0..out[1]).map(move |column| (row, column))) {
        for output in 0..c.outputs {
            let mut sum = 0.0;
            for (i, j) in (0..c.kernel).flat_map(|i| (0..c.kernel).map(move |j| (i, j))) {
                let place = |at: usize, tap: usize, side: usize| {
                    let padded = at * c.stride + tap * c.dilation;
                    padded.checked_sub(c.padding).filter(|&at| at < side)
                };
                let (Some(v), Some(u)) = (place(row, i, height), place(column, j, width)) else {
                    continue;
                };
                for input in 0..c.inputs {
                    let tap = ((output * c.inputs + input) * c.kernel + i) * c.kernel + j;
                    sum += x[(v * width + u) * c.inputs + input] * weight[tap];
                }
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn convolutions_have_any_kernel_stride_padding_and_dilation_and_a_bias() {
    let device = Device::flex().autodiff();
    let size = [9, 11];
    let x: Tensor<4> = patterned([1, size[0], size[1], 3], 11, &device);
    for (kernel, stride, padding, dilation) in [
        (3, 1, 1, 1),
        (3, 1, 2, 2),
        (3, 1, 12, 12),
        (3, 2, 4, 4),
        (3, 2, 0, 1),
        (1, 1, 0, 1),
        (1, 2, 1, 1),
        (2, 2, 0, 1),
        (4, 1, 3, 2),
        (5, 3, 2, 1),
    ] {
        let config = ConvConfig::new(3, 6, kernel)
            .stride(stride)
            .dilation(dilation)
            .padding(padding)
            .bias();
        let mut conv = Conv2d::new(&mut Init::new(1, &device), config);
        assert_eq!(floats(conv.bias.clone().unwrap().val()), [0.0; 6]);
        conv = names::map(conv, &mut Fill(20));
        let bias = conv.bias.clone().unwrap().val();
        let y = conv.forward(x.clone());
        let weight = floats(conv.weight.val());
        let sums = convolve(&floats(x.clone()), size, &weight, config);
        let found = floats(y.clone());
        assert_eq!(found.len(), sums.len(), "{config:?}");
        let biases = floats(bias.clone()).into_iter().cycle();
        for ((found, sum), bias) in found.iter().zip(sums).zip(biases) {
            let error = (found - (sum + bias)).abs();
            assert!(error < 1e-5, "{config:?}: {found}, {sum} + {bias}");
        }
        let weights: Tensor<4> = patterned(y.dims(), 13, &device);
        let graph = (y * weights.clone()).sum().backward();
        let sums = weights.sum_dim(0).sum_dim(1).sum_dim(2);
        let pairs = floats(bias.grad(&graph).unwrap())
            .into_iter()
            .zip(floats(sums));
        for (a, b) in pairs {
            assert!((a - b).abs() < 1e-4, "{config:?}: {a}, {b}");
        }
        assert!(conv.weight.val().grad(&graph).is_some());
    }
}
