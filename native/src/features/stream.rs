//! Features that come block by block, so that memory does not grow with their number.

use anyhow::Result;
use parallax_data::Source;
use parallax_probes::{Features, labelled};
use parallax_train::Extractor;

use super::extract::extract;
use crate::data::progress::{Progress, Unit};

/// Features of labelled examples, in order.
pub trait Stream {
    /// The label of each example.
    ///
    /// # Errors
    /// When one has none.
    fn labels(&self) -> Result<Vec<u32>>;

    /// Calls `visit` on one block after the other.
    ///
    /// # Errors
    /// When features cannot be read or computed, or `visit` fails.
    fn blocks(&mut self, visit: &mut dyn FnMut(&Features) -> Result<()>) -> Result<()>;
}

/// Features that an encoder computes of images.
pub struct Images<'a> {
    pub extractor: &'a mut Extractor,
    pub source: &'a dyn Source,
    /// What the progress calls them.
    pub what: &'a str,
    /// Threads that decode and resize images.
    pub threads: usize,
}

impl Stream for Images<'_> {
    fn labels(&self) -> Result<Vec<u32>> {
        let labels = 0..self.source.len();
        let labels: Vec<_> = labels.map(|index| self.source.label(index)).collect();
        labelled(&labels)?;
        Ok(labels)
    }

    fn blocks(&mut self, visit: &mut dyn FnMut(&Features) -> Result<()>) -> Result<()> {
        let (progress, images) = (Progress::stderr(), self.source.len() as u64);
        progress.start(self.what, images, Unit::Images);
        let mut done = 0;
        let extracted = extract(self.extractor, self.source, self.threads, |features| {
            visit(features)?;
            done += features.rows() as u64;
            progress.at(done);
            Ok(())
        });
        progress.clear();
        extracted
    }
}
