//! A test split for data sets that have none.

use std::sync::Arc;

use crate::error::DataError;
use crate::source::Source;
use crate::subset::Subset;

/// One in so many images of each class is held out.
const EVERY: usize = 5;

/// Splits a source into training and test images: of each class, every fifth image in the order of the source is held out for
/// testing.
///
/// # Errors
/// When a split would have fewer than two images.
pub fn hold_out(source: &Arc<dyn Source>) -> Result<(Subset, Subset), DataError> {
    let mut seen = vec![0usize; source.classes().len()];
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for index in 0..source.len() {
        // Sources refuse labels that are no class, so no image is skipped.
        let Some(count) = seen.get_mut(source.label(index) as usize) else {
            continue;
        };
        *count += 1;
        if count.is_multiple_of(EVERY) {
            test.push(index)
        } else {
            train.push(index)
        }
    }
    let part = |what: &str, indices| {
        Subset::of_indices(
            format!("{} ({what})", source.name()),
            Arc::clone(source),
            indices,
        )
    };
    Ok((part("training", train)?, part("held out", test)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Memory;
    use parallax_views::Image;

    fn source(labels: Vec<u32>) -> Arc<dyn Source> {
        let image = Image {
            width: 1,
            height: 1,
            data: vec![0; 3],
        };
        let names = vec!["a".to_string(), "b".to_string()];
        let images = vec![image; labels.len()];
        Arc::new(Memory::new("m", images, labels, names).unwrap())
    }

    #[test]
    fn every_fifth_of_each_class() {
        let labels = (0..20).map(|i| u32::from(i >= 10)).collect();
        let (train, test) = hold_out(&source(labels)).unwrap();
        assert_eq!(test.indices(), [4, 9, 14, 19]);
        assert_eq!(train.len() + test.len(), 20);
    }

    #[test]
    fn too_few_images_are_an_error() {
        assert!(hold_out(&source(vec![0, 1, 0])).is_err());
    }
}
