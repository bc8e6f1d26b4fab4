//! Every product of the ResNets on a device against its definition in f64, at sampled places.

#[path = "../../../crates/kernels/tests/common/mod.rs"]
pub(crate) mod definition;

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    ConvShape, LinearShape, Operands, Product, Tile, conv_with_tile, conv2d, linear,
};

use self::definition::{Conv, Sum, places};

/// Values of each result that are compared.
const LOOKS: usize = 200;

fn square(
    size: usize,
    (inputs, outputs): (usize, usize),
    (kernel, stride): (usize, usize),
) -> ConvShape {
    ConvShape {
        batch: 1,
        size: [size; 2],
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
    }
}

/// The different convolutions of ResNet-18, 34, 50 and 101 for images of `side` pixels, with either stem.
pub fn resnet_convolutions(side: usize) -> Vec<ConvShape> {
    let mut shapes = vec![square(side, (3, 64), (7, 2)), square(side, (3, 64), (3, 1))];
    // Small images enter the stages at full size, large ones after the stem's two strides.
    let first = if side <= 32 { side } else { side / 4 };
    for stage in 0..4 {
        let (side, width) = ((first >> stage).max(1), 64 << stage);
        shapes.extend([
            square(side, (width, width), (3, 1)),
            square(side, (width, 4 * width), (1, 1)),
            square(side, (4 * width, width), (1, 1)),
        ]);
        if stage == 0 {
            shapes.push(square(side, (width, width), (1, 1)));
        }
        if stage < 3 {
            shapes.extend([
                square(side, (width, 2 * width), (3, 2)),
                square(side, (width, 2 * width), (1, 2)),
                square(side, (4 * width, 2 * width), (1, 1)),
                square(side, (2 * width, 2 * width), (3, 2)),
                square(side, (4 * width, 8 * width), (1, 2)),
            ]);
        }
    }
    shapes
}

/// The heads of ResNet-50 and the similarity with the queue, for a small batch.
pub fn head_products() -> Vec<LinearShape> {
    let shape = |inputs, outputs| LinearShape {
        batch: 4,
        inputs,
        outputs,
    };
    vec![
        shape(2048, 1000),
        shape(2048, 2048),
        shape(2048, 4096),
        shape(2048, 128),
        shape(4096, 256),
        shape(256, 4096),
        shape(128, 65_536),
    ]
}

/// Values between -1 and 1 that rounding to `operands` leaves as they are, so that a result is held to the tolerance of f32
/// sums whatever its operands are.
fn values(count: usize, seed: u64, operands: Operands) -> Vec<f32> {
    let steps: f32 = match operands {
        Operands::Stored => return definition::values(count, seed),
        Operands::F16 => 1024.0,
        Operands::Bf16 => 128.0,
    };
    let values = definition::values(count, seed).into_iter();
    values
        .map(|value| (value * steps).round() / steps)
        .collect()
}

/// What a device computed, and what the definition says of a place in it.
struct Look<'a> {
    what: String,
    found: Vec<f32>,
    expected: Box<dyn Fn(usize) -> Sum + 'a>,
}

impl Look<'_> {
    /// The largest error in parts of what is allowed: a few ulps times the root of the number of terms.
    fn worst(&self) -> Result<f64, String> {
        let mut worst = 0.0f64;
        for index in places(self.found.len(), LOOKS) {
            let (sum, found) = ((self.expected)(index), f64::from(self.found[index]));
            let error = (found - sum.value).abs() / sum.tolerance().max(f64::MIN_POSITIVE);
            if error.is_nan() || error > 1.0 {
                let (what, value) = (&self.what, sum.value);
                return Err(format!("{what}[{index}]: {found} is not {value}"));
            }
            worst = worst.max(error);
        }
        Ok(worst)
    }
}

async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| format!("{error:?}"))?;
    data.try_to_vec().map_err(|error| format!("{error:?}"))
}

