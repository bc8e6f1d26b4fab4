//! The operations of a step on a device against the CPU's, which are compared with their definitions in f64
//! (`crates/kernels/tests`).

use burn::tensor::{Device, FloatDType, Tensor};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, RunningStatistics, RunningUpdate, batch_norm, conv2d, linear, log_softmax,
    max_pool2d, mean_of_pixels, normalize_with, row_sums, synchronised_batch_norm, widen,
};
use parallax_ranks::Ranks;

use crate::operation::{Case, flat, gradient, pull, values};
use crate::spatial::spatial_cases;

fn conv_case(
    [batch, height, width, inputs]: [usize; 4],
    [outputs, kernel, stride, padding, dilation]: [usize; 5],
    dtype: FloatDType,
) -> Case {
    Box::new(move |device| {
        let x = values([batch, height, width, inputs], 0.0, device).require_grad();
        let weight = values([outputs, inputs, kernel, kernel], 0.17, device).require_grad();
        let options = ConvOptions {
            stride,
            padding,
            dilation,
        };
        let stored = (x.clone().cast(dtype), weight.clone().cast(dtype));
        let output = widen(conv2d(stored.0, stored.1, None, options));
        let gradients = pull(&output, device);
        vec![
            flat(output.inner()),
            gradient(&x, &gradients),
            gradient(&weight, &gradients),
        ]
    })
}

fn norm_case(
    [rows, channels]: [usize; 2],
    with_residual: bool,
    activation: Activation,
    dtype: FloatDType,
) -> Case {
    Box::new(move |device| {
        let x = (values([rows, channels], 0.0, device) + 2.0)
            .detach()
            .require_grad();
        let weight = values([channels], 0.17, device).require_grad();
        let bias = values([channels], 0.41, device).require_grad();
        let residual = values([rows, channels], 0.33, device).require_grad();
        let normed = batch_norm(
            x.clone().cast(dtype),
            weight.clone(),
            bias.clone(),
            with_residual.then(|| residual.clone().cast(dtype)),
            activation,
            1e-5,
        );
        let output = widen(normed.output);
        let gradients = pull(&output, device);
        let mut results = vec![
            flat(output.inner()),
            normed.mean.inner(),
            normed.variance.inner(),
            gradient(&x, &gradients),
            gradient(&weight, &gradients),
            gradient(&bias, &gradients),
        ];
        if with_residual {
            results.push(gradient(&residual, &gradients));
        }
        results
    })
}

/// The next running statistics, biased and unbiased.
fn running_case([rows, channels]: [usize; 2]) -> Case {
    Box::new(move |device| {
        let of = |seed| values([channels], seed, device);
        let x = values([rows, channels], 0.0, device) + 2.0;
        let next = |correction: f64| {
            let before = RunningStatistics {
                mean: of(0.17).inner(),
                variance: (of(0.33) + 2.0).inner(),
            };
            let update = RunningUpdate {
                momentum: 0.1,
                correction,
            };
            let normed = synchronised_batch_norm(
                x.clone(),
                (of(0.41), of(0.53)),
                None,
                Some((before, update)),
                Activation::Relu,
                1e-5,
                Ranks::ONE,
            );
            let empty = || Tensor::zeros([0], &device.clone().inner());
            let next = normed.running.map(|next| [next.mean, next.variance]);
            next.unwrap_or_else(|| [empty(), empty()])
        };
        let unbiased = rows as f64 / (rows as f64 - 1.0);
        [next(1.0), next(unbiased)].into_iter().flatten().collect()
    })
}

fn pool_case(
    [batch, height, width, channels]: [usize; 4],
    window: [usize; 3],
    dtype: FloatDType,
) -> Case {
    Box::new(move |device| {
        let x = values([batch, height, width, channels], 0.0, device).require_grad();
        let [kernel, stride, padding] = window;
        let stored = x.clone().cast(dtype);
        let output = widen(max_pool2d(stored, kernel, stride, padding));
        let gradients = pull(&output, device);
        vec![flat(output.inner()), gradient(&x, &gradients)]
    })
}

fn linear_case([batch, inputs, outputs]: [usize; 3]) -> Case {
    Box::new(move |device| {
        let x = values([batch, inputs], 0.0, device).require_grad();
        let weight = values([outputs, inputs], 0.17, device).require_grad();
        let bias = values([outputs], 0.41, device).require_grad();
        let output = linear(x.clone(), weight.clone(), Some(bias.clone()));
        let gradients = pull(&output, device);
        vec![
            flat(output.inner()),
            gradient(&x, &gradients),
            gradient(&weight, &gradients),
            gradient(&bias, &gradients),
        ]
    })
}

