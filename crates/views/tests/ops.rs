//! What every operation promises for any image: the right size, no panic, a typed error, and its JSON.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Image, Op, OpError, Pipeline, ViewKey, apply_all, draw_view, eval_ops};
use proptest::prelude::*;

fn image(width: u32, height: u32) -> Image {
    let data = (0..3 * width * height)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    Image {
        width,
        height,
        data,
    }
}

fn images() -> impl Strategy<Value = Image> {
    (1u32..50, 1u32..50).prop_flat_map(|(width, height)| {
        prop::collection::vec(any::<u8>(), (3 * width * height) as usize).prop_map(move |data| {
            Image {
                width,
                height,
                data,
            }
        })
    })
}

/// Any value of any operation; most crops leave the image, some values are invalid.
fn any_op() -> impl Strategy<Value = Op> {
    let number = || prop_oneof![-1.0..3.0f64, any::<f64>()];
    let side = || prop_oneof![9 => 0u32..60, 1 => any::<u32>()];
    prop_oneof![
        (side(), side(), side(), side()).prop_map(|(left, top, width, height)| Op::Crop {
            left,
            top,
            width,
            height
        }),
        (side(), side()).prop_map(|(width, height)| Op::Resize { width, height }),
        Just(Op::Hflip {}),
        number().prop_map(|factor| Op::Brightness { factor }),
        number().prop_map(|factor| Op::Contrast { factor }),
        number().prop_map(|factor| Op::Saturation { factor }),
        number().prop_map(|delta| Op::Hue { delta }),
        Just(Op::Grayscale {}),
        number().prop_map(|sigma| Op::Blur { sigma }),
        any::<u16>().prop_map(|threshold| Op::Solarize { threshold }),
    ]
}

/// The size that an operation leaves, if it can be applied.
fn size_after(op: &Op, (width, height): (u32, u32)) -> (u32, u32) {
    match *op {
        Op::Crop { width, height, .. } | Op::Resize { width, height } => (width, height),
        _ => (width, height),
    }
}

