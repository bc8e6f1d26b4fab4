//! The backward rules of all operations: the gradient along a direction against the central difference, in f64. In a process of
//! its own, because a device's dtype is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use parallax_kernels::{
    Activation, ConvOptions, PixelLabels, Roi, RoiAlign, average_pool2d, batch_norm, conv2d,
    deconv2x2, hard_pixels, linear, log_softmax, max_pool2d, normalize_with, resize_bilinear,
    roi_align, upsample_nearest2x,
};

/// Of the difference.
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
    DEVICE.get_or_init(open).clone().autodiff()
}

/// Values between -2 and 2 without a pattern.
fn values<const D: usize>(shape: [usize; D], seed: f64) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| 2.0 * (((i as f64 + 1.0) * (12.9898 + seed)).sin() * 43.758).fract();
    let values: Vec<f64> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn number(tensor: Tensor<1>) -> f64 {
    tensor.into_data().iter::<f64>().next().unwrap()
}

/// A weighted sum, so that no gradient cancels.
fn weighted<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    let weights = values(y.dims(), 0.3);
    (y * weights).sum()
}

/// Checks the gradient of `f` at `x`.
fn check_at<const D: usize, const E: usize>(
    what: &str,
    x: Tensor<D>,
    f: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let along = values(x.dims(), 0.7);
    let leaf = x.clone().detach().require_grad();
    let gradients = weighted(f(leaf.clone())).backward();
    let gradient = leaf.grad(&gradients).expect("there is a gradient");
    let slope = number((gradient * along.clone().inner()).sum());
    let at = |step: f64| number(weighted(f(x.clone() + along.clone() * step)).inner());
    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
    assert!(slope.abs() > 1e-6, "{what}: the direction is flat");
    let error = (slope - difference).abs() / slope.abs().max(difference.abs()).max(1e-3);
    assert!(
        error < 1e-6,
        "{what}: slope {slope}, difference {difference}"
    );
}

/// Checks the gradient of `f` at values of a shape.
fn check<const D: usize, const E: usize>(
    what: &str,
    shape: [usize; D],
    f: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    check_at(what, values(shape, 0.1), f);
}

#[test]
fn convolution_with_bias() {
    for (stride, padding, dilation) in [(1, 1, 1), (2, 1, 1), (1, 2, 2), (2, 0, 3), (1, 6, 6)] {
        let options = ConvOptions {
            stride,
            padding,
            dilation,
        };
        let (x, weight) = (values([2, 9, 7, 3], 0.1), values([4, 3, 3, 3], 0.2));
        let bias = values([4], 0.4);
        let with = |x: &Tensor<4>, weight: &Tensor<4>, bias: &Tensor<1>| {
            conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
        };
        check(&format!("x, {options:?}"), [2, 9, 7, 3], |x| {
            with(&x, &weight, &bias)
        });
        check(&format!("weight, {options:?}"), [4, 3, 3, 3], |weight| {
            with(&x, &weight, &bias)
        });
        check(&format!("bias, {options:?}"), [4], |bias| {
            with(&x, &weight, &bias)
        });
        let added = with(&x, &weight, &bias) - conv2d(x, weight, None, options);
        let expected = bias.reshape([1, 1, 1, 4]).expand(added.dims());
        assert!(number((added - expected).abs().max()) < 1e-12);
    }
}

#[test]
fn batch_norm_with_the_statistics_of_the_batch() {
    let affine = || (values([5], 0.2) + 3.0, values([5], 0.4));
    for activation in [Activation::None, Activation::Relu] {
        for residual in [None, Some(values([7, 5], 0.6))] {
            let what = format!("{activation:?}, residual {}", residual.is_some());
            let with = |x: Tensor<2>, (scale, shift): (Tensor<1>, Tensor<1>), residual| {
                batch_norm(x, scale, shift, residual, activation, 1e-5).output
            };
            let (x, (scale, shift)) = (values([7, 5], 0.1), affine());
            check(&format!("x, {what}"), [7, 5], |x| {
                with(x, affine(), residual.clone())
            });
            check_at(&format!("scale, {what}"), scale.clone(), |scale| {
                with(x.clone(), (scale, shift.clone()), residual.clone())
            });
            check_at(&format!("shift, {what}"), shift.clone(), |shift| {
                with(x.clone(), (scale.clone(), shift), residual.clone())
            });
            if let Some(residual) = residual.clone() {
                check_at(&format!("residual, {what}"), residual, |residual| {
                    with(x.clone(), affine(), Some(residual))
                });
            }
        }
    }
}

