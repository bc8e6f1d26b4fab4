//! What a run must know of its training data besides the images.

use parallax_data::Source;

/// Size of the training data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataShape {
    /// Training examples.
    pub examples: usize,
    /// Classes of their labels.
    pub classes: usize,
    /// Labels that supervised training distinguishes: the classes, or groups of them (`data.taxonomy`).
    pub targets: usize,
    /// Examples before classes or images were left out: with `run.constant_iterations` the epochs of the recipe are epochs
    /// over so many.
    pub full_examples: usize,
}

impl DataShape {
    /// Of data from which nothing was left out.
    pub fn new(examples: usize, classes: usize) -> Self {
        Self {
            examples,
            classes,
            targets: classes,
            full_examples: examples,
        }
    }

    /// That of a source.
    pub fn of(source: &dyn Source) -> Self {
        Self {
            targets: source.targets(),
            full_examples: source.full_len(),
            ..Self::new(source.len(), source.classes().len())
        }
    }
}