/// What a step still takes from Burn, each with its gradient where it has one: the image's channels last, mean
/// over pixels, addition of a bias, ReLU of a head, L2 normalisation, log-softmax over a queue, concatenation and slices of
/// rows, the target's and the optimiser's update, writing into the queue.
fn rest_cases() -> Vec<(String, Case)> {
    fn of<const D: usize, const O: usize>(
        name: &str,
        shape: [usize; D],
        operation: impl Fn(Tensor<D>) -> Tensor<O> + 'static,
    ) -> (String, Case) {
        let case = move |device: &Device| {
            let x = values(shape, 0.0, device).require_grad();
            let output = operation(x.clone());
            let gradients = pull(&output, device);
            vec![flat(output.inner()), gradient(&x, &gradients)]
        };
        (name.to_string(), Box::new(case))
    }
    let l2_normalised = |x: Tensor<2>| {
        let norm = row_sums(x.clone().square()).sqrt().clamp_min(1e-12);
        x / norm
    };
    vec![
        of("channels last", [2, 3, 5, 7], |x: Tensor<4>| {
            // Times itself, because a gradient that only moves would not show an order.
            let moved = x.permute([0, 2, 3, 1]);
            moved.clone() * moved
        }),
        of("mean over pixels", [3, 7, 5, 10], mean_of_pixels),
        of(
            "mean over pixels by four channels",
            [2, 3, 2, 300],
            mean_of_pixels,
        ),
        of("sums of rows", [30, 49], row_sums),
        of("bias", [17], |x: Tensor<1>| {
            values([6, 17], 0.13, &x.device()) + x.reshape([1, 17])
        }),
        of("bias of a convolution", [6], |x: Tensor<1>| {
            let image = values([2, 7, 5, 3], 0.13, &x.device());
            let weight = values([6, 3, 3, 3], 0.23, &x.device());
            let options = ConvOptions {
                padding: 2,
                dilation: 2,
                ..ConvOptions::default()
            };
            conv2d(image, weight, Some(x), options)
        }),
        of("frozen batch norm", [2, 5, 4, 6], |x: Tensor<4>| {
            let of = |seed| values([6], seed, &x.device());
            let statistics = (of(0.13), of(0.23).square() + 0.5);
            let affine = (of(0.33), of(0.43));
            let residual = Some(x.clone() * x.clone());
            normalize_with(x, statistics, affine, residual, Activation::Relu, 1e-5)
        }),
        of("ReLU", [9, 33], burn::tensor::activation::relu),
        of("L2-normalised rows", [5, 130], l2_normalised),
        of("sum of products of rows", [6, 20], |x: Tensor<2>| {
            let other = values([6, 20], 0.21, &x.device());
            (x * other).sum_dim(1).mean() * -2.0 + 2.0
        }),
        of("log-softmax", [3, 8201], |x: Tensor<2>| {
            log_softmax(x / 0.2).narrow(1, 0, 1).mean().neg()
        }),
        of("log-softmax of few columns", [300, 10], |x: Tensor<2>| {
            log_softmax(x * 30.0)
        }),
        of("columns concatenated", [4, 1], |x: Tensor<2>| {
            let other = values([4, 9], 0.37, &x.device());
            Tensor::cat(vec![x, other], 1)
        }),
        of("rows written", [3, 8], |x: Tensor<2>| {
            let queue = values([10, 8], 0.53, &x.device());
            queue.slice_assign([4..7, 0..8], x)
        }),
        of("EMA", [40], |x: Tensor<1>| {
            values([40], 0.53, &x.device()) * 0.99 + x * 0.01
        }),
    ]
}

/// Odd sizes, every load width and tile of the products, chunks and splits of unequal lengths.
fn cases() -> Vec<(String, Case)> {
    let mut cases = stored_cases(FloatDType::F32);
    for (rows, channels) in [(6, 4), (700, 5), (5000, 68)] {
        let name = format!("running statistics of [{rows}, {channels}]");
        cases.push((name, running_case([rows, channels])));
    }
    // More rows than columns and fewer, and a queue's many keys.
    for shape in [
        [6, 20, 12],
        [40, 16, 8],
        [5, 7, 9],
        [1, 64, 10],
        [2, 33, 130],
        [3, 16, 8200],
    ] {
        cases.push((format!("linear {shape:?}"), linear_case(shape)));
    }
    cases.extend(rest_cases());
    cases.extend(spatial_cases());
    cases
}

