//! Batches, and the loader that makes them from a data set.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use parallax_data::{Order, SampleIndex, Source};
use parallax_gpu_views::{Packer, runs_on};
use parallax_ranks::Ranks;
use parallax_rng::{Draws, Stream, permutation};
use parallax_views::{Canvas, Image, Op, Pipeline, ViewKey, apply_all, draw_view};

use crate::error::RunError;
use crate::recipe::Recipe;
use crate::views::BatchViews;
use crate::workers::{OneThread, Workers, map};

/// Decoded images that wait to be packed for a GPU.
const DECODED: usize = 64;

thread_local! {
    /// The buffers of the views of a thread.
    static CANVAS: RefCell<Canvas> = RefCell::default();
}

/// The input of a training step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The 0-based step of the run.
    pub step: u64,
    /// Number of images of this rank.
    pub size: usize,
    /// Height and width of a view in pixels.
    pub pixels: [usize; 2],
    /// The views of each image, drawn from the pipeline's policies.
    pub views: BatchViews,
    /// The class label of each image.
    pub labels: Vec<u32>,
    /// What supervised training learns for each image, where that is not its class ([`Source::target`]).
    pub targets: Option<Vec<u32>>,
    /// Whether the second view's keys enter the queue: a coin flip for each BN group of this rank.
    pub enqueue_second: Vec<bool>,
    /// The order in which keys are assigned to BN groups (ShuffleBN): a permutation of the batch of all ranks. With several
    /// ranks the second views are those of this rank's part of the permuted batch.
    pub order: Vec<u32>,
}

impl Batch {
    /// A rank's part of a whole batch of `recipe` whose views were made on the host.
    #[must_use]
    pub fn part(self, recipe: &Recipe, ranks: Ranks) -> Self {
        if ranks.is_one() {
            return self;
        }
        let (own, pixels) = (ranks.part(self.size), 3 * self.pixels[0] * self.pixels[1]);
        let dealt = &self.order[ranks.part(self.order.len())];
        let deals = recipe.shuffles_keys();
        let part = |(number, values): (usize, Vec<f32>)| match deals && number == 1 {
            false => values[own.start * pixels..own.end * pixels].to_vec(),
            true => {
                let images = dealt.iter().map(|&image| image as usize * pixels);
                images
                    .flat_map(|at| values[at..at + pixels].to_vec())
                    .collect()
            }
        };
        let views = match self.views {
            BatchViews::Made(views) => {
                BatchViews::Made(views.into_iter().enumerate().map(part).collect())
            }
            other => other,
        };
        let coins = ranks.part(self.enqueue_second.len());
        Self {
            size: own.len(),
            views,
            labels: self.labels[own.clone()].to_vec(),
            targets: self.targets.map(|targets| targets[own].to_vec()),
            enqueue_second: self.enqueue_second[coins].to_vec(),
            ..self
        }
    }
}

/// Loads the batch of any step: a pure function of the recipe's seed, the source and the step.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::tensor::Device;
/// use parallax_data::sample;
/// use parallax_train::{Loader, Recipe};
///
/// let recipe = Recipe::named("demo", &["run.batch_size=4".to_string()])?;
/// let loader = Loader::new(&recipe, Arc::new(sample::test()?), &Device::flex())?;
/// let batch = loader.load(7)?; // any step, in any order, from any thread
/// assert_eq!((batch.step, batch.size, batch.labels.len()), (7, 4, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    source: Arc<dyn Source>,
    order: Order,
    pipeline: Pipeline,
    side: u32,
    size: usize,
    views: usize,
    groups: usize,
    seed: u64,
    kernels: bool,
    drop_last: bool,
    ranks: Ranks,
    /// Whether the second views are dealt to ranks by the order of ShuffleBN.
    deals: bool,
}

/// Views to load: which images, and which views of each.
struct Wanted<'a> {
    examples: &'a [SampleIndex],
    views: Range<u16>,
}

