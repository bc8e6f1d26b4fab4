//! Traces of detectors.

use anyhow::{Context as _, Result};
use burn::module::Module as _;
use parallax_boxes::Corners;
use parallax_transfer::detector::{Pass, PassOptions, in_order};
use parallax_transfer::{Detector, Example, Ranking, TransferRecipe, TransferRun};
use pollster::block_on;

use super::{Traced, TransferTrace, batches, dump, image, open, tests, trace};
use crate::transfer_op::tensors::{Inputs, Outputs};

/// Runs the steps of a detector.
pub fn run(arguments: &TransferTrace, recipe: TransferRecipe, inputs: &Inputs) -> Result<()> {
    let device = open(arguments)?;
    let fresh = Detector::new(&recipe, &device)?;
    trace(arguments, TransferRun::new(recipe, fresh, &device), inputs)
}

impl Traced for Detector {
    fn batches(inputs: &Inputs, recipe: &TransferRecipe) -> Result<Vec<Vec<Example>>> {
        let masks = recipe.has_masks();
        batches(inputs, |number| example(inputs, number, masks))
    }

    fn dump(
        run: &TransferRun<Self>,
        batch: &Vec<Example>,
        inputs: &Inputs,
        out: &mut Outputs,
    ) -> Result<()> {
        test_images(run, inputs, out)?;
        let options = PassOptions {
            ranking: Ranking::Keys,
            mode: run.mode(),
            keep: true,
        };
        let mut model = run.model().clone();
        let pass = block_on(model.pass(run.plan(), batch, options, run.device()))?;
        boxes(&pass, out);
        let Some(tensors) = &pass.tensors else {
            return Ok(());
        };
        dump::plain(out, "image", &tensors.images)?;
        let names = match tensors.maps.len() {
            1 => vec!["res4".to_string()],
            levels => (2..levels + 2).map(|level| format!("p{level}")).collect(),
        };
        for (map, name) in tensors.maps.iter().zip(names) {
            dump::channels_first(out, &format!("features.{name}"), map)?;
        }
        dump::plain(out, "rpn.logits", &tensors.rpn.logits)?;
        dump::plain(out, "rpn.deltas", &tensors.rpn.deltas)?;
        if let Some(boxes) = &tensors.boxes {
            let pooled = boxes.pooled.clone().permute([0, 3, 1, 2]);
            dump::rows(out, "roi.pooled", &pooled, &boxes.order)?;
            dump::rows(out, "roi.logits", &boxes.logits, &boxes.order)?;
            dump::rows(out, "roi.deltas", &boxes.deltas, &boxes.order)?;
        }
        if let Some((logits, targets, order)) = &tensors.masks {
            let logits = logits.clone().permute([0, 3, 1, 2]);
            let [count, _, height, width] = logits.dims();
            dump::rows(out, "mask.logits", &logits, order)?;
            let targets = in_order(targets, order);
            out.bytes("mask.targets", &[count, height, width], targets);
        }
        Ok(())
    }
}

/// What was decided on the CPU.
fn boxes(pass: &Pass, out: &mut Outputs) {
    out.boxes("anchors", &pass.anchors);
    let shape = [pass.anchor_targets.len(), pass.anchors.len()];
    let (mut matches, mut labels, mut sampled) = (Vec::new(), Vec::new(), Vec::new());
    for targets in &pass.anchor_targets {
        matches.extend(targets.matches.iter().map(|found| found.object as i64));
        labels.extend(targets.matches.iter().map(|found| found.label));
        let mut taken = vec![-1; pass.anchors.len()];
        targets
            .sampled
            .positive
            .iter()
            .for_each(|&at| taken[at] = 1);
        targets
            .sampled
            .negative
            .iter()
            .for_each(|&at| taken[at] = 0);
        sampled.extend(taken);
    }
    out.integers_of("rpn.matches", &shape, matches);
    out.integers_of("rpn.labels", &shape, labels);
    out.integers_of("rpn.sampled", &shape, sampled);
    for (image, proposals) in pass.proposals.iter().enumerate() {
        let corners: Vec<Corners> = proposals.iter().map(|found| found.corners).collect();
        let logits = proposals.iter().map(|found| found.logit);
        out.boxes(&format!("proposals.{image}.boxes"), &corners);
        out.floats(
            &format!("proposals.{image}.logits"),
            &[corners.len()],
            logits,
        );
    }
    for (image, regions) in pass.regions.iter().enumerate() {
        let classes = regions.classes.iter().map(|&class| class as i64);
        out.boxes(&format!("rois.{image}.boxes"), &regions.corners);
        out.integers(&format!("rois.{image}.classes"), classes);
    }
}

/// Detections in the test images by the given weights.
fn test_images(run: &TransferRun<Detector>, inputs: &Inputs, out: &mut Outputs) -> Result<()> {
    let device = run.device().clone().inner();
    let mut model = run.model().valid();
    for (number, (image, size)) in tests(inputs)?.into_iter().enumerate() {
        let found = block_on(model.detect(run.plan(), &image, size, &device))?;
        let corners: Vec<Corners> = found.iter().map(|found| found.detection.corners).collect();
        let scores = found.iter().map(|found| found.detection.score);
        let classes = found.iter().map(|found| found.detection.class as i64);
        out.boxes(&format!("test.{number}.boxes"), &corners);
        out.floats(&format!("test.{number}.scores"), &[found.len()], scores);
        out.integers(&format!("test.{number}.classes"), classes);
        let masks: Vec<u8> = found
            .iter()
            .flat_map(|found| found.mask.iter().flatten().copied())
            .collect();
        if run.recipe().has_masks() {
            let [height, width] = size.map(|side| side as usize);
            let shape = [found.len(), height, width];
            out.bytes(&format!("test.{number}.masks"), &shape, masks);
        }
    }
    Ok(())
}

fn example(inputs: &Inputs, number: &str, masks: bool) -> Result<Example> {
    let boxes = inputs.boxes(&format!("boxes.{number}"))?;
    let classes = inputs.get(&format!("classes.{number}"), &[Some(boxes.len())])?;
    let polygons = match masks {
        true => polygons(inputs, number, boxes.len())?,
        false => Vec::new(),
    };
    let of = |class: i64| {
        usize::try_from(class).with_context(|| format!("classes.{number} has {class}"))
    };
    Ok(Example {
        image: image(inputs, &format!("image.{number}"))?,
        classes: classes
            .integers()
            .into_iter()
            .map(of)
            .collect::<Result<_>>()?,
        boxes,
        polygons,
    })
}

/// The polygons of each of `count` objects.
fn polygons(inputs: &Inputs, number: &str, count: usize) -> Result<Vec<Vec<Vec<f64>>>> {
    let points = inputs.get(&format!("polygons.{number}"), &[None, Some(2)])?;
    let splits = inputs.get(&format!("polygon_splits.{number}"), &[None, Some(2)])?;
    points.split_polygons(&splits.integers(), Some(count))
}
