//! Convolutions and linear layers of random shapes and of those that transfer needs, and NaN and infinite values.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, ConvShape, LinearShape, Operands, batch_norm, conv2d, linear, max_pool2d,
};

use crate::shapes::definition::Conv;
use crate::shapes::{convolution, product};

/// Whole numbers below a bound, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<const N: usize>(&mut self, values: [usize; N]) -> usize {
        values[self.below(N)]
    }
}

/// Odd sizes, few channels and many, strides, paddings and the dilations of segmentation.
fn any_convolution(dice: &mut Dice) -> ConvShape {
    loop {
        let channels = |dice: &mut Dice| dice.of([1, 2, 3, 4, 5, 8, 12, 13, 17, 20, 33, 40, 64]);
        let shape = ConvShape {
            batch: 1 + dice.below(3),
            size: [1 + dice.below(19), 1 + dice.below(19)],
            inputs: channels(dice),
            outputs: channels(dice),
            kernel: [1 + dice.below(4), 1 + dice.below(4)],
            stride: [1 + dice.below(3); 2],
            padding: [dice.below(9); 2],
            dilation: [dice.of([1, 1, 1, 2, 4, 8]); 2],
        };
        if shape.output_len() > 0 {
            return shape;
        }
    }
}

/// Those that Winograd convolution takes on the CPU: tiles that reach past the image's end, and all paddings.
fn any_winograd_convolution(dice: &mut Dice) -> ConvShape {
    let channels = |dice: &mut Dice| dice.of([32, 33, 34, 36, 47, 48]);
    ConvShape {
        batch: 2 + dice.below(2),
        size: [5 + dice.below(7), 5 + dice.below(7)],
        inputs: channels(dice),
        outputs: channels(dice),
        kernel: [3; 2],
        stride: [1; 2],
        padding: [dice.below(3); 2],
        dilation: [1; 2],
    }
}

/// Those of projection shortcuts: 1x1, whose strided input gradient has output phases without a tap; sizes that strides do
/// not divide.
fn any_shortcut(dice: &mut Dice) -> ConvShape {
    let channels = |dice: &mut Dice| dice.of([1, 3, 4, 7, 12, 17, 40]);
    ConvShape {
        batch: 1 + dice.below(3),
        size: [1 + dice.below(11), 1 + dice.below(11)],
        inputs: channels(dice),
        outputs: channels(dice),
        kernel: [1; 2],
        stride: [1 + dice.below(3); 2],
        padding: [0; 2],
        dilation: [1; 2],
    }
}

/// Those of dilated backbones, detection and segmentation heads: 3x3 with dilation and as much padding, 1x1 and 2x2, each
/// with stride 1 and 2, for channels that load by one and by four.
fn transfer_convolutions() -> Vec<ConvShape> {
    let windows = [
        (3, 2, 2),
        (3, 4, 4),
        (1, 0, 1),
        (2, 0, 1),
        (2, 1, 1),
        (2, 1, 2),
    ];
    let mut shapes = Vec::new();
    for (kernel, padding, dilation) in windows {
        for stride in [1, 2] {
            for (inputs, outputs) in [(3, 18), (16, 36)] {
                shapes.push(ConvShape {
                    batch: 2,
                    size: [11, 14],
                    inputs,
                    outputs,
                    kernel: [kernel; 2],
                    stride: [stride; 2],
                    padding: [padding; 2],
                    dilation: [dilation; 2],
                });
            }
        }
    }
    shapes
}

