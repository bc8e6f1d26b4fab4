//! Views by GPU kernels against the CPU engine, byte by byte and bit by bit.

use std::sync::Arc;

use burn::tensor::Device;
use parallax_data::sample;
use parallax_gpu_views::{Packer, ViewBatch, ViewError};
use parallax_rng::{Draws, Stream};
use parallax_train::{BatchViews, DataShape, Loader, Recipe, Run};
use parallax_views::{
    Image, Op, OpError, Pipeline, ViewKey, apply_all, draw_view, write_normalized,
};

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewCounts {
    /// Lists of operations.
    pub chains: usize,
    /// Bytes of views.
    pub bytes: usize,
    /// Normalised values.
    pub numbers: usize,
}

/// Odd sides, single rows and columns, extreme aspects, images smaller and larger than a view.
const SOURCES: [(u32, u32); 11] = [
    (32, 32),
    (1, 1),
    (1, 211),
    (4000, 1),
    (2, 3999),
    (37, 53),
    (3, 300),
    (331, 5),
    (97, 64),
    (500, 375),
    (640, 421),
];

/// Noise, a gradient, stripes, or one colour.
fn image(width: u32, height: u32, draws: &mut Draws) -> Image {
    let kind = draws.below(4);
    let colour = draws.next_u32().to_le_bytes();
    let mut data = Vec::with_capacity(3 * width as usize * height as usize);
    for y in 0..height {
        for x in 0..width {
            for channel in colour.iter().take(3) {
                data.push(match kind {
                    0 => draws.below(256) as u8,
                    1 => (x * 255 / width + y * 255 / height + u32::from(*channel)) as u8,
                    2 => channel.wrapping_mul((x / 3 + y / 2) as u8),
                    _ => *channel,
                });
            }
        }
    }
    Image {
        width,
        height,
        data,
    }
}

/// A random operation on colours, with unusual parameters as well.
fn colour_op(draws: &mut Draws) -> Op {
    let factor = |draws: &mut Draws| match draws.below(6) {
        0 => 0.0,
        1 => 1.0,
        2 => draws.uniform(0.0, 20.0),
        _ => draws.uniform(0.0, 2.0),
    };
    match draws.below(8) {
        0 => Op::Hflip {},
        1 => Op::Brightness {
            factor: factor(draws),
        },
        2 => Op::Contrast {
            factor: factor(draws),
        },
        3 => Op::Saturation {
            factor: factor(draws),
        },
        4 => Op::Hue {
            delta: draws.uniform(-0.5, 0.5),
        },
        5 => Op::Grayscale {},
        6 => Op::Blur {
            sigma: draws.uniform(0.0, 2.44),
        },
        _ => Op::Solarize {
            threshold: draws.below(257) as u16,
        },
    }
}

/// Operations that no pipeline draws: crops before and after a resize, contrasts and blurs in any number and order.
fn any_chain(source: &Image, size: (u32, u32), draws: &mut Draws) -> Vec<Op> {
    let mut ops = Vec::new();
    let (width, height) = (
        1 + draws.below(source.width),
        1 + draws.below(source.height),
    );
    ops.push(Op::Crop {
        left: draws.below(source.width - width + 1),
        top: draws.below(source.height - height + 1),
        width,
        height,
    });
    let more = [draws.below(20), draws.below(20)];
    ops.push(Op::Resize {
        width: size.0 + more[0],
        height: size.1 + more[1],
    });
    if draws.below(2) == 0 {
        ops.push(Op::Hflip {});
    }
    ops.push(Op::Crop {
        left: draws.below(more[0] + 1),
        top: draws.below(more[1] + 1),
        width: size.0,
        height: size.1,
    });
    ops.extend((0..draws.below(9)).map(|_| colour_op(draws)));
    ops
}

/// Compares the views of images.
async fn compare(
    device: &Device,
    images: &[(Image, Vec<Vec<Op>>)],
    counts: &mut ViewCounts,
) -> Result<(), String> {
    let batch = pack(images).map_err(|error| error.to_string())?;
    let found = batch
        .clone()
        .pixels(device)
        .await
        .map_err(|e| e.to_string())?;
    let tensors = batch.normalized(device).map_err(|e| e.to_string())?;
    let mut numbers = Vec::new();
    for tensor in tensors {
        let data = tensor.into_data_async().await;
        let data = data.map_err(|error| format!("{error:?}"))?;
        let values: Vec<f32> = data.try_to_vec().map_err(|error| format!("{error:?}"))?;
        numbers.push(values);
    }
    if found.len() != images.len() {
        return Err(format!("{} images, not {}", found.len(), images.len()));
    }
    for (place, ((image, chains), found)) in images.iter().zip(&found).enumerate() {
        for (view, ops) in chains.iter().enumerate() {
            let expected = apply_all(image, ops).map_err(|error| error.to_string())?;
            let other = found.get(view).ok_or("a view is missing")?;
            let differing = expected.data.iter().zip(&other.data);
            let differing = differing.filter(|(a, b)| a != b).count();
            if differing > 0 || expected.data.len() != other.data.len() {
                return Err(format!(
                    "{differing} of {} bytes differ for an image of {} x {} pixels: {ops:?}",
                    expected.data.len(),
                    image.width,
                    image.height
                ));
            }
            let count = expected.data.len();
            let mut normalized = vec![0.0; count];
            write_normalized(&expected, &mut normalized).map_err(|error| error.to_string())?;
            let own = &numbers[view][place * count..(place + 1) * count];
            let differing = normalized.iter().zip(own);
            let differing = differing.filter(|(a, b)| a.to_bits() != b.to_bits());
            let differing = differing.count();
            if differing > 0 {
                return Err(format!("{differing} of {count} numbers differ: {ops:?}"));
            }
            counts.chains += 1;
            counts.bytes += count;
            counts.numbers += count;
        }
    }
    Ok(())
}

