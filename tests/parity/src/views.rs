//! Views are the same bits natively and in a tab.

use std::sync::Arc;

use burn::tensor::Device;
use parallax_data::sample;
use parallax_train::{BatchViews, Loader, Recipe};
use parallax_views::{Op, Pipeline, ViewKey, draw_view};

/// What [`views_digest`] gives everywhere. It changes when a view changes, and so every stored run with it.
pub const VIEWS: u32 = 2_552_791_875;

/// A digest of the first batches that recipes with every pipeline of training make from the embedded sample: order,
/// draws, pixels and normalisation.
///
/// # Errors
/// When a batch cannot be made.
pub fn views_digest() -> Result<u32, String> {
    let source = sample::train().map_err(|error| error.to_string())?;
    let source = Arc::new(source);
    let mut hasher = crc32fast::Hasher::new();
    for pipeline in Pipeline::ALL {
        // Evaluation draws nothing to train on.
        if pipeline == Pipeline::Eval {
            continue;
        }
        let text = format!(
            "[run]\nseed = 11\nbatch_size = 32\n[method]\nname = 'byol'\n[views]\npipeline = '{pipeline}'\n"
        );
        let recipe = Recipe::parse(&text, &[]).map_err(|error| error.to_string())?;
        let loader = Loader::new(&recipe, source.clone(), &Device::flex());
        let loader = loader.map_err(|error| error.to_string())?;
        // The steps 61 to 64 lie in the first pass and in the second.
        for step in [0, 1, 61, 62, 63, 64] {
            let batch = loader.load(step).map_err(|error| error.to_string())?;
            let BatchViews::Made(views) = &batch.views else {
                return Err("the loader of a CPU makes views itself".to_string());
            };
            for value in views.iter().flatten() {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
    }
    Ok(hasher.finalize())
}

/// What [`draws_digest`] gives everywhere, pipeline by pipeline. A change of one changes every stored run of it.
pub const DRAWS: [u32; 6] = [
    1_304_281_680,
    3_345_453_500,
    3_855_691_304,
    2_423_328_310,
    957_368_336,
    2_421_242_921,
];

/// A digest of a million drawn views of each pipeline: the parameters of every operation, bit by bit.
pub fn draws_digest() -> [u32; 6] {
    Pipeline::ALL.map(|pipeline| {
        let mut hasher = crc32fast::Hasher::new();
        let mut bytes = Vec::new();
        for i in 0..1_000_000u32 {
            // Images of all shapes, down to one pixel; seeds beyond 32 bits; both views.
            let (width, height) = (1 + i * 7 % 641, 1 + i * 13 % 487);
            let key = ViewKey {
                seed: u64::from(i) << 20 | 5,
                epoch: i % 201,
                sample: i,
                view: (i % 2) as u16,
            };
            for op in draw_view(pipeline, width, height, 224, key) {
                write(&op, &mut bytes);
            }
            if bytes.len() > 1 << 16 {
                hasher.update(&bytes);
                bytes.clear();
            }
        }
        hasher.update(&bytes);
        hasher.finalize()
    })
}

/// An operation for the digest: its name, then its numbers bit by bit.
fn write(op: &Op, out: &mut Vec<u8>) {
    out.extend_from_slice(op.name().as_bytes());
    let mut put = |numbers: &[u32]| {
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
    };
    match *op {
        Op::Crop {
            left,
            top,
            width,
            height,
        } => put(&[left, top, width, height]),
        Op::Resize { width, height } => put(&[width, height]),
        Op::Brightness { factor: x }
        | Op::Contrast { factor: x }
        | Op::Saturation { factor: x }
        | Op::Hue { delta: x }
        | Op::Blur { sigma: x } => put(&[x.to_bits() as u32, (x.to_bits() >> 32) as u32]),
        Op::Solarize { threshold } => put(&[u32::from(threshold)]),
        Op::Hflip {} | Op::Grayscale {} => {}
    }
}
