//! Traces of segmenters.

use anyhow::{Result, ensure};
use burn::module::Module as _;
use parallax_transfer::{Labelled, Segmenter, TransferRecipe, TransferRun};

use super::{Traced, TransferTrace, batches, dump, image, open, tests, trace};
use crate::transfer_op::tensors::{Inputs, Outputs};

/// Runs the steps of a segmenter.
pub fn run(arguments: &TransferTrace, recipe: TransferRecipe, inputs: &Inputs) -> Result<()> {
    let device = open(arguments)?;
    let fresh = Segmenter::new(&recipe, &device)?;
    trace(arguments, TransferRun::new(recipe, fresh, &device), inputs)
}

impl Traced for Segmenter {
    fn batches(inputs: &Inputs, _recipe: &TransferRecipe) -> Result<Vec<Vec<Labelled>>> {
        batches(inputs, |number| labelled(inputs, number))
    }

    fn dump(
        run: &TransferRun<Self>,
        batch: &Vec<Labelled>,
        inputs: &Inputs,
        out: &mut Outputs,
    ) -> Result<()> {
        test_images(run, inputs, out)?;
        let device = run.device().clone().inner();
        let mut model = run.model().valid();
        let pass = model.pass(run.plan(), batch, run.mode(), &device)?;
        dump::plain(out, "image", &pass.images)?;
        dump::channels_first(out, "features.res5", &pass.features)?;
        dump::channels_first(out, "aspp", &pass.aspp)?;
        dump::channels_first(out, "sem_seg.logits", &pass.logits)
    }
}

/// An image with its labels.
fn labelled(inputs: &Inputs, number: &str) -> Result<Labelled> {
    let image = image(inputs, &format!("image.{number}"))?;
    let size = [image.height, image.width].map(|side| Some(side as usize));
    let labels = inputs.get(&format!("sem_seg.{number}"), &size)?;
    Ok(Labelled {
        image,
        labels: labels.values.iter().map(|&label| label as u8).collect(),
    })
}

/// Logits and classes of the test images by the given weights.
fn test_images(run: &TransferRun<Segmenter>, inputs: &Inputs, out: &mut Outputs) -> Result<()> {
    let device = run.device().clone().inner();
    let mut model = run.model().valid();
    for (number, (image, output)) in tests(inputs)?.into_iter().enumerate() {
        let [height, width] = output.map(|side| side as usize);
        ensure!(height * width > 0, "'test.size.{number}' is empty");
        let logits = model.logits(run.plan(), &image, output, &device)?;
        let classes = logits.clone().argmax(3).into_data();
        let [_, rows, columns, count] = logits.dims();
        let logits = logits.permute([0, 3, 1, 2]).reshape([count, rows, columns]);
        dump::plain(out, &format!("test.{number}.logits"), &logits)?;
        let name = format!("test.{number}.sem_seg");
        out.integers_of(&name, &[height, width], classes.iter::<i64>().collect());
    }
    Ok(())
}
