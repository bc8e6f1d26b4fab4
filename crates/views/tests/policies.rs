//! The augmentation policies: distributions against methods.md 1.1 and 1.3.

#![allow(clippy::panic, missing_docs)]

use std::collections::HashMap;

use parallax_views::{Op, Pipeline, ViewKey, draw_view};

fn key(sample: u32, view: u16) -> ViewKey {
    ViewKey {
        seed: 11,
        epoch: 3,
        sample,
        view,
    }
}

/// The views of many samples, from an image large enough that rounding to whole pixels is invisible.
fn views(pipeline: Pipeline, view: u16, count: u32) -> impl Iterator<Item = Vec<Op>> {
    (0..count).map(move |sample| draw_view(pipeline, 4000, 4000, 224, key(sample, view)))
}

/// That `hits` of `n` is within five standard deviations of probability `p`.
fn assert_share(hits: u32, n: u32, p: f64, what: &str) {
    let (hits, n) = (f64::from(hits), f64::from(n));
    let deviation = (n * p * (1.0 - p)).sqrt();
    assert!(
        (hits - n * p).abs() <= 5.0 * deviation,
        "{what}: {hits} of {n}, expected {p}"
    );
}

/// That values are uniform in [lo, hi]: range, mean, and ten equal bins.
fn assert_uniform(values: &[f64], lo: f64, hi: f64, what: &str) {
    let n = values.len() as u32;
    let mut bins = [0u32; 10];
    for &value in values {
        assert!((lo..=hi).contains(&value), "{what}: {value}");
        bins[(((value - lo) / (hi - lo) * 10.0) as usize).min(9)] += 1;
    }
    for bin in bins {
        assert_share(bin, n, 0.1, what);
    }
}

#[test]
fn crop_area_and_aspect() {
    let cases = [
        (Pipeline::MocoV1, 0, 0.2),
        (Pipeline::MocoV2, 1, 0.2),
        (Pipeline::ByolAsymmetric, 0, 0.08),
        (Pipeline::ByolAsymmetric, 1, 0.08),
        (Pipeline::ByolSymmetric, 0, 0.08),
        (Pipeline::Supervised, 0, 0.08),
    ];
    for (pipeline, view, min_area) in cases {
        let (mut areas, mut aspects, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for ops in views(pipeline, view, 40_000) {
            let Op::Crop {
                left,
                top,
                width,
                height,
            } = ops[0]
            else {
                panic!("no crop first: {ops:?}")
            };
            assert_eq!(
                ops[1],
                Op::Resize {
                    width: 224,
                    height: 224
                }
            );
            let (w, h) = (f64::from(width), f64::from(height));
            assert!(left + width <= 4000 && top + height <= 4000);
            // Large areas fit only at aspects near 1, so the policies hold undisturbed only where every aspect fits.
            let area = w * h / 16e6;
            if area < 0.74 {
                areas.push(area);
                aspects.push((w / h).ln());
                places.push(f64::from(left) / (4000.0 - w));
                places.push(f64::from(top) / (4000.0 - h));
            }
        }
        let limit = (4.0f64 / 3.0).ln() + 1e-3;
        areas.retain(|&area| area >= min_area && area < 0.74);
        assert_uniform(&areas, min_area, 0.74, "area");
        assert_uniform(&aspects, -limit, limit, "log aspect");
        assert_uniform(&places, 0.0, 1.0, "place");
    }
}

#[test]
fn crop_of_extreme_images_falls_back_to_the_centre() {
    // 1000 x 10 is never cropped at random: the largest area that fits is below the smallest allowed.
    let crop =
        |width, height| draw_view(Pipeline::MocoV2, width, height, 32, key(0, 0)).swap_remove(0);
    assert_eq!(
        crop(1000, 10),
        Op::Crop {
            left: 493,
            top: 0,
            width: 13,
            height: 10
        }
    );
    assert_eq!(
        crop(10, 1000),
        Op::Crop {
            left: 0,
            top: 493,
            width: 10,
            height: 13
        }
    );
    // Halves go to even: 30 * 4 / 3 = 40, 6 / 0.75 = 8, 1 / 0.75 = 1.33.
    assert_eq!(
        crop(1, 1000),
        Op::Crop {
            left: 0,
            top: 499,
            width: 1,
            height: 1
        }
    );
}

#[test]
fn steps_come_in_order_and_as_often_as_they_should() {
    type Case = (Pipeline, u16, &'static [(&'static str, f64)]);
    const JITTER: &str = "jitter";
    let cases: [Case; 6] = [
        (
            Pipeline::MocoV1,
            0,
            &[("grayscale", 0.2), (JITTER, 1.0), ("hflip", 0.5)],
        ),
        (
            Pipeline::MocoV2,
            0,
            &[
                (JITTER, 0.8),
                ("grayscale", 0.2),
                ("blur", 0.5),
                ("hflip", 0.5),
            ],
        ),
        (
            Pipeline::ByolAsymmetric,
            0,
            &[
                (JITTER, 0.8),
                ("blur", 1.0),
                ("grayscale", 0.2),
                ("hflip", 0.5),
            ],
        ),
        (
            Pipeline::ByolAsymmetric,
            1,
            &[
                (JITTER, 0.8),
                ("blur", 0.1),
                ("grayscale", 0.2),
                ("hflip", 0.5),
                ("solarize", 0.2),
            ],
        ),
        (
            Pipeline::ByolSymmetric,
            1,
            &[
                ("hflip", 0.5),
                (JITTER, 0.8),
                ("grayscale", 0.2),
                ("blur", 0.5),
                ("solarize", 0.2),
            ],
        ),
        (Pipeline::Supervised, 0, &[("hflip", 0.5)]),
    ];
    let n = 20_000;
    for (pipeline, view, steps) in cases {
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for ops in views(pipeline, view, n) {
            let mut names: Vec<&str> = ops[2..].iter().map(Op::name).collect();
            for name in &mut names {
                if matches!(*name, "brightness" | "contrast" | "saturation" | "hue") {
                    *name = JITTER;
                }
            }
            assert!(matches!(
                names.iter().filter(|&&name| name == JITTER).count(),
                0 | 4
            ));
            names.dedup();
            let mut expected = steps.iter().map(|&(name, _)| name);
            for name in names {
                assert!(expected.any(|step| step == name), "{pipeline}: {ops:?}");
                *counts.entry(name).or_default() += 1;
            }
        }
        for &(name, p) in steps {
            assert_share(
                counts.get(name).copied().unwrap_or(0),
                n,
                p,
                &format!("{pipeline} {view} {name}"),
            );
        }
    }
}

