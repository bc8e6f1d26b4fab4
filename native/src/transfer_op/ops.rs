//! The operations on tensors.

use anyhow::{Result, bail, ensure};
use parallax_boxes::{
    DetectionOptions, LevelOptions, Matcher, ProposalOptions, Size, anchors, cell_anchors, decode,
    detections, encode, iou_matrix, key_order, level, mask_target, nms_by_group, paste, proposals,
    sample,
};
use parallax_score::{Rle, polygon};

use super::Op;
use super::on_device;
use super::params::Params;
use super::tensors::{Inputs, Outputs};

/// Places and counts as the integers of a file.
fn places(places: &[usize]) -> impl Iterator<Item = i64> {
    places.iter().map(|&place| place as i64)
}

/// Computes an operation, on the device of that name where it runs on one.
pub fn compute(
    op: Op,
    inputs: &Inputs,
    params: &Params,
    out: &mut Outputs,
    on: &str,
) -> Result<()> {
    match op {
        Op::Anchors => {
            let grids = inputs.get("grids", &[None, Some(2)])?.integers();
            let strides: Vec<u32> = params.get("strides")?;
            let sizes: Vec<Vec<f64>> = params.get("sizes")?;
            let ratios: Vec<f64> = params.get("ratios")?;
            let levels = grids.len() / 2;
            ensure!(
                strides.len() == levels && sizes.len() == levels,
                "'grids' has {levels} levels, 'strides' {} and 'sizes' {}",
                strides.len(),
                sizes.len()
            );
            let mut found = Vec::new();
            for ((grid, stride), sizes) in grids.chunks_exact(2).zip(strides).zip(sizes) {
                let grid = [grid[0], grid[1]].map(|side| side.max(0) as usize);
                found.extend(anchors(grid, stride, &cell_anchors(&sizes, &ratios)));
            }
            out.boxes("anchors", &found);
        }
        Op::Encode => {
            let boxes = inputs.boxes("boxes")?;
            let targets = inputs
                .get("targets", &[Some(boxes.len()), Some(4)])?
                .boxes();
            let weights: [f32; 4] = params.get("weights")?;
            let pairs = boxes.into_iter().zip(targets);
            let deltas: Vec<[f32; 4]> = pairs.map(|(a, b)| encode(a, b, weights)).collect();
            out.boxes("deltas", &deltas);
        }
        Op::Decode => {
            let boxes = inputs.boxes("boxes")?;
            let deltas = inputs.get("deltas", &[Some(boxes.len()), None])?;
            let columns = deltas.shape[1];
            ensure!(
                columns % 4 == 0,
                "'deltas' has {columns} columns, 4 k are needed"
            );
            let weights: [f32; 4] = params.get("weights")?;
            let codes = deltas.boxes();
            let of_box = |(number, code)| decode(boxes[number / (columns / 4)], code, weights);
            let found: Vec<[f32; 4]> = codes.into_iter().enumerate().map(of_box).collect();
            out.floats(
                "boxes",
                &[boxes.len(), columns],
                found.into_iter().flatten(),
            );
        }
        Op::Iou => {
            let (a, b) = (inputs.boxes("a")?, inputs.boxes("b")?);
            out.floats("iou", &[a.len(), b.len()], iou_matrix(&a, &b));
        }
        Op::Match => {
            let matcher = Matcher {
                thresholds: params.get("thresholds")?,
                labels: params.get("labels")?,
                low_quality: params.get("low_quality")?,
            };
            ensure!(
                matcher.labels.len() == matcher.thresholds.len() + 1
                    && matcher.thresholds.is_sorted(),
                "'thresholds' must ascend, and 'labels' hold one more value"
            );
            let found = matcher.matches(&inputs.boxes("gt")?, &inputs.boxes("boxes")?);
            out.integers("matches", found.iter().map(|found| found.object as i64));
            out.integers("labels", found.iter().map(|found| found.label));
        }
        Op::Sample => {
            let labels = inputs.get("labels", &[None])?.integers();
            let (count, fraction) = (params.get("count")?, params.get("positive_fraction")?);
            let found = sample(
                &labels,
                count,
                fraction,
                params.get("background")?,
                key_order,
            );
            out.integers("positive", places(&found.positive));
            out.integers("negative", places(&found.negative));
        }
        Op::Nms => {
            let boxes = inputs.boxes("boxes")?;
            let scores = inputs.get("scores", &[Some(boxes.len())])?.floats();
            let groups = inputs.get("groups", &[Some(boxes.len())])?.integers();
            let kept = nms_by_group(
                &boxes,
                &scores,
                &groups,
                params.get("threshold")?,
                usize::MAX,
            );
            out.integers("keep", places(&kept));
        }
        Op::Proposals => {
            let mut levels = Vec::new();
            while inputs.has(&format!("boxes.{}", levels.len())) {
                let boxes = inputs.boxes(&format!("boxes.{}", levels.len()))?;
                let logits = format!("logits.{}", levels.len());
                let logits = inputs.get(&logits, &[Some(boxes.len())])?.floats();
                levels.push((boxes, logits));
            }
            ensure!(!levels.is_empty(), "tensor 'boxes.0' is missing");
            let options = ProposalOptions {
                image: params.get("image")?,
                pre_nms: params.get("pre_nms")?,
                post_nms: params.get("post_nms")?,
                threshold: params.get("threshold")?,
            };
            let levels: Vec<_> = levels
                .iter()
                .map(|(boxes, logits)| (&boxes[..], &logits[..]))
                .collect();
            let found = proposals(&levels, &options, false)?;
            let boxes: Vec<[f32; 4]> = found.iter().map(|found| found.corners).collect();
            out.boxes("boxes", &boxes);
            out.floats(
                "logits",
                &[found.len()],
                found.iter().map(|found| found.logit),
            );
        }
        Op::Levels => {
            let options = LevelOptions {
                min_level: params.get("min_level")?,
                max_level: params.get("max_level")?,
                canonical_size: params.get("canonical_size")?,
                canonical_level: params.get("canonical_level")?,
            };
            let boxes = inputs.boxes("boxes")?;
            out.integers(
                "levels",
                boxes.into_iter().map(|corners| level(corners, &options)),
            );
        }
        Op::Rasterize => rasterize(inputs, params, out)?,
        Op::Paste => {
            let boxes = inputs.boxes("boxes")?;
            let masks = inputs.get("masks", &[Some(boxes.len()), None, None])?;
            let side = masks.shape[1];
            ensure!(side == masks.shape[2], "'masks' must be square");
            let image: Size = [params.get("height")?, params.get("width")?];
            let threshold = params.get("threshold")?;
            let values = masks.floats();
            let mut pasted = Vec::new();
            for (mask, &corners) in values.chunks_exact(side * side).zip(&boxes) {
                pasted.extend(paste(mask, side, corners, image, threshold));
            }
            let [height, width] = image.map(|side| side as usize);
            out.bytes("masks", &[boxes.len(), height, width], pasted);
        }
        Op::Detections => {
            let boxes = inputs.boxes("boxes")?;
            let logits = inputs.get("logits", &[Some(boxes.len()), None])?;
            let classes = logits.shape[1].saturating_sub(1);
            let deltas = inputs.get("deltas", &[Some(boxes.len()), Some(4 * classes)])?;
            let options = DetectionOptions {
                image: params.get("image")?,
                output: params.get("output")?,
                score: params.get("score")?,
                nms: params.get("nms")?,
                top: params.get("top")?,
                weights: params.get("weights")?,
            };
            let found = detections(&boxes, &logits.floats(), &deltas.floats(), &options);
            let boxes: Vec<[f32; 4]> = found.iter().map(|found| found.corners).collect();
            out.boxes("boxes", &boxes);
            out.floats(
                "scores",
                &[found.len()],
                found.iter().map(|found| found.score),
            );
            out.integers("classes", found.iter().map(|found| found.class as i64));
        }
        Op::RoiAlign => on_device::align(inputs, params, out, on)?,
        Op::Bilinear => on_device::bilinear(inputs, params, out, on)?,
        Op::HardPixels => on_device::hardest(inputs, params, out, on)?,
    }
    Ok(())
}

