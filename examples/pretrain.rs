//! Pre-trains on a folder of images and evaluates the features on every fifth image, which training does not see.
//!
//!     cargo run --release --example pretrain -- images/ checkpoint/ run.epochs=10 method.name=byol
//!
//! `images/CLASS/*` are JPEG, PNG or WebP files; `checkpoint/` takes the weights. Every value of the recipe can be overridden.

mod folder;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_data::{Source, hold_out};
use parallax_train::{Control, DataShape, Driver, Due, Loader, Recipe, Run, final_table};
use pollster::block_on;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: pretrain FOLDER CHECKPOINT [section.key=value]...";
    let images = PathBuf::from(arguments.next().context(usage)?);
    let out = PathBuf::from(arguments.next().context(usage)?);
    let recipe = Recipe::named("demo", &arguments.collect::<Vec<_>>())?;

    let device = Device::flex(); // the CPU
    let (train, test) = hold_out(&folder::read(&images)?)?;
    let train: Arc<dyn Source> = Arc::new(train);
    let loader = Loader::new(&recipe, Arc::clone(&train), &device)?;
    let data = DataShape::of(train.as_ref());
    let mut driver = Driver::new(&recipe, data, 0);
    let mut run = Run::new(recipe, data, &device)?;
    loop {
        match driver.next(run.step_index(), Control::default()) {
            Due::Step => {
                let batch = loader.load(run.step_index())?;
                let report = block_on(run.step(batch))?;
                println!(
                    "step {:>5}  loss {:.4}  lr {:.5}",
                    report.step, report.loss, report.lr
                );
            }
            Due::Probe => {}
            Due::Checkpoint => {
                fs::create_dir_all(&out)?;
                for (name, bytes) in &block_on(run.checkpoint())?.files {
                    fs::write(out.join(name), bytes)?;
                }
            }
            Due::Evaluate => {
                let (online, random) = (run.online(), run.random_backbone());
                let sources = (train.as_ref(), &test as &dyn Source);
                let table = final_table(online, &random, sources, run.recipe(), &device);
                for row in block_on(table)? {
                    println!("{}: {:?}", row.encoder.label(), row.metrics);
                }
            }
            Due::Done => return Ok(()),
        }
    }
}