/// The operations of a backbone, on operands stored as `dtype`.
fn stored_cases(dtype: FloatDType) -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> = Vec::new();
    let convolutions = [
        ([2, 8, 8, 4], [8, 3, 1, 1, 1]),
        ([1, 7, 5, 3], [6, 3, 1, 1, 1]),
        ([1, 9, 9, 1], [1, 5, 2, 2, 1]),
        ([2, 9, 11, 3], [16, 7, 2, 3, 1]),
        ([3, 8, 8, 8], [12, 3, 2, 1, 1]),
        ([2, 9, 7, 4], [8, 1, 2, 0, 1]),
        ([1, 6, 6, 40], [72, 3, 1, 1, 1]),
        ([1, 12, 12, 4], [4, 3, 1, 2, 2]),
        ([1, 17, 17, 2], [3, 3, 1, 4, 4]),
        ([1, 13, 13, 4], [4, 3, 3, 0, 2]),
        ([1, 19, 18, 4], [4, 3, 1, 8, 8]),
        ([2, 15, 22, 4], [8, 3, 1, 6, 6]),
        ([1, 25, 30, 8], [4, 3, 1, 12, 12]),
        ([1, 1, 1, 20], [10, 1, 1, 0, 1]),
        // Tall enough for the large tile, in the second case for the weight's too.
        ([1, 64, 65, 4], [132, 1, 1, 0, 1]),
        ([1, 3, 3, 460], [128, 3, 1, 1, 1]),
        ([5, 15, 15, 4], [8, 3, 1, 1, 1]),
    ];
    for (x, options) in convolutions {
        cases.push((
            format!("convolution {x:?} {options:?}"),
            conv_case(x, options, dtype),
        ));
    }
    // One chunk and many, one and several to an invocation that merges them, full and partial workgroups.
    for (rows, channels) in [
        (6, 4),
        (40, 33),
        (700, 5),
        (257, 64),
        (2500, 5),
        (5000, 68),
        (20_500, 4),
    ] {
        for (residual, activation) in [
            (false, Activation::None),
            (false, Activation::Relu),
            (true, Activation::Relu),
            (true, Activation::None),
        ] {
            let name = format!("batch norm [{rows}, {channels}] {residual} {activation:?}");
            let case = norm_case([rows, channels], residual, activation, dtype);
            cases.push((name, case));
        }
    }
    for (x, window) in [
        ([2, 8, 8, 4], [3, 2, 1]),
        ([1, 7, 9, 3], [3, 2, 1]),
        ([1, 6, 6, 5], [2, 2, 0]),
        ([1, 7, 6, 4], [3, 1, 1]),
        ([2, 9, 8, 8], [3, 3, 1]),
        ([1, 11, 8, 4], [5, 2, 2]),
        ([1, 8, 9, 3], [2, 3, 0]),
    ] {
        let case = pool_case(x, window, dtype);
        cases.push((format!("max-pool {x:?} {window:?}"), case));
    }
    cases
}

/// Runs every case on `device` (without autodiff) and on the CPU: the largest difference must be at most
/// `tolerance` times the largest value of a tensor.
///
/// # Errors
/// A line for every tensor that differs more.
pub async fn check_kernels(device: &Device, tolerance: f32) -> Result<f32, String> {
    check(cases(), device, tolerance, 0.0).await
}

/// As [`check_kernels`] with activations stored as `dtype`, whose unit roundoff is `roundoff`. The CPU computes in f32
/// and rounds what it stores, too; where two f32 results lie on either side of a boundary, their roundings are one step
/// apart, which is twice the roundoff of the value.
///
/// # Errors
/// A line for every tensor that differs more.
pub async fn check_half_kernels(
    device: &Device,
    dtype: FloatDType,
    roundoff: f32,
) -> Result<f32, String> {
    check(stored_cases(dtype), device, 1e-5, 2.0 * roundoff).await
}

/// Each value may differ by `step` of itself, and by `tolerance` of its tensor's largest.
async fn check(
    cases: Vec<(String, Case)>,
    device: &Device,
    tolerance: f32,
    step: f32,
) -> Result<f32, String> {
    let (mut worst, mut complaints) = (0.0f32, Vec::new());
    for (name, case) in cases {
        let expected = case(&Device::flex().autodiff());
        let found = case(&device.clone().autodiff());
        for (number, (expected, found)) in expected.into_iter().zip(found).enumerate() {
            let expected = read(expected).await?;
            let found = read(found).await?;
            let scale = expected
                .iter()
                .fold(0.1f32, |scale, value| scale.max(value.abs()));
            let difference = |error: f32, (a, b): (&f32, &f32)| match (a - b).abs() {
                difference if difference.is_nan() => f32::INFINITY,
                difference => error.max(difference - step * a.abs().max(b.abs())),
            };
            let error = found.iter().zip(&expected).fold(0.0, difference) / scale;
            worst = worst.max(error);
            if found.is_empty() || found.len() != expected.len() || error > tolerance {
                complaints.push(format!(
                    "{name}, tensor {number}: {} values, not {}; relative difference {error:.2e}",
                    found.len(),
                    expected.len()
                ));
            }
        }
    }
    match complaints.is_empty() {
        true => Ok(worst),
        false => Err(complaints.join("\n")),
    }
}

async fn read(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| format!("{error:?}"))?;
    data.try_to_vec().map_err(|error| format!("{error:?}"))
}
