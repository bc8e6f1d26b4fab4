//! Label maps for a set of images, and their scores.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_data::segmentation::IGNORED;
use parallax_score::cityscapes::{CLASSES, Confusion};
use parallax_transfer::Segmenter;
use parallax_views::Image;
use pollster::block_on;

use crate::data::annotated::SegmentationFolder;
use crate::png;
use crate::transfer::{Evaluation, Network, Scored, Watch, draw, unfit};

/// Test images that are drawn.
const DRAWN: usize = 4;

/// The class of each pixel of an image, by a network.
pub fn find(network: &mut Network<Segmenter>, image: &Image, device: &Device) -> Result<Vec<u8>> {
    let tested = network
        .recipe
        .augment
        .test_image(image)
        .map_err(|error| unfit("the image", &error))?;
    find_in(network, &tested, [image.height, image.width], device)
}

fn find_in(
    network: &mut Network<Segmenter>,
    tested: &Image,
    output: [u32; 2],
    device: &Device,
) -> Result<Vec<u8>> {
    let found = network.model.segment(&network.plan, tested, output, device);
    Ok(block_on(found)?)
}

/// Scores a network on test images; nothing where it was stopped.
pub fn evaluate(
    network: &mut Network<Segmenter>,
    folder: &Arc<SegmentationFolder>,
    device: &Device,
    watch: &Watch<'_>,
) -> Result<Option<Evaluation>> {
    let images = folder.len();
    let augment = network.recipe.augment.clone();
    let load = {
        let folder = Arc::clone(folder);
        move |index: u64| {
            let index = index as usize;
            let (image, labels) = (folder.image(index)?, folder.labels(index)?);
            let tested = augment
                .test_image(&image)
                .map_err(|error| unfit(folder.id(index), &error))?;
            Ok((image, tested, labels))
        }
    };
    let names = SegmentationFolder::classes();
    let (mut confusion, mut pictures, mut files) = (Confusion::default(), Vec::new(), Vec::new());
    let done = watch.each(
        "Segmenting images",
        [images as u64, 1],
        load,
        |index, loaded| {
            let index = index as usize;
            let (image, tested, labels) = loaded;
            let (size, id) = ([image.width, image.height], folder.id(index));
            let found = find_in(network, &tested, [image.height, image.width], device)?;
            if index < DRAWN {
                let drawn = draw::classes(&image, &found, &names);
                pictures.push(("test".to_string(), drawn));
            }
            let (truth, found) = (label_ids(&labels.ids), label_ids(&found));
            confusion
                .add((&truth, size), (&found, size))
                .with_context(|| id.to_string())?;
            let map = png::encode_grey(&found, image.width, image.height)?;
            files.push((format!("predictions/{id}_pred.png"), map));
            Ok(())
        },
    )?;
    if !done {
        return Ok(None);
    }
    Ok(Some(Evaluation {
        scored: Scored::Cityscapes(confusion.scores()),
        pictures,
        files,
    }))
}

/// Train ids as Cityscapes' label ids; ignored pixels are unlabelled, 0.
fn label_ids(train_ids: &[u8]) -> Vec<u8> {
    let of = |id: &u8| match CLASSES.get(usize::from(*id)) {
        Some((label, _, _)) if *id != IGNORED => *label as u8,
        _ => 0,
    };
    train_ids.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn train_ids_become_label_ids() {
        assert_eq!(label_ids(&[0, 13, 18, 255, 19]), [7, 26, 33, 0, 0]);
    }
}