proptest! {
    #[test]
    fn any_operations_give_the_right_size_or_an_error(
        image in images(),
        ops in prop::collection::vec(any_op(), 0..6),
    ) {
        let mut current = image.clone();
        let mut failed = None;
        for op in &ops {
            let size = size_after(op, (current.width, current.height));
            match op.apply(&current) {
                Ok(out) => {
                    prop_assert_eq!((out.width, out.height), size);
                    prop_assert_eq!(out.data.len(), (3 * size.0 * size.1) as usize);
                    current = out;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        match (apply_all(&image, &ops), failed) {
            (Ok(out), None) => prop_assert_eq!(out, current),
            (Err(error), Some(expected)) => prop_assert_eq!(format!("{error}"), format!("{expected}")),
            (found, expected) => prop_assert!(false, "{:?}, one by one {:?}", found, expected),
        }
    }

    #[test]
    fn every_view_of_any_image_can_be_made(image in images(), seed: u64, sample: u32, view in 0u16..2, size in 1u32..40) {
        for pipeline in Pipeline::ALL {
            let key = ViewKey { seed, epoch: 0, sample, view };
            let ops = draw_view(pipeline, image.width, image.height, size, key);
            let out = apply_all(&image, &ops).unwrap();
            prop_assert_eq!((out.width, out.height), (size, size));
        }
        let out = apply_all(&image, &eval_ops(image.width, image.height, size)).unwrap();
        prop_assert_eq!((out.width, out.height), (size, size));
    }

    #[test]
    fn sampling_never_panics(width: u32, height: u32, size: u32, seed: u64, view: u16) {
        for pipeline in Pipeline::ALL {
            draw_view(pipeline, width, height, size, ViewKey { seed, epoch: 0, sample: 0, view });
        }
        eval_ops(width, height, size);
    }
}

#[test]
fn identities() {
    let image = image(13, 9);
    let same = [
        Op::Crop {
            left: 0,
            top: 0,
            width: 13,
            height: 9,
        },
        Op::Resize {
            width: 13,
            height: 9,
        },
        Op::Brightness { factor: 1.0 },
        Op::Contrast { factor: 1.0 },
        Op::Saturation { factor: 1.0 },
        Op::Blur { sigma: 0.0 },
        Op::Solarize { threshold: 256 },
    ];
    assert_eq!(apply_all(&image, &same).unwrap(), image);
    assert_eq!(
        apply_all(&image, &[Op::Hflip {}, Op::Hflip {}]).unwrap(),
        image
    );
    assert_eq!(apply_all(&image, &[]).unwrap(), image);
}

#[test]
fn errors() {
    let apply = |op: Op| op.apply(&image(13, 9)).unwrap_err();
    let outside = apply(Op::Crop {
        left: 4,
        top: 0,
        width: 10,
        height: 9,
    });
    assert!(matches!(
        outside,
        OpError::CropOutside {
            image_width: 13,
            ..
        }
    ));
    assert_eq!(
        outside.to_string(),
        "crop: 10 x 9 pixels at column 4, row 0 are not inside 13 x 9"
    );
    assert!(matches!(
        apply(Op::Crop {
            left: u32::MAX,
            top: 0,
            width: 1,
            height: 1
        }),
        OpError::CropOutside { .. }
    ));
    assert!(matches!(
        apply(Op::Crop {
            left: 0,
            top: 0,
            width: 0,
            height: 1
        }),
        OpError::Size { what: "crop", .. }
    ));
    assert!(matches!(
        apply(Op::Resize {
            width: 8,
            height: 0
        }),
        OpError::Size { what: "resize", .. }
    ));
    assert!(matches!(
        apply(Op::Resize {
            width: 1 << 17,
            height: 1
        }),
        OpError::Size { .. }
    ));
    assert!(matches!(
        apply(Op::Resize {
            width: 1 << 16,
            height: 1 << 16
        }),
        OpError::Size { .. }
    ));
    for factor in [-0.1, f64::NAN, f64::INFINITY, 1e300] {
        assert!(matches!(
            apply(Op::Contrast { factor }),
            OpError::Parameter { op: "contrast", .. }
        ));
    }
    assert_eq!(
        apply(Op::Hue { delta: 0.6 }).to_string(),
        "hue: delta is 0.6, but must lie between -0.5 and 0.5"
    );
    assert!(matches!(
        apply(Op::Blur { sigma: -1.0 }),
        OpError::Parameter { .. }
    ));
    assert!(matches!(
        apply(Op::Solarize { threshold: 257 }),
        OpError::Parameter { .. }
    ));

    let short = Image {
        width: 2,
        height: 2,
        data: vec![0; 11],
    };
    assert!(matches!(
        apply_all(&short, &[]),
        Err(OpError::ImageLength {
            expected: 12,
            found: 11,
            ..
        })
    ));
    let empty = Image {
        width: 0,
        height: 2,
        data: vec![],
    };
    assert!(matches!(
        Op::Hflip {}.apply(&empty),
        Err(OpError::Size { what: "input", .. })
    ));
}

/// The text that the command line takes.
#[test]
fn json() {
    let text = concat!(
        r#"[{"op":"crop","left":3,"top":2,"width":13,"height":11},{"op":"resize","width":224,"height":224},"#,
        r#"{"op":"hflip"},{"op":"brightness","factor":1.2},{"op":"contrast","factor":0.8},"#,
        r#"{"op":"saturation","factor":1.1},{"op":"hue","delta":-0.05},{"op":"grayscale"},"#,
        r#"{"op":"blur","sigma":0.7},{"op":"solarize","threshold":128}]"#
    );
    let ops: Vec<Op> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&ops).unwrap(), text);
    // Every operation's name is its tag.
    for (op, value) in ops
        .iter()
        .zip(serde_json::from_str::<Vec<serde_json::Value>>(text).unwrap())
    {
        assert_eq!(value["op"], op.name());
    }
    for wrong in [
        r#"{"op":"hflip","p":1}"#,
        r#"{"op":"blur","sigma":1,"radius":2}"#,
        r#"{"op":"blur"}"#,
        r#"{"op":"rotate"}"#,
        r#"{"op":"crop","left":-1,"top":0,"width":1,"height":1}"#,
    ] {
        assert!(serde_json::from_str::<Op>(wrong).is_err(), "{wrong}");
    }
}
