//! A whole training step: a ResNet learns ten classes of a fixed random batch.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use parallax_kernels::log_softmax;
use parallax_nets::{Arch, HeadKind, Init, Mode, ResNet, ResNetConfig, StageConfig, Stem};
use parallax_train::{Optimizer, ParamGradients, Precision, Rule, Sgd};
use serde::Serialize;

use crate::cases::Setting;
use crate::launches::launches;
use crate::table::{Table, number};
use crate::timer::{Bench, BenchError, median};

const CLASSES: usize = 10;
const RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.9;

/// What a step trains on, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSetting {
    /// The network and its images.
    pub of: Setting,
    /// Steps after the first.
    pub steps: usize,
    /// The network's depth.
    pub arch: Arch,
    /// Its first layers.
    pub stem: Stem,
    /// What activations are stored in, and what the operands of products are rounded to.
    pub precision: Precision,
}

impl StepSetting {
    /// `steps` steps of a ResNet-18 for small images, in f32.
    pub fn resnet18(of: Setting, steps: usize) -> Self {
        Self {
            of,
            steps,
            arch: Arch::ResNet18,
            stem: Stem::Cifar,
            precision: Precision::F32,
        }
    }
}

/// What steps cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// The network and its images.
    #[serde(flatten)]
    pub setting: Setting,
    /// Seconds from a device without kernels and a network yet to be made to the loss of the first step.
    pub first: f64,
    /// Seconds of a step, the median of those after the first.
    pub step: f64,
    /// How many those are.
    pub steps: usize,
    /// Kernels that a step launches, counted; 0 on the CPU.
    pub dispatches: usize,
    /// How often it launches each of them, by name.
    pub launches: BTreeMap<String, usize>,
    /// Loss of the first step.
    pub first_loss: f32,
    /// Loss of the last step.
    pub last_loss: f32,
}

impl StepReport {
    /// The columns of [`StepReport::cells`]; who ran it is for the caller to say.
    pub fn table() -> Table {
        Table::new(
            &["who"],
            &[
                "first step, s",
                "a step, ms",
                "images/s",
                "dispatches",
                "loss, first",
                "loss, last",
            ],
        )
    }

    /// How often a step launches each kernel, the most often launched first.
    pub fn launch_table(&self) -> Table {
        let mut table = Table::new(&["kernel"], &["launches a step"]);
        let mut launches: Vec<_> = self.launches.iter().collect();
        launches.sort_by_key(|&(_, &count)| Reverse(count));
        for (kernel, count) in launches {
            table.push(vec![kernel.clone(), count.to_string()]);
        }
        table.push(vec!["all".to_string(), self.dispatches.to_string()]);
        table
    }

    /// The line as text, for the library and the device that ran it.
    pub fn cells(&self, who: &str) -> Vec<String> {
        vec![
            who.to_string(),
            number(self.first, 2),
            number(self.step * 1e3, 1),
            number(self.setting.batch as f64 / self.step, 1),
            match self.dispatches {
                0 => "-".to_string(),
                count => count.to_string(),
            },
            number(f64::from(self.first_loss), 3),
            number(f64::from(self.last_loss), 3),
        ]
    }
}

/// Takes a first step and `steps` more; `on_step` gets the number and the seconds of each.
///
/// # Errors
/// When a size is zero or the device has failed.
pub async fn step(
    bench: &Bench<'_>,
    setting: &StepSetting,
    mut on_step: impl FnMut(usize, f64),
) -> Result<StepReport, BenchError> {
    setting.of.check()?;
    if setting.steps == 0 {
        return Err(BenchError::Zero("the number of steps"));
    }
    let _operands = setting.precision.operands().enter();
    let begin = bench.now();
    let mut training = Training::new(bench, setting);
    let first_loss = read(training.step()).await?;
    let first = bench.now() - begin;
    on_step(1, first);
    let mut times = Vec::new();
    let mut last_loss = first_loss;
    for number in 0..setting.steps {
        let begin = bench.now();
        last_loss = read(training.step()).await?;
        times.push(bench.now() - begin);
        on_step(number + 2, times[number]);
    }
    let mut loss = None;
    let launches = launches(|| loss = Some(training.step()));
    if let Some(loss) = loss {
        read(loss).await?;
    }
    Ok(StepReport {
        setting: setting.of,
        first,
        steps: times.len(),
        step: median(times),
        dispatches: launches.values().sum(),
        launches,
        first_loss,
        last_loss,
    })
}

struct Training {
    network: ResNet,
    optimizer: Optimizer,
    images: Tensor<4>,
    targets: Tensor<2>,
}

impl Training {
    fn new(bench: &Bench<'_>, setting: &StepSetting) -> Self {
        let of = &setting.of;
        let device = bench.device();
        let config = ResNetConfig {
            arch: setting.arch,
            stem: setting.stem,
            width: of.width,
            stages: StageConfig::STANDARD,
            head: HeadKind::Linear,
            hidden: 0,
            out: CLASSES,
        };
        let network = ResNet::new(&config, &mut Init::new(0, &device.clone().autodiff()));
        // Any values do; these can be made elsewhere without a random generator.
        let values = (0..of.batch * 3 * of.size * of.size).map(|n| (n as f32 * 0.37).sin());
        let images = TensorData::new(
            values.collect::<Vec<f32>>(),
            [of.batch, 3, of.size, of.size],
        );
        let mut targets = vec![0.0f32; of.batch * CLASSES];
        for row in 0..of.batch {
            targets[row * CLASSES + row % CLASSES] = 1.0;
        }
        let targets = TensorData::new(targets, [of.batch, CLASSES]);
        Self {
            network,
            optimizer: Optimizer::new(Rule::Sgd(Sgd {
                momentum: MOMENTUM,
                weight_decay: 0.0,
                nesterov: false,
            })),
            images: Tensor::<4>::from_data(images, device).cast(setting.precision.dtype()),
            targets: Tensor::from_data(targets, device),
        }
    }

    /// Forward, cross-entropy, backward, SGD; the loss has still to be read.
    fn step(&mut self) -> Tensor<1> {
        let images = Tensor::from_inner(self.images.clone());
        let targets = Tensor::from_inner(self.targets.clone());
        let batch = self.targets.dims()[0] as f64;
        let logits = self.network.forward(images, Mode::Train);
        let loss = (log_softmax(logits) * targets).sum() * (-1.0 / batch);
        let mut gradients = loss.backward();
        let gradients = ParamGradients::take(&self.network, &mut gradients);
        let network = self.network.clone();
        self.network = self.optimizer.step(network, gradients, RATE);
        loss.inner()
    }
}

async fn read(loss: Tensor<1>) -> Result<f32, BenchError> {
    let failed = BenchError::Device;
    let data = loss.into_data_async().await;
    let data = data.map_err(|error| failed(format!("{error:?}")))?;
    let values = data.try_to_vec::<f32>();
    Ok(values.map_err(|error| failed(format!("{error:?}")))?[0])
}
