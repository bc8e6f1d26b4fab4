//! The interface around the laws: one fixed digest of many draws, evaluation views, names.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Op, Pipeline, ViewKey, draw_view, eval_ops};

/// The bytes of an operation for the digest: its name, then its numbers bit by bit.
fn write(op: &Op, out: &mut Vec<u8>) {
    out.extend_from_slice(op.name().as_bytes());
    match *op {
        Op::Crop {
            left,
            top,
            width,
            height,
        } => {
            [left, top, width, height]
                .iter()
                .for_each(|side| out.extend_from_slice(&side.to_le_bytes()));
        }
        Op::Resize { width, height } => {
            [width, height]
                .iter()
                .for_each(|side| out.extend_from_slice(&side.to_le_bytes()));
        }
        Op::Brightness { factor: x }
        | Op::Contrast { factor: x }
        | Op::Saturation { factor: x }
        | Op::Hue { delta: x }
        | Op::Blur { sigma: x } => out.extend_from_slice(&x.to_bits().to_le_bytes()),
        Op::Solarize { threshold } => out.extend_from_slice(&threshold.to_le_bytes()),
        Op::Hflip {} | Op::Grayscale {} => {}
    }
}

/// A change of this number changes every stored run: it must not happen by accident, nor differ between platforms.
#[test]
fn digest_of_a_hundred_thousand_views() {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = Vec::new();
    for i in 0..100_000u32 {
        let pipeline = Pipeline::ALL[i as usize % 5];
        let (width, height) = (1 + i * 7 % 641, 1 + i * 13 % 487);
        let key = ViewKey {
            seed: u64::from(i) << 20 | 5,
            epoch: i % 201,
            sample: i,
            view: (i / 5 % 2) as u16,
        };
        bytes.clear();
        draw_view(pipeline, width, height, 224, key)
            .iter()
            .for_each(|op| write(op, &mut bytes));
        hasher.update(&bytes);
    }
    assert_eq!(hasher.finalize(), DIGEST);
}

const DIGEST: u32 = 3_335_589_966;

#[test]
fn evaluation_views() {
    let resize = |width, height| Op::Resize { width, height };
    let crop = |left, top, side| Op::Crop {
        left,
        top,
        width: side,
        height: side,
    };
    assert_eq!(
        eval_ops(500, 375, 224),
        [resize(341, 256), crop(58, 16, 224)]
    );
    assert_eq!(
        eval_ops(375, 500, 224),
        [resize(256, 341), crop(16, 58, 224)]
    );
    assert_eq!(eval_ops(256, 300, 224), [crop(16, 38, 224)]);
    // Halves go to even: (257 - 224) / 2 = 16.5 gives 16, (259 - 224) / 2 = 17.5 gives 18.
    assert_eq!(eval_ops(256, 257, 224), [crop(16, 16, 224)]);
    assert_eq!(eval_ops(256, 259, 224), [crop(16, 18, 224)]);
    // A picture that already fits is left alone, another of the same short side is not.
    assert_eq!(eval_ops(32, 32, 32), []);
    assert_eq!(eval_ops(224, 224, 224), []);
    assert_eq!(eval_ops(64, 32, 32), [resize(74, 37), crop(21, 2, 32)]);
}

#[test]
fn names() {
    for pipeline in Pipeline::ALL {
        assert_eq!(pipeline.to_string().parse(), Ok(pipeline));
        let json = serde_json::to_string(&pipeline).unwrap();
        assert_eq!(json, format!("\"{pipeline}\""));
        assert_eq!(serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
    }
    assert!(
        "moco"
            .parse::<Pipeline>()
            .unwrap_err()
            .to_string()
            .contains("byol-symmetric")
    );
}