/// The three products of convolutions, `count` of each random kind and those of transfer, and of as many linear layers
/// against their definitions in f64, on `device` without autodiff, with operands that
/// may be rounded as `operands` says: the largest error in parts of the tolerance.
///
/// # Errors
/// The first value that is farther from its definition than a few ulps times the root of the number of terms.
pub async fn check_any_shapes(
    device: &Device,
    count: usize,
    operands: Operands,
) -> Result<f64, String> {
    let device = device.clone().autodiff();
    let mut dice = Dice(20_221_024);
    let mut worst = 0.0f64;
    for shape in transfer_convolutions() {
        worst = worst.max(convolution(shape, &device, operands).await?);
    }
    for _ in 0..count {
        let dice = &mut dice;
        for shape in [
            any_convolution(dice),
            any_winograd_convolution(dice),
            any_shortcut(dice),
        ] {
            worst = worst.max(convolution(shape, &device, operands).await?);
        }
        let shape = LinearShape {
            batch: 1 + dice.below(40),
            inputs: 1 + dice.below(70),
            outputs: 1 + dice.below(70),
        };
        worst = worst.max(product(shape, &device, operands).await?);
    }
    Ok(worst)
}

/// The kinds of floats that comparisons tell apart.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Nan,
    Infinite,
    MinusInfinite,
}

fn kind(value: f32) -> Kind {
    match value {
        value if value.is_nan() => Kind::Nan,
        f32::INFINITY => Kind::Infinite,
        f32::NEG_INFINITY => Kind::MinusInfinite,
        _ => Kind::Number,
    }
}

