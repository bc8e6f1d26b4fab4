//! `parallax detect show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::find::{SHOWN, find, name, shapes};
use super::kind::Detection;
use crate::data::walk::read_upright;
use crate::device;
use crate::png;
use crate::transfer::{Shown, Weights, draw};
use crate::usage::BadArgument;
use crate::whole::write_whole;

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    shown: Shown,
    /// Draw detections from this score on
    #[arg(long, default_value_t = SHOWN, value_name = "SCORE")]
    score: f32,
}

/// Draws what a model finds in an image, and lists it.
pub fn run(arguments: &Show) -> Result<()> {
    let Show { shown, score } = arguments;
    if !shown.input.is_file() {
        let message = format!("there is no image {}", shown.input.display());
        return Err(BadArgument(message).into());
    }
    let weights = Weights::read(&shown.given)?;
    let opened = device::open(&shown.given.on.device)?;
    let mut network = weights.network::<Detection>(&opened.device)?;
    let image = read_upright(&shown.input)?;
    let found = find(&mut network, &image, &opened.device)?;
    let classes = weights.classes.unwrap_or_default();
    let drawn = draw::objects(&image, &shapes(&found, &classes, *score));
    write_whole(&shown.out, &png::encode(&drawn)?)?;
    let kept: Vec<_> = found
        .iter()
        .map(|found| &found.detection)
        .filter(|detection| detection.score >= *score)
        .collect();
    if shown.json {
        let lines = kept.iter().map(|detection| {
            json!({
                "category": name(&classes, detection.class),
                "box": detection.corners,
                "score": detection.score,
            })
        });
        println!("{}", serde_json::Value::from_iter(lines));
        return Ok(());
    }
    println!(
        "{:<24} {:>6} {:>8} {:>8} {:>8} {:>8}",
        "class", "score", "x1", "y1", "x2", "y2"
    );
    for detection in &kept {
        let [x1, y1, x2, y2] = detection.corners;
        let (class, score) = (name(&classes, detection.class), detection.score);
        println!("{class:<24} {score:>6.2} {x1:>8.1} {y1:>8.1} {x2:>8.1} {y2:>8.1}");
    }
    if kept.len() < found.len() {
        let hidden = found.len() - kept.len();
        println!("{hidden} more below a score of {score}");
    }
    println!("{}", shown.out.display());
    Ok(())
}
