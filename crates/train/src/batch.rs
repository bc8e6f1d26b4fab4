//! From the stream of examples to a batch of views.

use std::sync::Arc;

use burn::tensor::Device;
use parallax_data::{Order, Source, Visit};
use parallax_gpu_views::{Packer, runs_on};
use parallax_views::{Canvas, Draws, Image, Op, Pipeline, Stream, ViewKey, apply_all, draw_view};

use crate::error::RunError;
use crate::recipe::Recipe;
use crate::views::BatchViews;

/// What one step learns from.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 0-based step that this batch is for.
    pub step: u64,
    /// Pictures.
    pub size: usize,
    /// Side of a view in pixels.
    pub side: usize,
    /// Two views of each picture, drawn with the pipeline's two laws.
    pub views: BatchViews,
    /// Whether the second view's keys go into the queue.
    pub enqueue_second: bool,
}

/// Makes the batch of any step: a pure function of the recipe's seed, the source and the step.
#[derive(Clone)]
pub struct Loader {
    source: Arc<dyn Source>,
    order: Order,
    pipeline: Pipeline,
    side: u32,
    size: usize,
    seed: u64,
    kernels: bool,
}

impl Loader {
    /// Reads what it needs from the recipe. Views are made on `device` where it can, else by the loader; that
    /// changes no bit of them.
    ///
    /// # Errors
    /// When the source holds fewer examples than a batch.
    pub fn new(
        recipe: &Recipe,
        source: Arc<dyn Source>,
        device: &Device,
    ) -> Result<Self, RunError> {
        let (examples, batch) = (source.len(), recipe.run.batch_size);
        if examples < batch {
            return Err(RunError::TooFew { examples, batch });
        }
        Ok(Self {
            order: Order::new(recipe.run.seed, examples)?,
            pipeline: recipe.pipeline(),
            side: recipe.views.size,
            size: batch,
            seed: recipe.run.seed,
            kernels: runs_on(device),
            source,
        })
    }

    /// Where the examples come from.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    fn examples(&self, step: u64) -> Vec<Visit> {
        self.order.batch(step * self.size as u64, self.size)
    }

    /// Both views of every example of a step.
    ///
    /// # Errors
    /// When an example cannot be read.
    pub fn load(&self, step: u64) -> Result<Batch, RunError> {
        let examples = self.examples(step);
        let packed = match self.kernels {
            true => self.packed(&examples)?,
            false => None,
        };
        let views = match packed {
            Some(views) => views,
            None => self.made(&examples)?,
        };
        let mut coin = Draws::new(self.seed, Stream::Coin, 0, step as u32, 0);
        Ok(Batch {
            step,
            size: self.size,
            side: self.side as usize,
            views,
            enqueue_second: coin.unit() < 0.5,
        })
    }

    /// The views made here.
    fn made(&self, examples: &[Visit]) -> Result<BatchViews, RunError> {
        let pixels = 3 * (self.side * self.side) as usize;
        let mut views = [(); 2].map(|()| vec![0.0; examples.len() * pixels]);
        let mut canvas = Canvas::default();
        for (place, visit) in examples.iter().enumerate() {
            let image = self.source.image(visit.index as usize)?;
            for (view, out) in views.iter_mut().enumerate() {
                let ops = self.draw(&image, *visit, view as u16);
                let out = &mut out[place * pixels..(place + 1) * pixels];
                canvas
                    .apply(&image, &ops)
                    .map_err(|error| view_error(visit.index, error))?;
                canvas
                    .write_normalized(out)
                    .map_err(|error| view_error(visit.index, error))?;
            }
        }
        Ok(BatchViews::Made(views))
    }

    /// What the device makes the views of; none where its kernels do not take them.
    fn packed(&self, examples: &[Visit]) -> Result<Option<BatchViews>, RunError> {
        let mut packer = Packer::default();
        for visit in examples {
            let image = self.source.image(visit.index as usize)?;
            let ops = [0, 1].map(|view| self.draw(&image, *visit, view));
            match packer.add(&image, &ops) {
                Ok(()) => {}
                Err(error) if error.is_of_kernels() => return Ok(None),
                Err(error) => return Err(view_error(visit.index, error)),
            }
        }
        let batch = packer.finish();
        let batch = batch.map_err(|error| RunError::Device(error.to_string()))?;
        Ok(Some(BatchViews::Packed(batch)))
    }

    /// The first `count` examples of a step, to be looked at.
    ///
    /// # Errors
    /// When an example cannot be read.
    pub fn preview(&self, step: u64, count: usize) -> Result<Vec<Preview>, RunError> {
        let examples = self.examples(step);
        let shown = examples.into_iter().take(count).map(|visit| {
            let image = self.source.image(visit.index as usize)?;
            let view = |view| {
                let ops = self.draw(&image, visit, view);
                let picture = apply_all(&image, &ops).map_err(|e| view_error(visit.index, e))?;
                Ok::<_, RunError>((picture, ops))
            };
            let views = [view(0)?, view(1)?];
            Ok(Preview {
                index: visit.index,
                source: image.into_owned(),
                views,
            })
        });
        shown.collect()
    }

    fn draw(&self, image: &Image, Visit { pass, index }: Visit, view: u16) -> Vec<Op> {
        let key = ViewKey {
            seed: self.seed,
            epoch: pass,
            sample: index,
            view,
        };
        draw_view(self.pipeline, image.width, image.height, self.side, key)
    }
}

/// One example and what became of it.
pub struct Preview {
    /// Index in the source.
    pub index: u32,
    /// The picture as it came.
    pub source: Image,
    /// Both views with the operations that made them.
    pub views: [(Image, Vec<Op>); 2],
}

pub(crate) fn view_error(index: u32, error: impl ToString) -> RunError {
    RunError::View {
        index,
        reason: error.to_string(),
    }
}
