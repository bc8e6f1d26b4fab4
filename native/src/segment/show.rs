//! `parallax segment show`.

use anyhow::Result;
use serde_json::{Value, json};

use super::find::find;
use super::kind::Segmentation;
use crate::data::annotated::SegmentationFolder;
use crate::data::walk::read_upright;
use crate::device;
use crate::png;
use crate::transfer::{Shown, Weights, draw};
use crate::usage::BadArgument;
use crate::whole::write_whole;

/// Draws the classes of an image's pixels, and lists them.
pub fn run(shown: &Shown) -> Result<()> {
    if !shown.input.is_file() {
        let message = format!("there is no image {}", shown.input.display());
        return Err(BadArgument(message).into());
    }
    let weights = Weights::read(&shown.given)?;
    let opened = device::open(&shown.given.on.device)?;
    let mut network = weights.network::<Segmentation>(&opened.device)?;
    let image = read_upright(&shown.input)?;
    let found = find(&mut network, &image, &opened.device)?;
    let classes = match weights.classes {
        Some(classes) => classes,
        None => SegmentationFolder::classes(),
    };
    let drawn = draw::classes(&image, &found, &classes);
    write_whole(&shown.out, &png::encode(&drawn)?)?;
    let mut pixels = vec![0u64; classes.len()];
    for class in &found {
        if let Some(count) = pixels.get_mut(usize::from(*class)) {
            *count += 1;
        }
    }
    let present = classes.iter().zip(&pixels).filter(|(_, count)| **count > 0);
    if shown.json {
        let lines = present.map(|(name, count)| json!({"class": name, "pixels": count}));
        println!("{}", Value::from_iter(lines));
        return Ok(());
    }
    println!("{:<24} {:>8}", "class", "% pixels");
    for (name, count) in present {
        println!(
            "{name:<24} {:>8.1}",
            100.0 * *count as f64 / found.len().max(1) as f64
        );
    }
    println!("{}", shown.out.display());
    Ok(())
}