fn put<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Output and both gradients of `operation` under the weight `grad` of each output.
async fn three<const D: usize, const W: usize>(
    (x, weight): (Tensor<D>, Tensor<W>),
    grad: Tensor<D>,
    operation: impl Fn(Tensor<D>, Tensor<W>) -> Tensor<D>,
) -> Result<[Vec<f32>; 3], String> {
    let (x, weight) = (x.require_grad(), weight.require_grad());
    let output = operation(x.clone(), weight.clone());
    let gradients = (output.clone() * grad).sum().backward();
    let missing = || "a gradient is missing".to_string();
    Ok([
        read(output.inner()).await?,
        read(x.grad(&gradients).ok_or_else(missing)?).await?,
        read(weight.grad(&gradients).ok_or_else(missing)?).await?,
    ])
}

pub(crate) async fn convolution(
    shape: ConvShape,
    device: &Device,
    operands: Operands,
) -> Result<f64, String> {
    let _operands = operands.enter();
    let values = |count, seed| values(count, seed, operands);
    let x = values(shape.input_len(), 1);
    let weight = values(shape.weight_len(), 2);
    let grad = values(shape.output_len(), 3);
    let ([height, width], [rows, columns]) = (shape.size, shape.out_size());
    let [kh, kw] = shape.kernel;
    let options = ConvOptions {
        stride: shape.stride[0],
        padding: shape.padding[0],
        dilation: shape.dilation[0],
    };
    let pair = (
        put(&x, [shape.batch, height, width, shape.inputs], device),
        put(&weight, [shape.outputs, shape.inputs, kh, kw], device),
    );
    let pull = put(&grad, [shape.batch, rows, columns, shape.outputs], device);
    let [output, input, gradient] =
        three(pair, pull, |x, weight| conv2d(x, weight, None, options)).await?;
    let reference = Conv {
        shape,
        x: &x,
        weight: &weight,
        grad: &grad,
    };
    let look = |what: &str, found, expected| Look {
        what: format!("{what} of {shape:?}"),
        found,
        expected,
    };
    let looks = [
        look(
            "output",
            output,
            Box::new(|at| reference.forward(at)) as Box<dyn Fn(usize) -> Sum>,
        ),
        look(
            "input gradient",
            input,
            Box::new(|at| reference.grad_input(at)),
        ),
        look(
            "weight gradient",
            gradient,
            Box::new(|at| reference.grad_weight(at)),
        ),
    ];
    largest(&looks)
}

pub(crate) async fn product(
    shape: LinearShape,
    device: &Device,
    operands: Operands,
) -> Result<f64, String> {
    let _operands = operands.enter();
    let values = |count, seed| values(count, seed, operands);
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = shape;
    let x = values(batch * inputs, 1);
    let weight = values(outputs * inputs, 2);
    let grad = values(batch * outputs, 3);
    let pair = (
        put(&x, [batch, inputs], device),
        put(&weight, [outputs, inputs], device),
    );
    let pull = put(&grad, [batch, outputs], device);
    let [output, input, gradient] = three(pair, pull, |x, weight| linear(x, weight, None)).await?;
    let (x, weight, grad) = (&x, &weight, &grad);
    let look = |what: &str, found, expected| Look {
        what: format!("{what} of {shape:?}"),
        found,
        expected,
    };
    let forward = move |at: usize| {
        let (row, column) = (at / outputs, at % outputs);
        Sum::of((0..inputs).map(|k| (x[row * inputs + k], weight[column * inputs + k])))
    };
    let by_input = move |at: usize| {
        let (row, column) = (at / inputs, at % inputs);
        Sum::of((0..outputs).map(|k| (grad[row * outputs + k], weight[k * inputs + column])))
    };
    let by_weight = move |at: usize| {
        let (row, column) = (at / inputs, at % inputs);
        Sum::of((0..batch).map(|k| (grad[k * outputs + row], x[k * inputs + column])))
    };
    let looks = [
        look(
            "output",
            output,
            Box::new(forward) as Box<dyn Fn(usize) -> Sum>,
        ),
        look("input gradient", input, Box::new(by_input)),
        look("weight gradient", gradient, Box::new(by_weight)),
    ];
    largest(&looks)
}