/// Masks of the instances: within their boxes, or of the whole image.
fn rasterize(inputs: &Inputs, params: &Params, out: &mut Outputs) -> Result<()> {
    let points = inputs.get("polygons", &[None, Some(2)])?;
    let splits = inputs.get("polygon_splits", &[None, Some(2)])?.integers();
    let boxes = match inputs.has("boxes") {
        true => Some(inputs.boxes("boxes")?),
        false => None,
    };
    let polygons = points.split_polygons(&splits, boxes.as_ref().map(Vec::len))?;
    let count = polygons.len();
    let mut masks = Vec::new();
    let size: [u32; 2] = match (&boxes, params.has("size")) {
        (Some(boxes), true) => {
            let size = params.get("size")?;
            for (polygons, &corners) in polygons.iter().zip(boxes) {
                let target = mask_target(polygons, corners, size);
                masks.extend(target.map_err(anyhow::Error::msg)?);
            }
            [size, size]
        }
        (None, false) => {
            let [height, width] = [params.get("height")?, params.get("width")?];
            for polygons in &polygons {
                let drawn = polygons
                    .iter()
                    .map(|points| polygon::rasterize(points, height, width));
                let drawn: Result<Vec<Rle>, String> = drawn.collect();
                let united = Rle::union(&drawn.map_err(anyhow::Error::msg)?);
                let empty = || vec![0; (height * width) as usize];
                masks.extend(united.map_or_else(empty, |mask| mask.decode()));
            }
            [height, width]
        }
        _ => bail!("'boxes' belong to 'size'; without boxes 'height' and 'width' are needed"),
    };
    let [height, width] = size.map(|side| side as usize);
    out.bytes("masks", &[count, height, width], masks);
    Ok(())
}
