//! The trait of data sets, and the data set in memory.

use std::borrow::Cow;
use std::sync::Arc;

use parallax_views::Image;

use crate::annotation::Annotation;
use crate::error::DataError;

/// A data set: annotated images with random access, from several threads.
pub trait Source: Send + Sync {
    /// Number of images, at least 2 and at most [`MAX_LEN`].
    fn len(&self) -> usize;

    /// Whether there are no images. Constructors refuse that.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the classes, which class labels are indices of.
    fn classes(&self) -> &[String];

    /// The annotation of an image.
    ///
    /// # Errors
    /// When the index is not below [`Source::len`], or the annotation cannot be read.
    fn annotation(&self, index: usize) -> Result<Annotation, DataError>;

    /// The class label of an image; `u32::MAX` where it has none, or none can be read.
    fn label(&self, index: usize) -> u32 {
        let class = self.annotation(index).ok().and_then(|known| known.class());
        class.unwrap_or(u32::MAX)
    }

    /// An image: borrowed where the source holds it decoded, else decoded now.
    ///
    /// # Errors
    /// When the index is not below [`Source::len`], or the image cannot be read.
    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError>;

    /// The name in messages: `sample`, `cifar10`, the path of a folder.
    fn name(&self) -> &str;

    /// Number of images before classes or images were left out of the data set: what `run.constant_iterations` counts epochs
    /// in. The number of images itself where nothing was.
    fn full_len(&self) -> usize {
        self.len()
    }

    /// Number of labels that supervised training distinguishes: the classes, or groups of them.
    fn targets(&self) -> usize {
        self.classes().len()
    }

    /// The label that supervised training learns for an image, below [`Source::targets`]: its class, or the group of its class
    /// ([`Grouped`](crate::taxonomy::Grouped)). `u32::MAX` where there is none.
    fn target(&self, index: usize) -> u32 {
        self.label(index)
    }

    /// Number of images of each class, in the order of [`Source::classes`].
    fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes().len()];
        for index in 0..self.len() {
            if let Some(count) = counts.get_mut(self.label(index) as usize) {
                *count += 1;
            }
        }
        counts
    }
}

/// The most images of a source: indices fit in 31 bits, for integer tensors and the random order.
pub const MAX_LEN: usize = i32::MAX as usize;

/// Checks the number of images and their class labels. Every constructor of a source calls it.
///
/// # Errors
/// When there are fewer than 2 or more than [`MAX_LEN`] images, not as many labels, or a label that is no class.
pub fn check(name: &str, images: usize, labels: &[u32], classes: usize) -> Result<(), DataError> {
    if images != labels.len() {
        return Err(DataError::Lengths {
            name: name.into(),
            images,
            labels: labels.len(),
        });
    }
    if images < 2 {
        return Err(DataError::TooFew {
            name: name.into(),
            found: images,
        });
    }
    if images > MAX_LEN {
        return Err(DataError::TooMany {
            name: name.into(),
            found: images,
            limit: MAX_LEN,
        });
    }
    match labels
        .iter()
        .enumerate()
        .find(|&(_, &label)| label as usize >= classes)
    {
        Some((index, &label)) => Err(DataError::Label {
            name: name.into(),
            index,
            label,
            classes,
        }),
        None => Ok(()),
    }
}

/// The error for an index out of range.
pub fn no_such(source: &dyn Source, index: usize) -> DataError {
    DataError::Index {
        name: source.name().into(),
        index,
        last: source.len().saturating_sub(1),
    }
}

/// Decoded images in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    name: String,
    images: Vec<Image>,
    labels: Vec<u32>,
    classes: Vec<String>,
}

impl Memory {
    /// A source of images. `labels[i]` is the class of `images[i]`, an index of `classes`.
    ///
    /// # Errors
    /// As [`check`], or when the data of an image does not match its sides.
    pub fn new(
        name: impl Into<String>,
        images: Vec<Image>,
        labels: Vec<u32>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        check(&name, images.len(), &labels, classes.len())?;
        for (index, image) in images.iter().enumerate() {
            let pixels = u64::from(image.width) * u64::from(image.height);
            if pixels == 0 || 3 * pixels != image.data.len() as u64 {
                let (width, height, bytes) = (image.width, image.height, image.data.len());
                return Err(DataError::Shape {
                    name,
                    index,
                    width,
                    height,
                    bytes,
                });
            }
        }
        Ok(Self {
            name,
            images,
            labels,
            classes,
        })
    }

    /// A source of images without labels, which form one class named [`UNLABELLED`].
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn unlabelled(name: impl Into<String>, images: Vec<Image>) -> Result<Self, DataError> {
        let labels = vec![0; images.len()];
        Self::new(name, images, labels, vec![UNLABELLED.into()])
    }
}

/// The class of images without labels.
pub const UNLABELLED: &str = "unlabelled";

impl Source for Memory {
    fn len(&self) -> usize {
        self.images.len()
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
        self.images
            .get(index)
            .map(Cow::Borrowed)
            .ok_or_else(|| no_such(self, index))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl From<Memory> for Arc<dyn Source> {
    fn from(memory: Memory) -> Self {
        Arc::new(memory)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn dot(value: u8) -> Image {
        Image {
            width: 1,
            height: 1,
            data: vec![value; 3],
        }
    }

    fn classes(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn holds_what_it_is_given() {
        let source = Memory::new("two", vec![dot(1), dot(2)], vec![1, 0], classes(2)).unwrap();
        assert_eq!(
            (source.len(), source.label(0), source.label(2)),
            (2, 1, u32::MAX)
        );
        assert_eq!(*source.image(1).unwrap(), dot(2));
        assert_eq!(source.class_counts(), [1, 1]);
        assert_eq!(source.annotation(1), Ok(Annotation::Class(0)));
        assert!(matches!(
            source.annotation(2),
            Err(DataError::Index { index: 2, .. })
        ));
        assert_eq!(
            source.image(2).unwrap_err().to_string(),
            "two: has no image 2; the last one is 1"
        );
    }

    #[test]
    fn refuses_what_cannot_be_trained_on() {
        let new = |images, labels, n| {
            Memory::new("set", images, labels, classes(n))
                .map(|_| ())
                .unwrap_err()
        };
        assert!(matches!(
            new(vec![dot(1)], vec![0], 1),
            DataError::TooFew { found: 1, .. }
        ));
        assert!(matches!(
            new(vec![], vec![], 1),
            DataError::TooFew { found: 0, .. }
        ));
        assert!(matches!(
            new(vec![dot(1), dot(2)], vec![0], 1),
            DataError::Lengths {
                images: 2,
                labels: 1,
                ..
            }
        ));
        let label = new(vec![dot(1), dot(2)], vec![0, 3], 3);
        assert_eq!(
            label.to_string(),
            "set: image 1 has label 3, but there are 3 classes (labels start at 0)"
        );
        let torn = Image {
            width: 2,
            height: 1,
            data: vec![0; 3],
        };
        assert!(matches!(
            new(vec![dot(1), torn], vec![0, 0], 1),
            DataError::Shape { index: 1, .. }
        ));
    }
}
