//! Subsets of a source: some images, or all images of some classes.

use std::borrow::Cow;
use std::sync::Arc;

use parallax_rng::{Stream, permutation};
use parallax_views::Image;

use crate::annotation::Annotation;
use crate::error::DataError;
use crate::source::{Source, check, no_such};

/// Some of the images of another source.
#[derive(Clone)]
pub struct Subset {
    name: String,
    source: Arc<dyn Source>,
    indices: Vec<usize>,
    labels: Vec<u32>,
    classes: Vec<String>,
}

impl Subset {
    /// The images at `indices`, in this order, with the classes of the source.
    ///
    /// # Errors
    /// When an index is out of range, or fewer than two images are left.
    pub fn of_indices(
        name: impl Into<String>,
        source: Arc<dyn Source>,
        indices: Vec<usize>,
    ) -> Result<Self, DataError> {
        if let Some(&index) = indices.iter().find(|&&index| index >= source.len()) {
            return Err(no_such(&*source, index));
        }
        let classes = source.classes().to_vec();
        let labels = indices.iter().map(|&index| source.label(index)).collect();
        Self::build(name.into(), source, indices, labels, classes)
    }

    /// All images of a fraction `ratio` of the classes, which [`chosen_classes`] draws. Labels are renumbered from 0 in the
    /// order of the source's classes; images keep their order.
    ///
    /// # Errors
    /// When the ratio is out of range, or fewer than two images are left.
    pub fn of_classes(source: Arc<dyn Source>, ratio: f64, seed: u64) -> Result<Self, DataError> {
        let chosen = chosen_classes(source.classes().len(), ratio, seed)?;
        let mut renumbered = vec![None; source.classes().len()];
        for (new, &old) in (0u32..).zip(&chosen) {
            renumbered[old] = Some(new);
        }
        let (indices, labels) = (0..source.len())
            .filter_map(|index| {
                let label = renumbered
                    .get(source.label(index) as usize)
                    .copied()
                    .flatten()?;
                Some((index, label))
            })
            .unzip();
        let classes = chosen
            .iter()
            .map(|&class| source.classes()[class].clone())
            .collect();
        let name = format!(
            "{} ({} of {} classes)",
            source.name(),
            chosen.len(),
            source.classes().len()
        );
        Self::build(name, source, indices, labels, classes)
    }

    fn build(
        name: String,
        source: Arc<dyn Source>,
        indices: Vec<usize>,
        labels: Vec<u32>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        check(&name, indices.len(), &labels, classes.len())?;
        Ok(Self {
            name,
            source,
            indices,
            labels,
            classes,
        })
    }

    /// The index in the source of each image.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

/// The classes that a ratio keeps, ascending: the first `round(ratio * classes)`, at least one, of a random permutation of all
/// classes that depends on the seed alone. The classes of a smaller ratio are therefore a subset of those of a larger one.
///
/// # Errors
/// When the ratio is not in (0, 1].
pub fn chosen_classes(classes: usize, ratio: f64, seed: u64) -> Result<Vec<usize>, DataError> {
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(DataError::Ratio { ratio });
    }
    let keep = ((classes as f64 * ratio).round() as usize).max(1);
    let count = u32::try_from(classes).unwrap_or(u32::MAX);
    let mut chosen: Vec<usize> = permutation(seed, Stream::Subset, 0, count)
        .into_iter()
        .take(keep)
        .map(|class| class as usize)
        .collect();
    chosen.sort_unstable();
    Ok(chosen)
}

impl Source for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn annotation(&self, index: usize) -> Result<Annotation, DataError> {
        let label = self.labels.get(index).copied();
        label
            .map(Annotation::Class)
            .ok_or_else(|| no_such(self, index))
    }

    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        match self.indices.get(index) {
            Some(&inner) => self.source.image(inner),
            None => Err(no_such(self, index)),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Memory;

    fn source(classes: u32, per_class: u32) -> Arc<dyn Source> {
        let n = classes * per_class;
        let images = (0..n)
            .map(|i| Image {
                width: 1,
                height: 1,
                data: vec![i as u8; 3],
            })
            .collect();
        let labels = (0..n).map(|i| i % classes).collect();
        Memory::new(
            "all",
            images,
            labels,
            (0..classes).map(|c| format!("c{c}")).collect(),
        )
        .unwrap()
        .into()
    }

    #[test]
    fn smaller_shares_are_within_larger_ones() {
        let counts: Vec<Vec<usize>> = [0.1, 0.2, 0.5, 0.7, 1.0]
            .iter()
            .map(|&ratio| chosen_classes(1000, ratio, 4).unwrap())
            .collect();
        assert_eq!(
            counts.iter().map(Vec::len).collect::<Vec<_>>(),
            [100, 200, 500, 700, 1000]
        );
        for pair in counts.windows(2) {
            assert!(pair[0].iter().all(|class| pair[1].contains(class)));
        }
        assert_ne!(
            chosen_classes(1000, 0.1, 4).unwrap(),
            chosen_classes(1000, 0.1, 5).unwrap()
        );
        assert_eq!(chosen_classes(3, 0.01, 0).unwrap().len(), 1);
    }

    #[test]
    fn keeps_every_image_of_a_chosen_class() {
        let all = source(10, 6);
        let part = Subset::of_classes(all.clone(), 0.3, 1).unwrap();
        assert_eq!(part.class_counts(), [6, 6, 6]);
        assert_eq!(part.name(), "all (3 of 10 classes)");
        for index in 0..part.len() {
            let inner = part.indices()[index];
            assert_eq!(part.image(index).unwrap(), all.image(inner).unwrap());
            assert_eq!(
                part.classes()[part.label(index) as usize],
                all.classes()[all.label(inner) as usize]
            );
        }
        assert!(part.indices().is_sorted());
        let whole = Subset::of_classes(all.clone(), 1.0, 1).unwrap();
        assert!((0..60).all(|i| whole.label(i) == all.label(i)));
    }

    #[test]
    fn refuses_bad_ratios_and_indices() {
        for ratio in [0.0, -0.1, 1.5, f64::NAN] {
            assert!(matches!(
                Subset::of_classes(source(2, 2), ratio, 0),
                Err(DataError::Ratio { .. })
            ));
        }
        assert!(matches!(
            Subset::of_classes(source(2, 1), 0.5, 0),
            Err(DataError::TooFew { found: 1, .. })
        ));
        let missing = Subset::of_indices("part", source(2, 2), vec![0, 4]);
        assert!(matches!(
            missing,
            Err(DataError::Index {
                index: 4,
                last: 3,
                ..
            })
        ));
        let reversed = Subset::of_indices("part", source(2, 2), vec![3, 0]).unwrap();
        assert_eq!(
            (reversed.label(0), reversed.label(1), reversed.len()),
            (1, 0, 2)
        );
    }
}
