//! Resampling and the loss of the hardest pixels: equal to torch and torchvision (`torch/generate.py`), and RoIAlign to its
//! definition on random regions.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use parallax_kernels::{
    PixelLabels, Roi, RoiAlign, average_pool2d, deconv2x2, hard_pixels, resize_bilinear, roi_align,
    scale_bilinear, upsample_nearest2x,
};
use proptest::prelude::*;
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("torch/spatial.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap() as f32).collect()
}

fn size(value: &Value) -> [usize; 2] {
    [0, 1].map(|at| value[at].as_u64().unwrap() as usize)
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// The script's `values`.
fn values<const D: usize>(shape: [usize; D], phase: f64) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| ((i % 7919) as f64 * (0.61 + phase)).sin() as f32;
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= 2e-6 * b.abs().max(1.0);
        assert!(near, "{what} at {place}: {a}, not {b}");
    }
}

fn gradient<const D: usize>(x: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    read(x.grad(gradients).unwrap())
}

/// Output and gradient are those of a case.
fn check(what: &str, case: &Value, x: [usize; 4], f: impl Fn(Tensor<4>) -> Tensor<4>) {
    let x = values(x, 0.0).require_grad();
    let y = f(x.clone());
    let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
    assert_eq!(y.dims().to_vec(), shape, "{what}");
    let gradients = (y.clone() * values(y.dims(), 0.29)).sum().backward();
    assert_near(what, &read(y), &floats(&case["output"]));
    let what = format!("gradient of {what}");
    assert_near(&what, &gradient(&x, &gradients), &floats(&case["grad"]));
}

fn rois(cases: &Value) -> Vec<Roi> {
    let roi = |row: &Value| {
        let row = floats(row);
        Roi {
            image: row[0] as usize,
            corners: [row[1], row[2], row[3], row[4]],
        }
    };
    cases["rois"].as_array().unwrap().iter().map(roi).collect()
}

#[test]
fn roi_align_is_torchvisions() {
    let cases = cases();
    let rois = rois(&cases);
    for case in cases["roi_align"].as_array().unwrap() {
        let options = RoiAlign {
            scale: case["scale"].as_f64().unwrap() as f32,
            output: case["output_size"].as_u64().unwrap() as usize,
            sampling_ratio: case["sampling_ratio"].as_u64().unwrap() as usize,
            aligned: case["aligned"].as_bool().unwrap(),
        };
        check(&format!("{options:?}"), case, [2, 11, 13, 3], |x| {
            roi_align(x, &rois, options)
        });
    }
}

#[test]
fn interpolation_and_pooling_are_torchs() {
    let cases = cases();
    for case in cases["resize_bilinear"].as_array().unwrap() {
        let to = size(&case["size"]);
        check(&format!("bilinear to {to:?}"), case, [2, 6, 5, 3], |x| {
            resize_bilinear(x, to)
        });
    }
    for case in cases["scale_bilinear"].as_array().unwrap() {
        let scale = case["scale"].as_f64().unwrap();
        check(&format!("bilinear by {scale}"), case, [1, 6, 5, 4], |x| {
            scale_bilinear(x, scale)
        });
    }
    check(
        "nearest",
        &cases["nearest"],
        [2, 4, 5, 3],
        upsample_nearest2x,
    );
    for case in cases["average_pool"].as_array().unwrap() {
        let kernel = size(&case["kernel"]);
        check(&format!("means of {kernel:?}"), case, [2, 6, 5, 3], |x| {
            average_pool2d(x, kernel)
        });
    }
    check("deconvolution", &cases["deconv"], [2, 3, 4, 5], |x| {
        deconv2x2(x, values([5, 4, 2, 2], 0.17), Some(values([4], 0.41)))
    });
}

#[test]
fn the_loss_of_the_hardest_pixels_is_torchs() {
    let (batch, [height, width], classes, stride) = (2, [5, 6], 7, 8);
    let count = batch * height * width * stride * stride;
    let label = |i: usize| match i * 7 % 11 {
        0 => 255,
        _ => (i * i / 50 % classes) as u8,
    };
    let labels = PixelLabels {
        values: (0..count).map(label).collect(),
        batch,
        size: [height * stride, width * stride],
        ignore: 255,
    };
    for case in cases()["hard_pixels"].as_array().unwrap() {
        let share = case["share"].as_f64().unwrap();
        let logits = (values([batch, height, width, classes], 0.0) * 3.0).detach();
        let logits = logits.require_grad();
        let loss = hard_pixels(logits.clone(), labels.clone(), stride, share);
        let gradients = loss.backward();
        let expected = [case["loss"].as_f64().unwrap() as f32];
        assert_near("loss", &read(loss), &expected);
        let found = gradient(&logits, &gradients);
        assert_near("gradient", &found, &floats(&case["grad"]));
    }
}

/// Sampling with more threads or none gives the same bits.
#[test]
fn gradients_do_not_depend_on_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let of = |threads: usize| {
        pool(threads).unwrap().install(|| {
            let rois = rois(&cases());
            let x = values([2, 40, 60, 64], 0.0).require_grad();
            let options = RoiAlign::new(0.25, 7);
            let y = roi_align(x.clone(), &rois, options);
            let gradients = (y.clone() * values(y.dims(), 0.29)).sum().backward();
            (read(y), gradient(&x, &gradients))
        })
    };
    assert_eq!(of(1), of(3));
}

