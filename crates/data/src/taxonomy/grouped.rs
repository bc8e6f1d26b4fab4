//! A source whose images are supervised by the group of their class.

use std::borrow::Cow;
use std::sync::Arc;

use parallax_views::Image;

use super::error::TaxonomyError;
use super::grouping::Grouping;
use crate::annotation::Annotation;
use crate::error::DataError;
use crate::source::Source;

/// Images with their own classes, and the groups of these as targets.
#[derive(Clone)]
pub struct Grouped {
    source: Arc<dyn Source>,
    /// The target of each class.
    targets: Vec<u32>,
    count: usize,
}

impl Grouped {
    /// The images of `source` with the groups of `map`. `classes` are those of the whole data set, which the map must match;
    /// the source may have fewer. Targets are the groups that it has classes of, numbered in the order of the map.
    ///
    /// # Errors
    /// As [`Grouping::labels`].
    pub fn new(
        source: Arc<dyn Source>,
        map: &Grouping,
        classes: &[String],
    ) -> Result<Self, TaxonomyError> {
        let labels = map.labels(source.name(), classes)?;
        let group = |class: &String| {
            let at = classes.iter().position(|other| other == class);
            at.and_then(|at| labels.get(at))
                .copied()
                .unwrap_or_default()
        };
        let groups: Vec<u32> = source.classes().iter().map(group).collect();
        let mut present = groups.clone();
        present.sort_unstable();
        present.dedup();
        let number = |group: &u32| present.binary_search(group).unwrap_or_default() as u32;
        Ok(Self {
            targets: groups.iter().map(number).collect(),
            count: present.len(),
            source,
        })
    }
}

impl Source for Grouped {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn annotation(&self, index: usize) -> Result<Annotation, DataError> {
        self.source.annotation(index)
    }

    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        self.source.image(index)
    }

    fn name(&self) -> &str {
        self.source.name()
    }

    fn full_len(&self) -> usize {
        self.source.full_len()
    }

    fn targets(&self) -> usize {
        self.count
    }

    fn target(&self, index: usize) -> u32 {
        let class = self.source.label(index) as usize;
        self.targets.get(class).copied().unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::subset::Subset;

    const MAP: &str = r#"{"groups": [
        {"name": "plant", "members": ["none"]},
        {"name": "vehicle", "members": ["airplane", "automobile", "ship", "truck"]},
        {"name": "animal", "members": ["bird", "cat", "deer", "dog", "frog", "horse"]}]}"#;

    #[test]
    fn images_keep_their_class_and_have_their_group_as_target() {
        let map = Grouping::parse("m", MAP.as_bytes()).unwrap();
        let all: Arc<dyn Source> = Arc::new(sample::test().unwrap());
        let classes = [sample::class_names(), vec!["none".to_string()]].concat();
        let grouped = Grouped::new(Arc::clone(&all), &map, &classes).unwrap();
        // No image is a plant: targets are numbered without it.
        assert_eq!((grouped.targets(), grouped.classes().len()), (2, 10));
        let vehicles = [0, 1, 8, 9];
        for index in 0..grouped.len() {
            assert_eq!(grouped.label(index), all.label(index));
            let animal = !vehicles.contains(&all.label(index));
            assert_eq!(grouped.target(index), u32::from(animal));
        }
        // Of a part of the classes, those of one group alone.
        let ships = (0..500).filter(|&index| all.label(index) == 8).collect();
        let ships = Subset::of_indices("ships", all, ships).unwrap();
        let ships = Arc::new(ships.without_empty_classes().unwrap());
        let ships = Grouped::new(ships, &map, &classes).unwrap();
        assert_eq!(
            (ships.targets(), ships.target(0), ships.label(0)),
            (1, 0, 0)
        );
    }
}
