//! Images in several files, one file after the other.

/// The first image of each file.
#[derive(Default)]
pub struct Firsts {
    firsts: Vec<usize>,
    len: usize,
}

impl Firsts {
    /// Adds a file of so many images.
    pub fn push(&mut self, images: usize) {
        self.firsts.push(self.len);
        self.len += images;
    }

    /// The images of all files.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The file of an image, and its place there.
    pub fn locate(&self, index: usize) -> (usize, usize) {
        let after = self.firsts.partition_point(|&first| first <= index);
        let file = after.saturating_sub(1);
        let first = self.firsts.get(file).copied().unwrap_or_default();
        (file, index - first)
    }
}
