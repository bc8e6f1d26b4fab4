//! From the stream of examples to a batch of views.

use std::sync::Arc;

use parallax_data::{Order, Source, Visit};
use parallax_views::{Canvas, Draws, Image, Op, Pipeline, Stream, ViewKey, apply_all, draw_view};

use crate::error::RunError;
use crate::recipe::Recipe;

/// The views of one step, normalised, on the host.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 0-based step that this batch is for.
    pub step: u64,
    /// Pictures.
    pub size: usize,
    /// Side of a view in pixels.
    pub side: usize,
    /// `[size, 3, side, side]`, drawn with the pipeline's first law.
    pub first: Vec<f32>,
    /// `[size, 3, side, side]`, drawn with the pipeline's second law.
    pub second: Vec<f32>,
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
}

impl Loader {
    /// Reads what it needs from the recipe.
    ///
    /// # Errors
    /// When the source holds fewer examples than a batch.
    pub fn new(recipe: &Recipe, source: Arc<dyn Source>) -> Result<Self, RunError> {
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
        let pixels = 3 * (self.side * self.side) as usize;
        let mut views = [vec![0.0; self.size * pixels], vec![0.0; self.size * pixels]];
        let mut canvas = Canvas::default();
        for (place, visit) in self.examples(step).into_iter().enumerate() {
            let image = self.source.image(visit.index as usize)?;
            for (view, out) in views.iter_mut().enumerate() {
                let ops = self.draw(&image, visit, view as u16);
                let out = &mut out[place * pixels..(place + 1) * pixels];
                canvas
                    .apply(&image, &ops)
                    .map_err(|error| view_error(visit.index, error))?;
                canvas
                    .write_normalized(out)
                    .map_err(|error| view_error(visit.index, error))?;
            }
        }
        let [first, second] = views;
        let mut coin = Draws::new(self.seed, Stream::Coin, 0, step as u32, 0);
        Ok(Batch {
            step,
            size: self.size,
            side: self.side as usize,
            first,
            second,
            enqueue_second: coin.unit() < 0.5,
        })
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
