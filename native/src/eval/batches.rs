//! The features that a classifier is trained on.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use burn::tensor::{Device, Tensor};
use parallax_data::Source;
use parallax_eval::{Augment, FeatureLoader, LinearEvalConfig, view_features};
use parallax_kernels::gather_rows;
use parallax_train::{Batch, Extractor, Loader};

use super::features;
use crate::prefetch::Prefetch;
use crate::ranks;

/// Where the classifier's batches come from.
pub enum Batches {
    /// Features that were computed once.
    Table(FeatureLoader),
    /// Views, whose features are computed in every epoch.
    Views(Box<Views>),
}

impl Batches {
    /// Of a training source, from `step` to `total`: from its features, which are computed now and, where `folder` is given,
    /// kept there, or from its views.
    pub fn start(
        mut extractor: Extractor,
        config: &LinearEvalConfig,
        train: &Arc<dyn Source>,
        [step, total]: [u64; 2],
        (threads, folder): (usize, Option<&Path>),
    ) -> Result<Self> {
        if config.augment == Augment::None {
            let features = features::of(&mut extractor, train.as_ref(), "train", folder)?;
            let table = FeatureLoader::new(features, config.batch_size, config.seed)?;
            return Ok(Self::Table(table));
        }
        let device = extractor.device().clone();
        let recipe = config.views()?;
        let loader = Loader::new(&recipe, Arc::clone(train), &device)?.dropping_last();
        let loader = loader.on(&recipe, ranks::here())?;
        let views = Views::start(extractor, &loader, [step, total], threads);
        Ok(Self::Views(Box::new(views)))
    }

    /// Features and labels of the next step, from 0, and the time waited for views.
    pub fn next(&mut self, step: u64, device: &Device) -> Result<(Tensor<2>, Vec<u32>, Duration)> {
        match self {
            Self::Table(table) => {
                let (features, labels) = table.load(step, device);
                Ok((features, labels, Duration::ZERO))
            }
            Self::Views(views) => views.next(device),
        }
    }
}

/// The features of views, several of the classifier's batches in a forward pass where the device takes so many images.
pub struct Views {
    extractor: Extractor,
    batches: Prefetch<Batch>,
    /// Batches in a forward pass; passes begin at multiples of it, so that a resumed run repeats those of an uninterrupted one.
    group: u64,
    /// The next step that will be loaded.
    at: u64,
    total: u64,
    /// Batches of a resumed run's first pass that were learned from before.
    skip: u64,
    ready: VecDeque<(Tensor<2>, Vec<u32>)>,
}

impl Views {
    fn start(
        extractor: Extractor,
        loader: &Loader,
        [step, total]: [u64; 2],
        threads: usize,
    ) -> Self {
        let group = (extractor.batch() / loader.batch_size()).max(1) as u64;
        let skip = step % group;
        let at = step - skip;
        Self {
            batches: Prefetch::of(loader, at, total, threads),
            extractor,
            group,
            at,
            total,
            skip,
            ready: VecDeque::new(),
        }
    }

    /// Features, labels, and the time waited for views.
    fn next(&mut self, device: &Device) -> Result<(Tensor<2>, Vec<u32>, Duration)> {
        let mut waited = Duration::ZERO;
        while self.ready.is_empty() {
            let count = self.group.min(self.total.saturating_sub(self.at));
            let mut batches = Vec::new();
            for _ in 0..count {
                batches.push(self.batches.next()?);
                waited += self.batches.waited;
            }
            self.at += count;
            let found = view_features(&mut self.extractor, batches, device)?;
            // Ranks compute the features of their parts of a batch, and learn from all of them.
            let ranks = ranks::here();
            for (features, labels) in found.into_iter().skip(self.skip as usize) {
                let labels = ranks.gather(&labels)?;
                self.ready.push_back((gather_rows(features, ranks), labels));
            }
            ranks.check()?;
            self.skip = 0;
            anyhow::ensure!(count > 0, "no batch is left");
        }
        let ready = self.ready.pop_front();
        let (features, labels) = ready.ok_or_else(|| anyhow::anyhow!("no batch is left"))?;
        Ok((features, labels, waited))
    }
}
