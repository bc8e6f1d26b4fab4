//! Weights, queue and batches of the replayed cases: numbers that any language makes alike (`reference.py`).

use burn::tensor::{Device, Tensor, TensorData};
use parallax_nets::ResNet;
use parallax_nets::names::{self, Map, is_buffer};
use parallax_train::{Batch, BatchViews};

/// 32 well mixed bits.
pub fn mix(stream: u32, index: u32) -> u32 {
    let mut x = index
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(stream.wrapping_mul(0x85EB_CA77))
        .wrapping_add(0x1656_67B1);
    x ^= x >> 15;
    x = x.wrapping_mul(0x2C1B_3C6D);
    x ^= x >> 12;
    x = x.wrapping_mul(0x297A_2D39);
    x ^ (x >> 15)
}

/// Uniform in `offset + scale * [-1/2, 1/2)`, computed in f64, rounded to f32.
pub fn noise(stream: u32, count: usize, scale: f64, offset: f64) -> Vec<f32> {
    let value = |index| offset + scale * (f64::from(mix(stream, index)) / 4_294_967_296.0 - 0.5);
    (0..count as u32).map(|index| value(index) as f32).collect()
}

/// A tensor of given values.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A network with the weights of the cases, by the parameter's number; buffers stay.
pub fn fill(network: ResNet) -> ResNet {
    struct Fill(u32);
    impl Map for Fill {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
            if is_buffer(name) {
                return tensor;
            }
            let shape = tensor.dims();
            let (stream, count) = (100 + self.0, shape.iter().product());
            self.0 += 1;
            let values = match D {
                4 => {
                    let fan_out = (shape[0] * shape[2] * shape[3]) as f64;
                    noise(stream, count, (24.0 / fan_out).sqrt(), 0.0)
                }
                2 => noise(stream, count, 2.0 / (shape[1] as f64).sqrt(), 0.0),
                _ if name.ends_with(".weight") => noise(stream, count, 0.4, 1.0),
                _ => noise(stream, count, 0.2, 0.0),
            };
            Tensor::from_data(TensorData::new(values, shape), &tensor.device())
        }
    }
    names::map(network, &mut Fill(0))
}

/// The initial keys of a queue, L2-normalised.
pub fn queue(keys: usize, out: usize) -> Vec<f32> {
    let values = noise(1, keys * out, 1.0, 0.0);
    let rows = values.chunks_exact(out).flat_map(|row| {
        let square = |value: &f32| f64::from(*value) * f64::from(*value);
        let norm = row.iter().map(square).sum::<f64>().sqrt();
        row.iter()
            .map(move |value| (f64::from(*value) / norm) as f32)
    });
    rows.collect()
}

/// The batch of step `k`.
pub fn batch(k: u32, size: usize, side: usize, classes: u32, groups: u32) -> Batch {
    let image = noise(10_000 + 8 * k, size * 3 * side * side, 4.0, 0.0);
    let image: Vec<f64> = image.into_iter().map(f64::from).collect();
    around(&image, k, size, side, classes, groups, 2.0)
}

/// Two views of `image` that lie `apart`, labels, coins and an order.
pub fn around(
    image: &[f64],
    k: u32,
    size: usize,
    side: usize,
    classes: u32,
    groups: u32,
    apart: f64,
) -> Batch {
    let view = |stream| {
        let apart = noise(stream, image.len(), apart, 0.0);
        let sum = |(a, b): (&f64, &f32)| (a + f64::from(*b)) as f32;
        image.iter().zip(&apart).map(sum).collect()
    };
    let mut order: Vec<u32> = (0..size as u32).collect();
    order.sort_by_key(|&place| mix(10_005 + 8 * k, place));
    Batch {
        step: u64::from(k),
        size,
        pixels: [side; 2],
        views: BatchViews::Made(vec![view(10_001 + 8 * k), view(10_002 + 8 * k)]),
        labels: (0..size as u32)
            .map(|place| mix(10_003 + 8 * k, place) % classes)
            .collect(),
        targets: None,
        enqueue_second: (0..groups)
            .map(|group| mix(10_004 + 8 * k, group) & 1 == 1)
            .collect(),
        order,
    }
}
