//! The interface around the policies: evaluation views, names.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Op, Pipeline, ViewKey, draw_view, eval_ops};

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
    // An image that already fits is left alone, another of the same short side is not.
    assert_eq!(eval_ops(32, 32, 32), []);
    assert_eq!(eval_ops(224, 224, 224), []);
    assert_eq!(eval_ops(64, 32, 32), [resize(74, 37), crop(21, 2, 32)]);
    // As a pipeline it is the same, whatever the key.
    for (seed, view) in [(0, 0), (7, 1)] {
        let key = ViewKey {
            seed,
            epoch: 1,
            sample: 2,
            view,
        };
        assert_eq!(
            draw_view(Pipeline::Eval, 500, 375, 224, key),
            eval_ops(500, 375, 224)
        );
    }
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
