//! Some images of a source.

use std::borrow::Cow;
use std::ops::Range;

use parallax_data::{Annotation, DataError, Source};
use parallax_views::Image;

/// Some images of a source, one behind the other.
pub struct Part<'a> {
    /// The whole of it.
    pub source: &'a dyn Source,
    /// Which of its images.
    pub images: Range<usize>,
}

impl Source for Part<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn annotation(&self, index: usize) -> Result<Annotation, DataError> {
        self.source.annotation(self.images.start + index)
    }

    fn label(&self, index: usize) -> u32 {
        self.source.label(self.images.start + index)
    }

    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        self.source.image(self.images.start + index)
    }

    fn name(&self) -> &str {
        self.source.name()
    }
}