#[test]
fn jitter_orders_are_uniform_and_values_in_range() {
    let cases = [
        (Pipeline::MocoV1, [0.4, 0.4, 0.4, 0.4]),
        (Pipeline::MocoV2, [0.4, 0.4, 0.4, 0.1]),
        (Pipeline::ByolAsymmetric, [0.4, 0.4, 0.2, 0.1]),
        (Pipeline::ByolSymmetric, [0.4, 0.4, 0.2, 0.1]),
    ];
    let cases = cases.into_iter().flat_map(|case| [(case, 0), (case, 1)]);
    for ((pipeline, [brightness, contrast, saturation, hue]), view) in cases {
        let mut orders: HashMap<Vec<&str>, u32> = HashMap::new();
        let mut values: [Vec<f64>; 4] = Default::default();
        for ops in views(pipeline, view, 24_000) {
            let mut order = Vec::new();
            for op in &ops {
                let (which, value) = match *op {
                    Op::Brightness { factor } => (0, factor),
                    Op::Contrast { factor } => (1, factor),
                    Op::Saturation { factor } => (2, factor),
                    Op::Hue { delta } => (3, delta),
                    _ => continue,
                };
                values[which].push(value);
                order.push(op.name());
            }
            if !order.is_empty() {
                *orders.entry(order).or_default() += 1;
            }
        }
        assert_eq!(orders.len(), 24);
        let n = orders.values().sum();
        for (order, count) in orders {
            assert_share(count, n, 1.0 / 24.0, &format!("{order:?}"));
        }
        assert_uniform(&values[0], 1.0 - brightness, 1.0 + brightness, "brightness");
        assert_uniform(&values[1], 1.0 - contrast, 1.0 + contrast, "contrast");
        assert_uniform(&values[2], 1.0 - saturation, 1.0 + saturation, "saturation");
        assert_uniform(&values[3], -hue, hue, "hue");
    }
}

#[test]
fn blur_sigma_is_uniform_and_the_threshold_one() {
    let cases = [
        (Pipeline::MocoV2, 0),
        (Pipeline::ByolAsymmetric, 0),
        (Pipeline::ByolAsymmetric, 1),
        (Pipeline::ByolSymmetric, 1),
    ];
    for (pipeline, view) in cases {
        let mut sigmas = Vec::new();
        for op in views(pipeline, view, 40_000).flatten() {
            match op {
                Op::Blur { sigma } => sigmas.push(sigma),
                Op::Solarize { threshold } => assert_eq!(threshold, 128),
                _ => {}
            }
        }
        assert_uniform(&sigmas, 0.1, 2.0, &format!("{pipeline} {view} sigma"));
    }
}

#[test]
fn a_view_depends_on_its_key_alone_and_views_differ() {
    let draw = |sample, view| draw_view(Pipeline::MocoV2, 500, 375, 224, key(sample, view));
    assert_eq!(draw(5, 0), draw(5, 0));
    assert_ne!(draw(5, 0), draw(5, 1));
    assert_ne!(draw(5, 0), draw(6, 0));
    assert_eq!(draw(6, 1), draw(6, 1));
}