fn put<const D: usize>(shape: [usize; D], special: &[(usize, f32)], device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let mut values: Vec<f32> = (0..count).map(|n| (n as f32 * 0.7).sin() + 0.1).collect();
    for &(at, value) in special {
        values[at % count] = value;
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count: usize = tensor.dims().iter().product();
    tensor.reshape([count])
}

/// Output and weight gradient of a convolution whose input has `special` values, compared by kind with the definition and not
/// with the CPU, whose Winograd convolution makes a NaN of an infinity.
async fn convolution_outcomes(
    special: &[(usize, f32)],
    channels: usize,
    device: &Device,
) -> Result<usize, String> {
    let shape = ConvShape {
        batch: 2,
        size: [6, 7],
        inputs: channels,
        outputs: 5,
        kernel: [3; 2],
        stride: [1; 2],
        padding: [1; 2],
        dilation: [1; 2],
    };
    let options = ConvOptions {
        stride: 1,
        padding: 1,
        dilation: 1,
    };
    let x = put([2, 6, 7, channels], special, device).require_grad();
    let weight = put([5, channels, 3, 3], &[], device).require_grad();
    let output = conv2d(x.clone(), weight.clone(), None, options);
    let gradients = output.clone().sum().backward();
    let gradient = weight.grad(&gradients).ok_or("a gradient is missing")?;
    let (x, weight) = (
        read(flat(x.inner())).await?,
        read(flat(weight.inner())).await?,
    );
    let reference = Conv {
        shape,
        x: &x,
        weight: &weight,
        grad: &vec![1.0; shape.output_len()],
    };
    let (output, gradient) = (
        read(flat(output.inner())).await?,
        read(flat(gradient)).await?,
    );
    for (at, &found) in output.iter().enumerate() {
        same_kind("convolution", at, reference.forward(at).value as f32, found)?;
    }
    for (at, &found) in gradient.iter().enumerate() {
        let expected = reference.grad_weight(at).value as f32;
        same_kind("weight gradient", at, expected, found)?;
    }
    Ok(output.len() + gradient.len())
}

fn same_kind(what: &str, at: usize, expected: f32, found: f32) -> Result<(), String> {
    match kind(expected) == kind(found) {
        true => Ok(()),
        false => Err(format!("{what}[{at}]: {found} is not {expected}")),
    }
}

/// Outputs and gradients of the other operations on inputs with `special` values, on a device with autodiff.
fn outcomes(special: &[(usize, f32)], device: &Device) -> Vec<(&'static str, Tensor<1>)> {
    let mut found = Vec::new();
    let x = put([12, 8], special, device).require_grad();
    let (scale, shift) = (put([8], &[], device), put([8], &[], device));
    let normed = batch_norm(x.clone(), scale, shift, None, Activation::Relu, 1e-5);
    let gradients = normed.output.clone().sum().backward();
    found.push(("batch norm", flat(normed.output.inner())));
    found.push(("its mean", normed.mean.inner()));
    if let Some(x) = x.grad(&gradients) {
        found.push(("its gradient", flat(x)));
    }
    let x = put([5, 12], special, device).require_grad();
    let weight = put([9, 12], &[], device).require_grad();
    let output = linear(x.clone(), weight.clone(), None);
    let gradients = output.clone().sum().backward();
    found.push(("product", flat(output.inner())));
    if let Some(weight) = weight.grad(&gradients) {
        found.push(("its weight gradient", flat(weight)));
    }
    let pooled = max_pool2d(put([1, 8, 8, 4], special, device), 3, 2, 1);
    found.push(("max-pool", flat(pooled.inner())));
    found
}

/// The input gradient of a max-pool over `special` values and many equal ones, where every window's gradient is another number.
fn pool_gradient(
    special: &[(usize, f32)],
    channels: usize,
    [kernel, stride, padding]: [usize; 3],
    device: &Device,
) -> Option<Tensor<1>> {
    // Halves between -0.5 and 0.5.
    let steps = put([2, 7, 8, channels], &[], device).round() * 0.5;
    let marks = put([2, 7, 8, channels], special, device);
    let unusual = marks.clone().is_finite().bool_not();
    let x = steps.mask_where(unusual, marks).detach().require_grad();
    let pooled = max_pool2d(x.clone(), kernel, stride, padding);
    let shape = pooled.dims();
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (1..=count).map(|number| number as f32).collect();
    let numbers = Tensor::<4>::from_data(TensorData::new(numbers, shape), device);
    x.grad(&(pooled * numbers).sum().backward()).map(flat)
}

/// Windows have the same maxima on `device` as on the CPU: how many values were compared.
async fn pool_winners(special: &[(usize, f32)], device: &Device) -> Result<usize, String> {
    let mut looked = 0;
    for channels in [3, 8] {
        for window in [[3, 2, 1], [2, 2, 0], [3, 1, 1], [2, 3, 0], [4, 3, 2]] {
            let cpu = Device::flex().autodiff();
            let expected = pool_gradient(special, channels, window, &cpu);
            let found = pool_gradient(special, channels, window, device);
            let (Some(expected), Some(found)) = (expected, found) else {
                return Err("a gradient is missing".to_string());
            };
            let (expected, found) = (read(expected).await?, read(found).await?);
            let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
            if let Some(at) = differs {
                let (expected, found) = (expected[at], found[at]);
                return Err(format!(
                    "gradient of max-pool {window:?} of {channels} [{at}]: {found} is not {expected}"
                ));
            }
            looked += found.len();
        }
    }
    Ok(looked)
}

async fn read(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| format!("{error:?}"))?;
    data.try_to_vec().map_err(|error| format!("{error:?}"))
}

/// NaN and infinity spread to the same values on `device` (without autodiff) as by definition or on the CPU: how many values
/// were compared.
///
/// # Errors
/// The first value of another kind.
pub async fn check_non_finite(device: &Device) -> Result<usize, String> {
    let mut looked = 0;
    for special in [
        [(17, f32::NAN), (61, f32::NAN)],
        [(17, f32::INFINITY), (70, 1.0)],
        [(17, f32::NEG_INFINITY), (45, f32::INFINITY)],
    ] {
        let device = device.clone().autodiff();
        for channels in [3, 8] {
            looked += convolution_outcomes(&special, channels, &device).await?;
        }
        looked += pool_winners(&special, &device).await?;
        let expected = outcomes(&special, &Device::flex().autodiff());
        let found = outcomes(&special, &device);
        if expected.len() != found.len() {
            return Err("a gradient is missing".to_string());
        }
        for ((what, expected), (_, found)) in expected.into_iter().zip(found) {
            let (expected, found) = (read(expected).await?, read(found).await?);
            looked += found.len();
            let pairs = expected.iter().zip(&found).enumerate();
            for (at, (&expected, &found)) in pairs {
                same_kind(what, at, expected, found)?;
            }
        }
    }
    Ok(looked)
}