/// Checks that what the CPU engine refuses, the kernels refuse for the same reason.
fn refused(image: &Image, chains: &[Vec<Op>], error: OpError) -> Result<(), String> {
    match Packer::default().add(image, chains) {
        Err(ViewError::Op(found)) if found == error => Ok(()),
        other => Err(format!("{error}, but the kernels say {other:?}")),
    }
}

fn pack(images: &[(Image, Vec<Vec<Op>>)]) -> Result<ViewBatch, ViewError> {
    let mut packer = Packer::default();
    for (image, views) in images {
        packer.add(image, views)?;
    }
    packer.finish()
}

/// Compares views of every pipeline and of operations that no pipeline draws, `rounds` times.
///
/// # Errors
/// The first difference.
pub async fn check_gpu_views(device: &Device, rounds: u32) -> Result<ViewCounts, String> {
    let mut counts = ViewCounts::default();
    for round in 0..rounds {
        for (number, pipeline) in Pipeline::ALL.into_iter().enumerate() {
            let seed = u64::from(round);
            let mut draws = Draws::new(seed, Stream::Probe, 0, number as u32, 0);
            // The large size in every fifth case alone: software adapters are slow.
            let size = match (round + number as u32) % 5 {
                0 => 224,
                1 => 33,
                2 => 1 + draws.below(100),
                _ => 32,
            };
            let mut images = Vec::new();
            for (sample, (width, height)) in SOURCES.into_iter().enumerate() {
                let image = image(width, height, &mut draws);
                let key = |view| ViewKey {
                    seed,
                    epoch: round,
                    sample: sample as u32,
                    view,
                };
                let chain = |view| draw_view(pipeline, width, height, size, key(view));
                let chains = vec![chain(0), chain(1)];
                match apply_all(&image, &chains[0]) {
                    Ok(_) => images.push((image, chains)),
                    Err(error) => refused(&image, &chains, error)?,
                }
            }
            compare(device, &images, &mut counts).await?;
        }
        let mut draws = Draws::new(u64::from(round), Stream::Probe, 1, 0, 0);
        let size = (1 + draws.below(80), 1 + draws.below(80));
        let mut images = Vec::new();
        for (width, height) in SOURCES {
            let image = image(width, height, &mut draws);
            let chains = (0..3).map(|_| any_chain(&image, size, &mut draws));
            let chains = chains.collect();
            images.push((image, chains));
        }
        compare(device, &images, &mut counts).await?;
    }
    Ok(counts)
}

/// Trains on a GPU for some steps with views that it computed itself, and again with those of the CPU. Returns the losses,
/// which must agree bit for bit.
///
/// # Errors
/// When they differ, or the device has no kernels for views.
pub async fn check_run(device: &Device, steps: u64) -> Result<Vec<f64>, String> {
    let mut losses = Vec::new();
    for (method, out) in [("byol", 8), ("supervised", 10)] {
        let text = format!(
            "[run]\nseed = 3\nbatch_size = 16\ntotal_steps = 10\n[model]\narch = 'tiny'\nwidth = 4\n\
            [method]\nname = '{method}'\nhidden = 16\nout = {out}\n[views]\nsize = 16\n"
        );
        let recipe = Recipe::parse(&text, &[]).map_err(|error| error.to_string())?;
        let own = run_losses(&recipe, device, device, steps).await?;
        let host = run_losses(&recipe, device, &Device::flex(), steps).await?;
        let bits =
            |losses: &[f64]| -> Vec<u64> { losses.iter().map(|loss| loss.to_bits()).collect() };
        if bits(&own) != bits(&host) {
            return Err(format!(
                "{method}: losses {own:?} with the device's views, {host:?} with the CPU's"
            ));
        }
        losses.extend(own);
    }
    Ok(losses)
}

/// The losses of a run on `device` whose views are computed at `place`, as many views as the method takes.
async fn run_losses(
    recipe: &Recipe,
    device: &Device,
    place: &Device,
    steps: u64,
) -> Result<Vec<f64>, String> {
    let source = sample::train().map_err(|error| error.to_string())?;
    let loader = Loader::new(recipe, Arc::new(source), place);
    let loader = loader.map_err(|error| error.to_string())?;
    let shape = DataShape::of(loader.source().as_ref());
    let run = Run::new(recipe.clone(), shape, device);
    let mut run = run.map_err(|error| error.to_string())?;
    let mut losses = Vec::new();
    for step in 0..steps {
        let batch = loader.load(step).map_err(|error| error.to_string())?;
        let (on_device, views) = match &batch.views {
            BatchViews::Packed(packed) => (true, packed.views()),
            BatchViews::Made(made) => (false, made.len()),
            BatchViews::Several(_) => return Err("the views are of different images".to_string()),
        };
        if on_device != (place == device) {
            return Err("the views are computed in the wrong place".to_string());
        }
        if views != recipe.method.name.spec().views {
            return Err(format!("a batch has {views} views of each image"));
        }
        let report = run.step(batch).await.map_err(|error| error.to_string())?;
        losses.push(report.loss);
    }
    Ok(losses)
}