/// Pixels with equal losses at the end of those taken share the rest of the gradient.
#[test]
fn equal_losses_share_the_gradient() {
    let labels = PixelLabels {
        values: vec![0; 16],
        batch: 1,
        size: [4, 4],
        ignore: 255,
    };
    let logits = Tensor::<4>::zeros([1, 4, 4, 2], &device()).require_grad();
    let loss = hard_pixels(logits.clone(), labels, 1, 0.25);
    let gradients = loss.backward();
    assert_near("loss", &read(loss), &[2.0f32.ln()]);
    let each = [-0.5 / 16.0, 0.5 / 16.0].repeat(16);
    assert_near("gradient", &gradient(&logits, &gradients), &each);
}

/// RoIAlign as methods.md 7.3 defines it, one sample at a time, in f64 at coordinates that are rounded to f32.
fn definition(
    x: &[f32],
    [height, width, channels]: [usize; 3],
    roi: &Roi,
    o: RoiAlign,
) -> Vec<f64> {
    let offset = if o.aligned { 0.5 } else { 0.0 };
    let [x1, y1, x2, y2] = roi.corners.map(|corner| corner * o.scale - offset);
    let least = if o.aligned { f32::MIN } else { 1.0 };
    let bins = [y2 - y1, x2 - x1].map(|side| side.max(least) / o.output as f32);
    let samples = bins.map(|bin| match o.sampling_ratio {
        0 => bin.ceil().max(0.0) as usize,
        ratio => ratio,
    });
    let at = |axis: usize, bin: usize, sample: usize| {
        let start = [y1, x1][axis] + bin as f32 * bins[axis];
        start + (sample as f32 + 0.5) * bins[axis] / samples[axis] as f32
    };
    let value = |y: f32, x_at: f32, channel: usize| {
        let outside = |at: f32, side: usize| at < -1.0 || at > side as f32;
        if outside(y, height) || outside(x_at, width) {
            return 0.0;
        }
        // Coordinates are clamped to the pixels' centres.
        let inside = |at: f32, side: usize| f64::from(at).clamp(0.0, side as f64 - 1.0);
        let (y, across) = (inside(y, height), inside(x_at, width));
        let mut sum = 0.0;
        for row in 0..height {
            for column in 0..width {
                let (dy, dx) = ((y - row as f64).abs(), (across - column as f64).abs());
                let weight = (1.0 - dy).max(0.0) * (1.0 - dx).max(0.0);
                let at = ((roi.image * height + row) * width + column) * channels + channel;
                sum += weight * f64::from(x[at]);
            }
        }
        sum
    };
    let mut pooled = Vec::new();
    for (row, column) in (0..o.output).flat_map(|row| (0..o.output).map(move |c| (row, c))) {
        for channel in 0..channels {
            let mut sum = 0.0;
            for (i, j) in (0..samples[0]).flat_map(|i| (0..samples[1]).map(move |j| (i, j))) {
                sum += value(at(0, row, i), at(1, column, j), channel);
            }
            pooled.push(sum / (samples[0] * samples[1]).max(1) as f64);
        }
    }
    pooled
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn roi_align_is_its_definition(
        size in [1usize..9, 1usize..9, 1usize..6],
        corners in prop::collection::vec((0usize..2, prop::array::uniform4(-20.0f32..40.0)), 1..5),
        output in 1usize..5,
        sampling_ratio in 0usize..3,
        aligned in any::<bool>(),
        scale in 0.2f32..1.1,
    ) {
        let [height, width, channels] = size;
        let ordered = |[a, b, c, d]: [f32; 4]| [a.min(c), b.min(d), a.max(c), b.max(d)];
        let rois: Vec<Roi> = corners
            .into_iter()
            .map(|(image, corners)| Roi { image, corners: ordered(corners) })
            .collect();
        let options = RoiAlign { scale, output, sampling_ratio, aligned };
        let x = values([2, height, width, channels], 0.0);
        let pooled = read(roi_align(x.clone(), &rois, options));
        let x = read(x);
        let expected: Vec<f32> = rois
            .iter()
            .flat_map(|roi| definition(&x, size, roi, options))
            .map(|value| value as f32)
            .collect();
        for (a, b) in pooled.iter().zip(&expected) {
            prop_assert!((a - b).abs() < 3e-6, "{options:?} {rois:?}: {a}, not {b}");
        }
    }
}

#[test]
#[should_panic(expected = "RoIAlign of no RoIs")]
fn no_regions_are_refused() {
    roi_align(values([1, 2, 2, 1], 0.0), &[], RoiAlign::new(1.0, 2));
}

#[test]
#[should_panic(expected = "is not finite or too large")]
fn regions_without_a_place_are_refused() {
    let roi = Roi {
        image: 0,
        corners: [0.0, f32::NAN, 1.0, 1.0],
    };
    roi_align(values([1, 2, 2, 1], 0.0), &[roi], RoiAlign::new(1.0, 2));
}

#[test]
#[should_panic(expected = "label 7 is neither one of 3 classes nor 255")]
fn unknown_labels_are_refused() {
    let labels = PixelLabels {
        values: vec![7; 4],
        batch: 1,
        size: [2, 2],
        ignore: 255,
    };
    hard_pixels(values([1, 2, 2, 3], 0.0), labels, 1, 1.0);
}
