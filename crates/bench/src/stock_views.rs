//! The baseline for views: the same operations on Burn's tensors.
//!
//! The comparison favours Burn: floats without rounding to 8 bits in between, no antialiasing, the hue by a matrix.

use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};
use parallax_views::{Image, MEAN, Op, STD};

/// The image as `[1, 3, height, width]`, with values in [0, 1].
pub fn source(image: &Image, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = image.data.iter().map(|v| f32::from(*v) / 255.0).collect();
    let shape = [1, image.height as usize, image.width as usize, 3];
    Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
}

/// A view, normalised: `[1, 3, height, width]`.
pub fn view(source: &Tensor<4>, ops: &[Op]) -> Tensor<4> {
    let device = source.device();
    let mut x = source.clone();
    for op in ops {
        x = applied(x, op, &device);
    }
    let channel = |values: [f32; 3]| {
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 3, 1, 1]), &device)
    };
    (x - channel(MEAN)) / channel(STD)
}

fn luma(x: &Tensor<4>) -> Tensor<4> {
    let weights = TensorData::new(vec![0.299f32, 0.587, 0.114], [1, 3, 1, 1]);
    (x.clone() * Tensor::<4>::from_data(weights, &x.device())).sum_dim(1)
}

fn blend(x: Tensor<4>, base: Tensor<4>, factor: f64) -> Tensor<4> {
    (x * factor + base * (1.0 - factor)).clamp(0.0, 1.0)
}

fn applied(x: Tensor<4>, op: &Op, device: &Device) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let range = |start: u32, len: u32| start as usize..(start + len) as usize;
    match *op {
        Op::Crop {
            left,
            top,
            width,
            height,
        } => x.slice([0..1, 0..3, range(top, height), range(left, width)]),
        Op::Resize { width, height } => {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size([height as usize, width as usize]);
            interpolate(x, options)
        }
        Op::Hflip {} => x.flip([3]),
        Op::Brightness { factor } => (x * factor).clamp(0.0, 1.0),
        Op::Contrast { factor } => {
            let mean = luma(&x).mean().reshape([1, 1, 1, 1]);
            blend(x, mean, factor)
        }
        Op::Saturation { factor } => {
            let grey = luma(&x);
            blend(x, grey, factor)
        }
        Op::Hue { delta } => {
            let rotation = TensorData::new(hue_rotation(delta), [3, 3]);
            let rotation = Tensor::<2>::from_data(rotation, device);
            let rotated = rotation.matmul(x.reshape([3, height * width]));
            rotated.reshape([1, 3, height, width]).clamp(0.0, 1.0)
        }
        Op::Grayscale {} => luma(&x).repeat_dim(1, 3),
        Op::Blur { sigma } => {
            let options = |padding| ConvOptions::new([1, 1], padding, [1, 1], 3);
            let radius = (3.0 * sigma).ceil().max(1.0) as usize;
            let taps: Vec<f32> = (0..=2 * radius)
                .map(|tap| (tap as f64 - radius as f64) / sigma.max(1e-3))
                .map(|apart| (-0.5 * apart * apart).exp() as f32)
                .collect();
            let sum: f32 = taps.iter().sum();
            let taps: Vec<f32> = taps.repeat(3).iter().map(|tap| tap / sum).collect();
            let weight =
                |shape| Tensor::<4>::from_data(TensorData::new(taps.clone(), shape), device);
            let side = 2 * radius + 1;
            let x = conv2d(x, weight([3, 1, 1, side]), None, options([0, radius]));
            conv2d(x, weight([3, 1, side, 1]), None, options([radius, 0]))
        }
        Op::Solarize { threshold } => {
            let inverted = 1.0 - x.clone();
            let mask = x.clone().greater_equal_elem(f64::from(threshold) / 255.0);
            x.mask_where(mask, inverted)
        }
    }
}

/// A rotation of the chroma plane of YIQ as a matrix on RGB; positive from red to green, as in Pillow.
fn hue_rotation(turns: f64) -> Vec<f32> {
    let (sin, cos) = (-std::f64::consts::TAU * turns).sin_cos();
    let keep = [0.299, 0.587, 0.114];
    let towards = [
        [0.701, -0.587, -0.114],
        [-0.299, 0.413, -0.114],
        [-0.299, -0.587, 0.886],
    ];
    let across = [
        [0.168, 0.330, -0.497],
        [-0.328, 0.035, 0.292],
        [1.250, -1.050, -0.203],
    ];
    (0..9)
        .map(|at| {
            let (row, column) = (at / 3, at % 3);
            (keep[column] + cos * towards[row][column] + sin * across[row][column]) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use parallax_views::apply_all;

    use super::*;
    use crate::views::image;

    /// Mean difference between an operation on tensors and the CPU engine, for values in [0, 1].
    fn apart(ours: &Op, theirs: &Op) -> f32 {
        let image = image(61, 47);
        let device = Device::flex();
        let expected = apply_all(&image, std::slice::from_ref(ours)).unwrap();
        let made = applied(source(&image, &device), theirs, &device);
        let difference = made - source(&expected, &device);
        difference.abs().mean().into_scalar()
    }

    #[test]
    fn operations_are_those_of_views() {
        let crop = Op::Crop {
            left: 3,
            top: 5,
            width: 40,
            height: 31,
        };
        // Upsampling: tensors do not antialias where they downsample.
        let resize = Op::Resize {
            width: 100,
            height: 95,
        };
        for op in [
            crop,
            resize,
            Op::Hflip {},
            Op::Brightness { factor: 1.3 },
            Op::Contrast { factor: 0.7 },
            Op::Saturation { factor: 1.4 },
            Op::Grayscale {},
            Op::Blur { sigma: 1.1 },
            Op::Solarize { threshold: 128 },
        ] {
            let apart = apart(&op, &op);
            // A convolution pads with black.
            let most = if op.name() == "blur" { 0.03 } else { 0.01 };
            assert!(apart < most, "{op}: {apart}");
        }
        // A matrix is not HSV, but it shifts in the same direction.
        let hue = |delta| Op::Hue { delta };
        for delta in [0.1, -0.1] {
            let (along, against) = (
                apart(&hue(delta), &hue(delta)),
                apart(&hue(delta), &hue(-delta)),
            );
            assert!(2.0 * along < against, "{delta}: {along}, {against}");
        }
    }
}
