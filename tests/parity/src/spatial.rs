//! Cases of the operations of detection and segmentation: regions of every kind, taps that all images share, and the loss of
//! the hardest pixels.

use burn::tensor::{Device, Tensor};
use parallax_kernels::{
    PixelLabels, Roi, RoiAlign, average_pool2d, deconv2x2, hard_pixels, resize_bilinear, roi_align,
    upsample_nearest2x,
};

use crate::operation::{Case, flat, gradient, pull, values};

/// An operation on one input.
fn of<const O: usize>(
    name: String,
    shape: [usize; 4],
    operation: impl Fn(Tensor<4>, &Device) -> Tensor<O> + 'static,
) -> (String, Case) {
    let case = move |device: &Device| {
        let x = values(shape, 0.0, device).require_grad();
        let output = operation(x.clone(), device);
        let gradients = pull(&output, device);
        vec![flat(output.inner()), gradient(&x, &gradients)]
    };
    (name, Box::new(case))
}

/// Inside, at a border, larger than the image, outside, empty, within a pixel, and one again.
fn rois() -> Vec<Roi> {
    let roi = |image, corners| Roi { image, corners };
    vec![
        roi(1, [10.3, 20.7, 90.2, 100.9]),
        roi(0, [-40.0, -30.0, 60.0, 50.0]),
        roi(1, [-500.0, -400.0, 800.0, 900.0]),
        roi(0, [300.0, 300.0, 400.0, 400.0]),
        roi(0, [50.0, 50.0, 50.0, 50.0]),
        roi(1, [5.1, 5.2, 5.9, 6.3]),
        roi(0, [190.0, 160.0, 208.0, 176.0]),
        roi(1, [10.3, 20.7, 90.2, 100.9]),
    ]
}

/// Labels with classes of all numbers and pixels to be ignored.
fn labels(batch: usize, size: [usize; 2], classes: usize) -> PixelLabels {
    let label = |i: usize| match i * 7 % 11 {
        0 => 255,
        _ => (i * i / 50 % classes) as u8,
    };
    PixelLabels {
        values: (0..batch * size[0] * size[1]).map(label).collect(),
        batch,
        size,
        ignore: 255,
    }
}

/// Channels that load by one and by four, groups of invocations that end within a pixel.
pub fn spatial_cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    for (channels, output, sampling_ratio) in [(3, 7, 0), (8, 14, 0), (20, 3, 2)] {
        let options = RoiAlign {
            sampling_ratio,
            ..RoiAlign::new(1.0 / 16.0, output)
        };
        let name = format!("RoIAlign of {channels} channels to {output}");
        cases.push(of(name, [2, 11, 13, channels], move |x, _| {
            roi_align(x, &rois(), options)
        }));
        let outside = [rois()[3]];
        let name = format!("RoIAlign outside of {channels} channels");
        cases.push(of(name, [1, 5, 4, channels], move |x, _| {
            // Something of x, so that its gradient is not zero alone.
            x.clone().mean().reshape([1, 1, 1, 1]) + roi_align(x, &outside, options)
        }));
        let name = format!("nearest of {channels} channels");
        cases.push(of(name, [2, 5, 7, channels], |x, _| upsample_nearest2x(x)));
        for size in [[20, 28], [4, 9], [1, 1]] {
            let name = format!("bilinear of {channels} channels to {size:?}");
            cases.push(of(name, [2, 5, 7, channels], move |x, _| {
                resize_bilinear(x, size)
            }));
        }
        let name = format!("means of {channels} channels");
        cases.push(of(name, [2, 5, 7, channels], |x, _| {
            average_pool2d(x, [2, 5])
        }));
        let name = format!("deconvolution of {channels} channels");
        cases.push(of(name, [2, 5, 3, channels], move |x, device| {
            let weight = values([channels, 6, 2, 2], 0.17, device);
            deconv2x2(x, weight, Some(values([6], 0.41, device)))
        }));
    }
    for (classes, stride, share) in [(19, 16, 0.2), (5, 3, 1.0), (2, 1, 0.3), (21, 8, 0.001)] {
        let name = format!("hardest {share} of {classes} classes by {stride}");
        cases.push(of(name, [2, 3, 5, classes], move |logits, _| {
            let labels = labels(2, [3 * stride, 5 * stride], classes);
            hard_pixels(logits * 3.0, labels, stride, share)
        }));
    }
    cases
}
