//! What is known of an image besides its pixels.

/// The annotation of an image. Tasks take from it what they need; a data set for another task than classification adds a
/// variant, such as boxes with classes or a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Annotation {
    /// The class of the image: an index into [`Source::classes`](crate::Source::classes).
    Class(u32),
}

impl Annotation {
    /// The class of the image; `None` where the annotation is of another kind.
    pub fn class(&self) -> Option<u32> {
        match self {
            Annotation::Class(class) => Some(*class),
        }
    }
}