impl Loader {
    /// The loader of a recipe. Where `device` has kernels for views, batches leave the views to it; elsewhere the loader
    /// computes them, with the same bits.
    ///
    /// # Errors
    /// When the source has fewer images than a batch.
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
            views: recipe.method.name.spec().views,
            groups: recipe.method.bn_groups,
            seed: recipe.run.seed,
            kernels: runs_on(device),
            drop_last: false,
            ranks: Ranks::ONE,
            deals: false,
            source,
        })
    }

    /// The same with epochs of whole batches: instead of running over the end of an epoch, the incomplete last batch is
    /// dropped, as in linear evaluation (methods.md 5.2).
    #[must_use]
    pub fn dropping_last(self) -> Self {
        Self {
            drop_last: true,
            ..self
        }
    }

    /// The same for one rank, which loads its part of every batch: the data of a run do not depend on the number of ranks.
    /// `recipe` is the one that the loader is of.
    ///
    /// # Errors
    /// When its batch cannot be divided among them.
    pub fn on(self, recipe: &Recipe, ranks: Ranks) -> Result<Self, RunError> {
        recipe.check_ranks(ranks)?;
        Ok(Self {
            groups: recipe.all_groups(ranks),
            deals: recipe.shuffles_keys() && !ranks.is_one(),
            ranks,
            ..self
        })
    }

    /// Images in a batch of all ranks.
    pub fn batch_size(&self) -> usize {
        self.size
    }

    /// The data set.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    fn examples(&self, step: u64) -> Vec<SampleIndex> {
        match self.drop_last {
            true => self.order.whole_batch(step, self.size),
            false => self.order.batch(step * self.size as u64, self.size),
        }
    }

    /// The batch of a 0-based step.
    ///
    /// # Errors
    /// When an image cannot be read: the first one of the batch.
    pub fn load(&self, step: u64) -> Result<Batch, RunError> {
        self.load_with(step, &OneThread)
    }

    /// The same batch, whose images are decoded and augmented by `workers`.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn load_with(&self, step: u64, workers: &dyn Workers) -> Result<Batch, RunError> {
        let all = self.examples(step);
        let order = shuffle_order(self.seed, step, self.size);
        let own = self.ranks.part(self.size);
        let wanted = |examples, views| Wanted { examples, views };
        let examples = all[own.clone()].to_vec();
        let views = match self.deals {
            false => self.views_of(&wanted(&examples, 0..self.views as u16), workers)?,
            true => {
                let dealt = order[own].iter().map(|&image| all[image as usize]);
                let dealt: Vec<_> = dealt.collect();
                let wanted = [wanted(&examples, 0..1), wanted(&dealt, 1..2)];
                let views = wanted.iter().map(|wanted| self.views_of(wanted, workers));
                BatchViews::Several(views.collect::<Result<_, _>>()?)
            }
        };
        let coin = |group: usize| {
            let mut draws = Draws::new(self.seed, Stream::Coin, 0, step as u32, group as u16);
            draws.unit() < 0.5
        };
        let label = |sample: &SampleIndex| self.source.label(sample.index as usize);
        let target = |sample: &SampleIndex| self.source.target(sample.index as usize);
        let labels: Vec<u32> = examples.iter().map(label).collect();
        let targets: Vec<u32> = examples.iter().map(target).collect();
        Ok(Batch {
            step,
            size: examples.len(),
            pixels: [self.side as usize; 2],
            views,
            targets: Some(targets).filter(|targets| *targets != labels),
            labels,
            enqueue_second: self.ranks.part(self.groups).map(coin).collect(),
            order,
        })
    }

    fn views_of(&self, wanted: &Wanted<'_>, workers: &dyn Workers) -> Result<BatchViews, RunError> {
        let packed = match self.kernels {
            true => self.packed(wanted, workers)?,
            false => None,
        };
        packed.map_or_else(|| self.made(wanted, workers), Ok)
    }

    /// The views, computed here. Each image is decoded once for all of them.
    fn made(
        &self,
        Wanted { examples, views }: &Wanted<'_>,
        workers: &dyn Workers,
    ) -> Result<BatchViews, RunError> {
        let first = views.start;
        let pixels = 3 * (self.side * self.side) as usize;
        let view = |_| vec![0.0; examples.len() * pixels];
        let mut views: Vec<Vec<f32>> = views.clone().map(view).collect();
        let mut places: Vec<_> = views
            .iter_mut()
            .map(|view| view.chunks_mut(pixels))
            .collect();
        let own = examples.iter().map(|&sample| {
            let places: Vec<&mut [f32]> = places.iter_mut().filter_map(Iterator::next).collect();
            (sample, places)
        });
        map(workers, own.collect(), |(sample, places)| {
            let image = self.source.image(sample.index as usize)?;
            for (view, out) in places.into_iter().enumerate() {
                let ops = self.draw(&image, sample, first + view as u16);
                CANVAS.with_borrow_mut(|canvas| {
                    canvas
                        .apply(&image, &ops)
                        .map_err(|error| view_error(sample.index, error))?;
                    canvas
                        .write_normalized(out)
                        .map_err(|error| view_error(sample.index, error))
                })?;
            }
            Ok(())
        })?;
        Ok(BatchViews::Made(views))
    }

    /// What the device computes the views from; `None` where its kernels do not support one of them.
    fn packed(
        &self,
        Wanted { examples, views }: &Wanted<'_>,
        workers: &dyn Workers,
    ) -> Result<Option<BatchViews>, RunError> {
        let mut packer = Packer::default();
        // Decoded images are packed some at a time, which bounds the memory for them.
        for some in examples.chunks(DECODED) {
            let images = map(workers, some.to_vec(), |sample| {
                let image = self.source.image(sample.index as usize)?;
                let views = views.clone();
                let ops: Vec<Vec<Op>> = views.map(|view| self.draw(&image, sample, view)).collect();
                Ok((image, ops))
            })?;
            for (sample, (image, ops)) in some.iter().zip(images) {
                match packer.add(&image, &ops) {
                    Ok(()) => {}
                    Err(error) if error.is_gpu_limit() => return Ok(None),
                    Err(error) => return Err(view_error(sample.index, error)),
                }
            }
        }
        let batch = packer.finish();
        let batch = batch.map_err(|error| RunError::Device(error.to_string()))?;
        Ok(Some(BatchViews::Packed(batch)))
    }

    /// The images of a step's batch, by their indices in the source.
    pub fn indices(&self, step: u64) -> impl Iterator<Item = u32> {
        self.examples(step).into_iter().map(|sample| sample.index)
    }

    /// The first `count` examples of a step with two views each, for display.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn preview(&self, step: u64, count: usize) -> Result<Vec<Preview>, RunError> {
        let examples = self.examples(step);
        let shown = examples.into_iter().take(count).map(|sample| {
            let image = self.source.image(sample.index as usize)?;
            let view = |view| {
                let ops = self.draw(&image, sample, view);
                let image = apply_all(&image, &ops).map_err(|e| view_error(sample.index, e))?;
                Ok::<_, RunError>((image, ops))
            };
            let views = [view(0)?, view(1)?];
            Ok(Preview {
                index: sample.index,
                source: image.into_owned(),
                views,
            })
        });
        shown.collect()
    }

    fn draw(&self, image: &Image, SampleIndex { epoch, index }: SampleIndex, view: u16) -> Vec<Op> {
        let key = ViewKey {
            seed: self.seed,
            epoch,
            sample: index,
            view,
        };
        draw_view(self.pipeline, image.width, image.height, self.side, key)
    }
}

/// The order in which a step's keys are assigned to BN groups (ShuffleBN): a permutation of the batch, a pure function of
/// the seed and the 0-based step.
pub fn shuffle_order(seed: u64, step: u64, size: usize) -> Vec<u32> {
    permutation(seed, Stream::Shuffle, step as u32, size as u32)
}

/// One example and its views.
pub struct Preview {
    /// Index in the source.
    pub index: u32,
    /// The decoded image.
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
