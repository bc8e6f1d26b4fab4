//! Policies with other parameters than the paper's, as a visitor of the page sets them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use parallax_views::{CropSpec, Op, Pipeline, Policy, PolicyError, Step, ViewKey};

fn policy(crop: CropSpec, steps: &[Step]) -> Policy {
    Policy {
        crop,
        steps: steps.to_vec().into(),
    }
}

fn key(sample: u32) -> ViewKey {
    ViewKey {
        seed: 3,
        epoch: 0,
        sample,
        view: 0,
    }
}

#[test]
fn draws_stay_in_the_ranges_of_the_policy() {
    let policy = policy(
        CropSpec::RandomCrop {
            area: (0.3, 0.4),
            aspect: (2.0, 3.0),
        },
        &[
            Step::Blur {
                p: 1.0,
                sigma: (4.0, 5.0),
            },
            Step::Solarize {
                p: 1.0,
                threshold: 77,
            },
            Step::Jitter {
                p: 1.0,
                brightness: 2.0,
                contrast: 0.0,
                saturation: 0.0,
                hue: 0.5,
            },
        ],
    );
    policy.check().unwrap();
    let mut dark = 0;
    for sample in 0..2000 {
        let ops = policy.draw(4000, 4000, 96, key(sample));
        let Op::Crop { width, height, .. } = ops[0] else {
            panic!("no crop first: {ops:?}")
        };
        let (w, h) = (f64::from(width), f64::from(height));
        assert!((0.299..=0.401).contains(&(w * h / 16e6)), "{ops:?}");
        assert!((1.99..=3.01).contains(&(w / h)), "{ops:?}");
        assert!(matches!(ops[2], Op::Blur { sigma } if (4.0..=5.0).contains(&sigma)));
        assert_eq!(ops[3], Op::Solarize { threshold: 77 });
        for op in &ops[4..] {
            match *op {
                // From max(0, 1 - 2) = 0 to 3: a third lies below 1.
                Op::Brightness { factor } => {
                    assert!((0.0..=3.0).contains(&factor));
                    dark += u32::from(factor < 1.0);
                }
                Op::Contrast { factor } | Op::Saturation { factor } => assert_eq!(factor, 1.0),
                Op::Hue { delta } => assert!((-0.5..=0.5).contains(&delta)),
                _ => panic!("{ops:?}"),
            }
        }
    }
    assert!((560..=775).contains(&dark), "{dark}");
}

#[test]
fn a_crop_that_never_fits_keeps_a_pixel_inside_the_image() {
    let policy = policy(
        CropSpec::RandomCrop {
            area: (1.0, 1.0),
            aspect: (900.0, 1000.0),
        },
        &[],
    );
    policy.check().unwrap();
    for (width, height) in [(1, 1), (5, 900), (900, 5)] {
        let Op::Crop {
            left,
            top,
            width: w,
            height: h,
        } = policy.draw(width, height, 8, key(0))[0]
        else {
            panic!("no crop first")
        };
        assert!(w >= 1 && h >= 1 && left + w <= width && top + h <= height);
    }
}

#[test]
fn the_policies_of_the_paper_are_in_range_and_survive_json() {
    for pipeline in Pipeline::ALL {
        for view in [0, 1] {
            let policy = pipeline.policy(view);
            policy.check().unwrap();
            let text = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        }
    }
}

#[test]
fn json_is_the_documented_one() {
    let text = r#"{"crop":{"kind":"random-crop","area":[0.2,1.0],"aspect":[0.75,1.3333333333333333]},"steps":[{"step":"flip","p":0.5}]}"#;
    let policy: Policy = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    assert!(
        serde_json::from_str::<Policy>(r#"{"crop":{"kind":"central"},"steps":[],"more":1}"#)
            .is_err()
    );
    assert!(serde_json::from_str::<Step>(r#"{"step":"flip","p":0.5,"q":1}"#).is_err());
}

#[test]
fn parameters_out_of_range_are_named() {
    let crop = |area, aspect| policy(CropSpec::RandomCrop { area, aspect }, &[]);
    let steps = |step| policy(CropSpec::Central {}, &[step]);
    let blur = |p, sigma| steps(Step::Blur { p, sigma });
    let cases = [
        (crop((0.0, 1.0), (1.0, 1.0)), "crop area is 0"),
        (crop((0.2, 1.5), (1.0, 1.0)), "crop area is 1.5"),
        (crop((0.2, f64::NAN), (1.0, 1.0)), "crop area is NaN"),
        (
            crop((0.9, 0.2), (1.0, 1.0)),
            "the minimum must not exceed the maximum",
        ),
        (crop((0.2, 1.0), (0.0, 1.0)), "crop aspect is 0"),
        (blur(1.1, (0.1, 2.0)), "blur probability is 1.1"),
        (blur(1.0, (-1.0, 2.0)), "blur sigma is -1"),
        (steps(Step::Flip { p: -0.1 }), "flip probability is -0.1"),
        (
            steps(Step::Solarize {
                p: 0.2,
                threshold: 257,
            }),
            "solarize threshold is 257",
        ),
    ];
    for (policy, words) in cases {
        let error: PolicyError = policy.check().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