/// As in fine-tuning with frozen batch norm: gradients of the input, the residual, scale and shift.
#[test]
fn batch_norm_with_frozen_statistics() {
    let statistics = || (values([5], 0.5), values([5], 0.8).abs() + 0.3);
    for activation in [Activation::None, Activation::Relu] {
        let with = |x: Tensor<4>, affine: (Tensor<1>, Tensor<1>), residual: Tensor<4>| {
            let residual = Some(residual);
            normalize_with(x, statistics(), affine, residual, activation, 1e-5)
        };
        let shape = [2, 3, 4, 5];
        let (x, residual) = (values(shape, 0.1), values(shape, 0.6));
        let (scale, shift) = (values([5], 0.2), values([5], 0.4));
        let affine = || (scale.clone(), shift.clone());
        check(&format!("x, {activation:?}"), shape, |x| {
            with(x, affine(), residual.clone())
        });
        check(&format!("residual, {activation:?}"), shape, |residual| {
            with(x.clone(), affine(), residual)
        });
        check(&format!("scale, {activation:?}"), [5], |scale| {
            with(x.clone(), (scale, shift.clone()), residual.clone())
        });
        check(&format!("shift, {activation:?}"), [5], |shift| {
            with(x.clone(), (scale.clone(), shift), residual.clone())
        });
    }
}

/// Frozen statistics that are those of the batch give the output of batch norm.
#[test]
fn frozen_statistics_of_the_batch_are_batch_norm() {
    let x = values([4, 3, 3, 5], 0.1);
    let affine = (values([5], 0.2), values([5], 0.4));
    let (scale, shift) = affine.clone();
    let normed = batch_norm(x.clone(), scale, shift, None, Activation::Relu, 1e-5);
    let statistics = (normed.mean, normed.variance);
    let frozen = normalize_with(x, statistics, affine, None, Activation::Relu, 1e-5);
    assert!(number((frozen - normed.output).abs().max()) < 1e-12);
}

#[test]
fn pooling_and_linear_layers() {
    check("max-pool", [2, 7, 6, 3], |x| max_pool2d(x, 3, 2, 1));
    let (weight, bias) = (values([4, 6], 0.2), values([4], 0.4));
    let x = values([3, 6], 0.1);
    check("x", [3, 6], |x| {
        linear(x, weight.clone(), Some(bias.clone()))
    });
    check("weight", [4, 6], |weight| {
        linear(x.clone(), weight, Some(bias.clone()))
    });
    check("bias", [4], |bias| {
        linear(x.clone(), weight.clone(), Some(bias))
    });
    check("log-softmax", [3, 6], log_softmax);
}

#[test]
fn regions_of_interest() {
    let roi = |image, corners| Roi { image, corners };
    let rois = [
        roi(1, [1.5, 2.25, 20.0, 17.5]),
        roi(0, [-6.0, -9.0, 31.0, 12.0]),
        roi(1, [3.0, 3.0, 3.5, 3.25]),
        roi(0, [22.0, 25.0, 90.0, 80.0]),
    ];
    for (output, sampling_ratio, aligned) in [(3, 0, true), (2, 2, true), (4, 0, false)] {
        let options = RoiAlign {
            sampling_ratio,
            aligned,
            ..RoiAlign::new(0.25, output)
        };
        check(&format!("{options:?}"), [2, 7, 6, 3], |x| {
            roi_align(x, &rois, options)
        });
    }
}

#[test]
fn resampling() {
    check("nearest", [2, 3, 4, 3], upsample_nearest2x);
    for size in [[9, 13], [3, 2], [1, 1]] {
        check(&format!("bilinear to {size:?}"), [2, 4, 5, 3], |x| {
            resize_bilinear(x, size)
        });
    }
    check("means", [2, 5, 6, 3], |x| average_pool2d(x, [2, 4]));
    let (x, bias) = (values([2, 3, 4, 3], 0.1), values([5], 0.4));
    let weight = values([3, 5, 2, 2], 0.2);
    check("input of a deconvolution", [2, 3, 4, 3], |x| {
        deconv2x2(x, weight.clone(), Some(bias.clone()))
    });
    check("weight of a deconvolution", [3, 5, 2, 2], |weight| {
        deconv2x2(x.clone(), weight, Some(bias.clone()))
    });
    check("bias of a deconvolution", [5], |bias| {
        deconv2x2(x.clone(), weight.clone(), Some(bias))
    });
}

#[test]
fn the_hardest_pixels() {
    let labels = PixelLabels {
        values: (0..2 * 12 * 15)
            .map(|i| if i % 13 == 0 { 9 } else { (i % 7 % 4) as u8 })
            .collect(),
        batch: 2,
        size: [12, 15],
        ignore: 9,
    };
    for share in [0.2, 1.0] {
        check(&format!("hardest {share}"), [2, 4, 5, 4], |logits| {
            hard_pixels(logits, labels.clone(), 3, share)
        });
    }
}