fn largest(looks: &[Look]) -> Result<f64, String> {
    looks
        .iter()
        .try_fold(0.0f64, |worst, look| Ok(worst.max(look.worst()?)))
}

/// All convolutions of the ResNets for images of `side` pixels on `device` (without autodiff), with operands that may be
/// rounded as `operands` says: the largest error, in parts of the tolerance.
///
/// # Errors
/// The first value that is farther from its definition than a few ulps times the root of the number of terms.
pub async fn check_convolutions(
    side: usize,
    device: &Device,
    operands: Operands,
) -> Result<f64, String> {
    let device = device.clone().autodiff();
    let mut worst = 0.0f64;
    for shape in resnet_convolutions(side) {
        worst = worst.max(convolution(shape, &device, operands).await?);
    }
    Ok(worst)
}

/// The three products of a few convolutions with each of `tiles`, those included that no rule picks, as
/// [`check_convolutions`].
///
/// # Errors
/// As [`check_convolutions`].
pub async fn check_tiles(
    tiles: &[Tile],
    device: &Device,
    operands: Operands,
) -> Result<f64, String> {
    let _operands = operands.enter();
    // Tiles of one tap and of several, loads by four and by one, output phases, dilation.
    let strided = ConvShape {
        size: [9, 7],
        ..square(9, (32, 36), (3, 2))
    };
    let dilated = ConvShape {
        batch: 2,
        padding: [2; 2],
        dilation: [2; 2],
        ..square(8, (20, 17), (3, 1))
    };
    let mut worst = 0.0f64;
    for shape in [strided, dilated, square(6, (13, 48), (1, 1))] {
        for &tile in tiles {
            worst = worst.max(with_tile(shape, tile, device, operands).await?);
        }
    }
    Ok(worst)
}

async fn with_tile(
    shape: ConvShape,
    tile: Tile,
    device: &Device,
    operands: Operands,
) -> Result<f64, String> {
    let values = |count, seed| values(count, seed, operands);
    let x = values(shape.input_len(), 1);
    let weight = values(shape.weight_len(), 2);
    let grad = values(shape.output_len(), 3);
    let ([height, width], [rows, columns]) = (shape.size, shape.out_size());
    let [kh, kw] = shape.kernel;
    let reference = Conv {
        shape,
        x: &x,
        weight: &weight,
        grad: &grad,
    };
    let mut looks = Vec::new();
    for product in Product::ALL {
        let put_x = || put(&x, [shape.batch, height, width, shape.inputs], device);
        let put_weight = || put(&weight, [shape.outputs, shape.inputs, kh, kw], device);
        let put_grad = || put(&grad, [shape.batch, rows, columns, shape.outputs], device);
        let (pair, expected): (_, Box<dyn Fn(usize) -> Sum>) = match product {
            Product::Forward => (
                [put_x(), put_weight()],
                Box::new(|at| reference.forward(at)),
            ),
            Product::GradInput => (
                [put_grad(), put_weight()],
                Box::new(|at| reference.grad_input(at)),
            ),
            Product::GradWeight => (
                [put_x(), put_grad()],
                Box::new(|at| reference.grad_weight(at)),
            ),
        };
        looks.push(Look {
            what: format!("{} of {shape:?} with {tile}", product.name()),
            found: read(conv_with_tile(pair, shape, product, Some(tile))).await?,
            expected,
        });
    }
    largest(&looks)
}

/// The same of the heads' products and the similarity with the queue.
///
/// # Errors
/// As [`check_convolutions`].
pub async fn check_heads(device: &Device, operands: Operands) -> Result<f64, String> {
    let device = device.clone().autodiff();
    let mut worst = 0.0f64;
    for shape in head_products() {
        worst = worst.max(product(shape, &device, operands).await?);
    }
    Ok(worst)
}
