//! Packing of any image with any operations, without a device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use parallax_gpu_views::{Packer, ViewError};
use parallax_views::{Image, Op, Pipeline, ViewKey, apply_all, draw_view};
use proptest::prelude::*;

fn any_op() -> impl Strategy<Value = Op> {
    let side = 0u32..40;
    prop_oneof![
        (side.clone(), side.clone(), side.clone(), side.clone()).prop_map(
            |(left, top, width, height)| Op::Crop {
                left,
                top,
                width,
                height
            }
        ),
        (side.clone(), side).prop_map(|(width, height)| Op::Resize { width, height }),
        Just(Op::Hflip {}),
        any::<f64>().prop_map(|factor| Op::Brightness { factor }),
        (0.0..3.0f64).prop_map(|factor| Op::Contrast { factor }),
        (0.0..3.0f64).prop_map(|factor| Op::Saturation { factor }),
        (-0.6..0.6f64).prop_map(|delta| Op::Hue { delta }),
        Just(Op::Grayscale {}),
        (0.0..4.0f64).prop_map(|sigma| Op::Blur { sigma }),
        (0u16..300).prop_map(|threshold| Op::Solarize { threshold }),
    ]
}

fn image(width: u32, height: u32) -> Image {
    Image {
        width,
        height,
        data: vec![7; 3 * width as usize * height as usize],
    }
}

fn refused(ops: &[Op]) -> ViewError {
    let mut packer = Packer::default();
    packer.add(&image(40, 30), &[ops.to_vec()]).unwrap_err()
}

proptest! {
    #[test]
    fn what_the_cpu_accepts_is_packed_or_beyond_the_limits_of_the_gpu(
        width in 1u32..50,
        height in 1u32..50,
        ops in prop::collection::vec(any_op(), 0..8),
    ) {
        let source = image(width, height);
        let mut packer = Packer::default();
        let added = packer.add(&source, std::slice::from_ref(&ops));
        match (apply_all(&source, &ops), added) {
            (Ok(view), Ok(())) => {
                let batch = packer.finish().unwrap();
                prop_assert_eq!(batch.size(), (view.width, view.height));
                prop_assert_eq!((batch.images(), batch.views()), (1, 1));
                let cost = batch.cost();
                prop_assert!(cost.read + cost.written >= cost.minimum);
            }
            (Ok(_), Err(error)) => prop_assert!(error.is_gpu_limit(), "{error}"),
            // Packing reports the same error, or refuses an earlier operation.
            (Err(error), Err(own)) => {
                prop_assert!(own == ViewError::Op(error) || own.is_gpu_limit(), "{own}");
            }
            (Err(error), Ok(())) => prop_assert!(false, "packed in spite of {error}"),
        }
    }

    #[test]
    fn every_pipeline_is_packed(
        width in 1u32..700,
        height in 1u32..700,
        size in 1u32..300,
        seed in any::<u64>(),
    ) {
        let source = image(width, height);
        for pipeline in Pipeline::ALL {
            let mut packer = Packer::default();
            let key = |view| ViewKey { seed, epoch: 0, sample: 0, view };
            let views = [0, 1].map(|view| draw_view(pipeline, width, height, size, key(view)));
            match packer.add(&source, &views) {
                Ok(()) => {}
                // The crop of evaluation can be larger than the image.
                Err(ViewError::Op(_)) => prop_assert!(apply_all(&source, &views[0]).is_err()),
                Err(error) => prop_assert!(false, "{pipeline}: {error}"),
            }
        }
    }
}

#[test]
fn refusals_name_the_operation() {
    let resize = |side| Op::Resize {
        width: side,
        height: side,
    };
    let crop = Op::Crop {
        left: 1,
        top: 1,
        width: 8,
        height: 8,
    };
    let order = |op, after| ViewError::Order { op, after };
    assert_eq!(refused(&[resize(9), resize(8)]), order("resize", "resize"));
    assert_eq!(
        refused(&[Op::Hflip {}, resize(9)]),
        order("resize", "hflip")
    );
    assert_eq!(
        refused(&[Op::Grayscale {}, crop]),
        order("crop", "grayscale")
    );
    assert_eq!(
        refused(&[Op::Blur { sigma: 2.5 }]),
        ViewError::Blur { sigma: 2.5 }
    );
}

#[test]
fn a_batch_is_even_and_not_empty() {
    assert_eq!(Packer::default().finish().unwrap_err(), ViewError::Empty);
    let mut packer = Packer::default();
    assert_eq!(packer.add(&image(4, 4), &[]), Err(ViewError::Empty));
    packer.add(&image(4, 4), &[vec![], vec![]]).unwrap();
    for views in [vec![vec![]], vec![vec![]; 3]] {
        let error = packer.add(&image(4, 4), &views).unwrap_err();
        assert!(
            matches!(error, ViewError::Uneven { image: 1, .. }),
            "{error}"
        );
    }
    let error = packer.add(&image(4, 5), &[vec![], vec![]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "view 0 of image 1 is 4 x 5 pixels, but the first one is 4 x 4 pixels"
    );
}

/// Chunks of a batch hold at most 128 MiB each, and together every image.
#[test]
fn large_batches_are_split_into_chunks() {
    let source = image(4000, 4000);
    let view = vec![Op::Resize {
        width: 8,
        height: 8,
    }];
    let mut packer = Packer::default();
    for _ in 0..5 {
        packer.add(&source, std::slice::from_ref(&view)).unwrap();
    }
    let batch = packer.finish().unwrap();
    // Two images of 48 MB in a chunk, and two launches for each.
    assert_eq!(batch.cost().dispatches, 6);
    assert_eq!(batch.images(), 5);
    assert!(batch.cost().shared <= 16 << 10);
}

/// A second view of an image adds its encoded operations alone: pixels are uploaded once for both.
#[test]
fn both_views_share_the_uploaded_pixels() {
    let source = image(301, 203);
    let pixels = 301 * 203 * 3;
    let uploaded = |views: &[Vec<Op>]| {
        let mut packer = Packer::default();
        packer.add(&source, views).unwrap();
        packer.finish().unwrap().cost().uploaded
    };
    let view = vec![Op::Resize {
        width: 32,
        height: 32,
    }];
    let mut other = view.clone();
    other.extend([Op::Hflip {}, Op::Brightness { factor: 1.3 }]);
    let (one, both) = (
        uploaded(std::slice::from_ref(&view)),
        uploaded(&[view, other]),
    );
    assert!(one >= pixels, "{one}");
    assert!(both > one && both - one < pixels / 10, "{one}, {both}");
}
