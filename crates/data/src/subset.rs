//! Subsets of a source: given images, a share of the classes, a share of the images.

use std::borrow::Cow;
use std::sync::Arc;

use parallax_views::Image;

use crate::annotation::Annotation;
use crate::error::DataError;
use crate::source::{Source, check, no_such};
use crate::subsample::{chosen_classes, chosen_images};

/// Some of the images of another source.
#[derive(Clone)]
pub struct Subset {
    name: String,
    source: Arc<dyn Source>,
    indices: Vec<usize>,
    labels: Vec<u32>,
    classes: Vec<String>,
    full: usize,
}

impl Subset {
    /// The images at `indices`, in this order, with the classes of the source. Where the source is itself subsampled, its
    /// full size shrinks in proportion.
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
        let labels = indices.iter().map(|&index| source.label(index)).collect();
        let share = |whole: usize| whole * indices.len() / source.len().max(1);
        Self {
            name: name.into(),
            full: share(source.full_len()),
            classes: source.classes().to_vec(),
            source,
            indices,
            labels,
        }
        .checked()
    }

    /// All images of a fraction `ratio` of the classes, which [`chosen_classes`] draws. Labels are renumbered from 0 in the
    /// order of the source's classes; images keep their order.
    ///
    /// # Errors
    /// When the ratio is out of range, or fewer than two images are left.
    pub fn of_classes(source: Arc<dyn Source>, ratio: f64, seed: u64) -> Result<Self, DataError> {
        let chosen = chosen_classes(source.classes().len(), ratio, seed)?;
        let name = format!(
            "{} ({} of {} classes)",
            source.name(),
            chosen.len(),
            source.classes().len()
        );
        Self::with_classes(name, source, None, &chosen)
    }

    /// A fraction `ratio` of the images of each class, which [`chosen_images`] draws. Images keep their order.
    ///
    /// # Errors
    /// When the ratio is out of range, or fewer than two images are left.
    pub fn of_images(source: Arc<dyn Source>, ratio: f64, seed: u64) -> Result<Self, DataError> {
        let labels: Vec<u32> = (0..source.len()).map(|index| source.label(index)).collect();
        let indices = chosen_images(&labels, source.classes().len(), ratio, seed)?;
        let name = format!(
            "{} ({} of {} images)",
            source.name(),
            indices.len(),
            source.len()
        );
        let labels = indices.iter().map(|&index| labels[index]).collect();
        Self {
            name,
            full: source.full_len(),
            classes: source.classes().to_vec(),
            source,
            indices,
            labels,
        }
        .checked()
    }

    /// Without the classes that have no image: the labels of the others are renumbered in their order.
    ///
    /// # Errors
    /// None for a valid subset.
    pub fn without_empty_classes(self) -> Result<Self, DataError> {
        let counts = self.class_counts();
        let kept: Vec<usize> = (0..counts.len())
            .filter(|&class| counts[class] > 0)
            .collect();
        let full = self.full;
        let subset = Self::with_classes(self.name, self.source, Some(self.indices), &kept)?;
        Ok(Self { full, ..subset })
    }

    /// With another [`Source::full_len`]: the size of the data set that this subset was drawn from.
    #[must_use]
    pub fn of_full(self, full: usize) -> Self {
        Self { full, ..self }
    }

    /// The images of `chosen` classes, all or those among `indices`.
    fn with_classes(
        name: String,
        source: Arc<dyn Source>,
        indices: Option<Vec<usize>>,
        chosen: &[usize],
    ) -> Result<Self, DataError> {
        let mut renumbered = vec![None; source.classes().len()];
        for (new, &old) in (0u32..).zip(chosen) {
            renumbered[old] = Some(new);
        }
        let indices = indices.unwrap_or_else(|| (0..source.len()).collect());
        let (indices, labels) = indices
            .into_iter()
            .filter_map(|index| {
                let class = renumbered.get(source.label(index) as usize);
                Some((index, class.copied().flatten()?))
            })
            .unzip();
        let classes = source.classes();
        Self {
            name,
            full: source.full_len(),
            classes: chosen.iter().map(|&class| classes[class].clone()).collect(),
            source,
            indices,
            labels,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, DataError> {
        check(
            &self.name,
            self.indices.len(),
            &self.labels,
            self.classes.len(),
        )?;
        Ok(self)
    }

    /// The index in the source of each image.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
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

    fn full_len(&self) -> usize {
        self.full
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
        assert_eq!((part.len(), part.full_len()), (18, 60));
        let whole = Subset::of_classes(all.clone(), 1.0, 1).unwrap();
        assert!((0..60).all(|i| whole.label(i) == all.label(i)));
    }

    #[test]
    fn a_share_of_images_keeps_classes_and_can_be_divided_again() {
        let half = Subset::of_images(source(4, 10), 0.5, 3).unwrap();
        assert_eq!(half.class_counts(), [5; 4]);
        assert_eq!(half.name(), "all (20 of 40 images)");
        assert!(half.indices().is_sorted());
        assert_eq!(half.full_len(), 40);
        let half: Arc<dyn Source> = Arc::new(half);
        let quarter = Subset::of_classes(half.clone(), 0.5, 3).unwrap();
        assert_eq!((quarter.len(), quarter.full_len()), (10, 40));
        let first = Subset::of_indices("first", half, (0..5).collect()).unwrap();
        assert_eq!((first.len(), first.full_len()), (5, 10));
    }

    #[test]
    fn classes_without_images_are_left_out() {
        let part = Subset::of_indices("part", source(4, 3), vec![7, 1, 5, 9]).unwrap();
        let part = part.of_full(12).without_empty_classes().unwrap();
        assert_eq!(part.classes(), ["c1", "c3"]);
        assert_eq!(
            (0..4).map(|i| part.label(i)).collect::<Vec<_>>(),
            [1, 0, 0, 0]
        );
        assert_eq!((part.indices(), part.full_len()), (&[7, 1, 5, 9][..], 12));
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
