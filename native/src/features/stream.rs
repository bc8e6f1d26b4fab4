//! Features that come block by block, so that memory does not grow with their number.

use anyhow::Result;
use parallax_data::Source;
use parallax_probes::{Features, labelled};
use parallax_ranks::Ranks;
use parallax_train::Extractor;

use super::extract::extract;
use super::part::Part;
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

/// Images of a rank before ranks exchange their features: so many that waiting for each other costs little.
const TOGETHER: usize = 1024;

/// Features that an encoder computes of images.
pub struct Images<'a> {
    pub extractor: &'a mut Extractor,
    pub source: &'a dyn Source,
    /// What the progress calls them.
    pub what: &'a str,
    /// Threads that decode and resize images.
    pub threads: usize,
    /// Each computes a part, and gets all.
    pub ranks: Ranks,
}

impl Stream for Images<'_> {
    fn labels(&self) -> Result<Vec<u32>> {
        let labels = 0..self.source.len();
        let labels: Vec<_> = labels.map(|index| self.source.label(index)).collect();
        labelled(&labels)?;
        Ok(labels)
    }

    fn blocks(&mut self, visit: &mut dyn FnMut(&Features) -> Result<()>) -> Result<()> {
        let (progress, images) = (Progress::stderr(), self.source.len());
        progress.start(self.what, images as u64, Unit::Images);
        let mut done = 0;
        let mut visit = |features: &Features| {
            visit(features)?;
            done += features.rows() as u64;
            progress.at(done);
            Ok(())
        };
        let extracted = match self.ranks.is_one() {
            true => extract(self.extractor, self.source, self.threads, visit),
            false => self.by_ranks(&mut visit),
        };
        progress.clear();
        extracted
    }
}

impl Images<'_> {
    fn by_ranks(&mut self, visit: &mut dyn FnMut(&Features) -> Result<()>) -> Result<()> {
        let (images, columns) = (self.source.len(), self.extractor.columns());
        let together = self.ranks.size() * TOGETHER;
        for begin in (0..images).step_by(together) {
            let own = self.ranks.part(together.min(images - begin));
            let part = Part {
                source: self.source,
                images: begin + own.start..begin + own.end,
            };
            let (mut values, mut labels) = (Vec::new(), Vec::new());
            extract(self.extractor, &part, self.threads, |features| {
                values.extend_from_slice(features.values());
                labels.extend_from_slice(features.labels());
                Ok(())
            })?;
            visit(&Features::new(values, labels, columns)?.gathered(self.ranks)?)?;
        }
        Ok(())
    }
}
