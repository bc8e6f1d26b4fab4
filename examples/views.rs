//! Draws pairs of views of an image and writes them as PNG files, with the operations that made them.
//!
//!     cargo run --release --example views -- cat.jpg views/ byol-asymmetric

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use parallax_data::decode;
use parallax_views::{Pipeline, ViewKey, apply_all};

const PAIRS: u32 = 4;
const SIDE: u32 = 224;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: views IMAGE FOLDER [PIPELINE]";
    let file = arguments.next().context(usage)?;
    let out = PathBuf::from(arguments.next().context(usage)?);
    let pipeline: Pipeline = arguments.next().as_deref().unwrap_or("moco-v2").parse()?;

    let image = decode(&std::fs::read(&file)?, &file)?;
    std::fs::create_dir_all(&out)?;
    for epoch in 0..PAIRS {
        for view in 0..2 {
            // The same key draws the same view everywhere: natively, in a browser, on a GPU.
            let key = ViewKey {
                seed: 0,
                epoch,
                sample: 0,
                view,
            };
            let ops = pipeline
                .policy(view)
                .draw(image.width, image.height, SIDE, key);
            let made = apply_all(&image, &ops)?;
            let path = out.join(format!("{epoch}-{view}.png"));
            image::save_buffer(
                &path,
                &made.data,
                made.width,
                made.height,
                image::ColorType::Rgb8,
            )?;
            println!("{}: {ops:?}", path.display());
        }
    }
    Ok(())
}
