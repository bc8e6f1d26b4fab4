//! A run: the method, its optimiser, its schedules and its step index.

use burn::tensor::Device;
use parallax_kernels::largest_tensor;
use parallax_methods::{BnConfig, Method, MethodConfig};
use parallax_nets::{ResNet, names};
use parallax_ranks::Ranks;

use crate::classifier::Classifier;
use crate::data_shape::DataShape;
use crate::error::{RecipeError, RunError};
use crate::groups::check_matches;
use crate::memory::MemoryEstimate;
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::schedule::{EmaSchedule, Schedule};
use crate::sgd::Sgd;

/// A pre-training run on one device.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::tensor::Device;
/// use parallax_data::{Source, sample};
/// use parallax_train::{DataShape, Loader, Recipe, Run};
///
/// let small = ["run.batch_size=4", "views.size=16", "model.width=4", "method.hidden=8", "method.out=4", "method.queue=8"];
/// let recipe = Recipe::named("demo", &small.map(String::from))?;
/// let device = Device::flex(); // the CPU
/// let images: Arc<dyn Source> = Arc::new(sample::test()?);
/// let loader = Loader::new(&recipe, Arc::clone(&images), &device)?;
/// let mut run = Run::new(recipe, DataShape::of(images.as_ref()), &device)?;
/// for step in 0..2 {
///     let report = pollster::block_on(run.step(loader.load(step)?))?;
///     println!("step {}: loss {:.3}", report.step, report.loss);
/// }
/// assert_eq!(run.step_index(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Run {
    pub(crate) recipe: Recipe,
    pub(crate) data: DataShape,
    pub(crate) method: Box<dyn Method>,
    pub(crate) optimizer: Optimizer,
    pub(crate) classifier: Option<Classifier>,
    pub(crate) step: u64,
    pub(crate) device: Device,
    pub(crate) schedule: Schedule,
    pub(crate) online_schedule: Schedule,
    pub(crate) momentum: EmaSchedule,
    pub(crate) norms: bool,
    pub(crate) ranks: Ranks,
}

impl Run {
    /// A run with freshly initialised weights. `device` is one without autodiff.
    ///
    /// # Errors
    /// When the examples do not fill a batch, a supervised head has fewer outputs than there are classes, the device
    /// lacks the recipe's precision, or its largest buffer is smaller than a tensor of a step.
    pub fn new(recipe: Recipe, data: DataShape, device: &Device) -> Result<Self, RunError> {
        Self::on(recipe, data, device, Ranks::ONE)
    }

    /// The same on one rank of several, each with a part of every batch. All ranks make the same calls with the same recipe.
    ///
    /// # Errors
    /// As [`Run::new`], and when the batch or the BN groups cannot be divided among the ranks.
    pub fn on(
        recipe: Recipe,
        data: DataShape,
        device: &Device,
        ranks: Ranks,
    ) -> Result<Self, RunError> {
        recipe.check_ranks(ranks)?;
        let (batch, examples) = (recipe.run.batch_size, data.examples);
        if examples < batch {
            return Err(RunError::TooFew { examples, batch });
        }
        if recipe
            .data
            .taxonomy
            .groups()?
            .is_some_and(|map| map.groups.len() < data.targets)
        {
            let reason =
                "groups classes, but the data are not grouped: train on Recipe::training_data";
            let (key, reason) = ("data.taxonomy".to_string(), reason.to_string());
            return Err(RecipeError::Value { key, reason }.into());
        }
        recipe.run.precision.check(device)?;
        let own = recipe.of_rank(ranks);
        let needed = MemoryEstimate::of(&own, data.targets).largest;
        if let Some(most) = largest_tensor(device).filter(|&most| needed > most) {
            return Err(RunError::TooLarge { needed, most });
        }
        let config = own.method_config(data.targets);
        let bn = BnConfig { ranks, ..config.bn };
        let config = MethodConfig { bn, ..config };
        if recipe.method.name.spec().labels && config.network.out < data.targets {
            let reason = format!("is less than the {} labels of the data", data.targets);
            let key = "method.out".to_string();
            return Err(RecipeError::Value { key, reason }.into());
        }
        let features = config.network.features();
        let method = recipe.method.name.build(&config, device);
        check_matches(&recipe.optimizer.groups, &names::shapes(method.online()))?;
        Ok(Self {
            method,
            optimizer: Optimizer::of(&recipe.optimizer),
            classifier: recipe.probe.online.then(|| {
                Classifier::new(
                    features,
                    data.classes,
                    Sgd::CLASSIFIER,
                    recipe.run.seed,
                    device,
                )
            }),
            step: 0,
            device: device.clone(),
            schedule: recipe.schedule(data),
            online_schedule: recipe.online_schedule(data),
            momentum: recipe.momentum(data),
            norms: false,
            ranks,
            data,
            recipe,
        })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps taken so far; also the 0-based index of the next step.
    pub fn step_index(&self) -> u64 {
        self.step
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.recipe.total_steps(self.data)
    }

    /// The online network.
    pub fn online(&self) -> &ResNet {
        self.method.online()
    }

    /// The shape of its data.
    pub fn data_shape(&self) -> DataShape {
        self.data
    }

    /// What the method was built from.
    pub fn method_config(&self) -> MethodConfig {
        self.recipe.method_config(self.data.targets)
    }

    /// The backbone as it was before the first step, initialised again from the seed.
    pub fn random_backbone(&self) -> ResNet {
        self.method_config().random_backbone(&self.device)
    }

    /// Between whom it is divided.
    pub fn ranks(&self) -> Ranks {
        self.ranks
    }

    /// The device of the networks.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The online classifier, to load other weights into it.
    pub fn classifier_mut(&mut self) -> Option<&mut Classifier> {
        self.classifier.as_mut()
    }

    /// The method with its networks and queue.
    pub fn method(&self) -> &dyn Method {
        self.method.as_ref()
    }

    /// The method, to load other weights into it.
    pub fn method_mut(&mut self) -> &mut dyn Method {
        self.method.as_mut()
    }

    /// Whether steps report the norms of gradients and parameters, which takes a second synchronisation with the device.
    pub fn measure_norms(&mut self, on: bool) {
        self.norms = on;
    }
}
