//! One pass of a batch through a network in training: batch norm over virtual devices (methods.md 2.3).

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_nets::{Mode, ResNet};
use serde::{Deserialize, Serialize};

/// Whose statistics batch norm takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Those of each virtual device's part of the batch; the running ones are the first device's.
    PerDevice,
    /// Those of the whole batch ("torchsync").
    Sync,
    /// Those of the whole batch, and a running variance that is biased. On one device ordinary batch norm.
    Plainsync,
}

/// Batch norm of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Whose statistics.
    pub kind: NormKind,
    /// Virtual devices, each with an equal part of the batch, at least 1.
    pub groups: usize,
}

/// What a network makes of a batch.
pub struct Pass {
    /// Pooled features, `[batch, features]`.
    pub features: Tensor<2>,
    /// Output of the head, `[batch, out]`.
    pub out: Tensor<2>,
}

impl Norm {
    /// Images `[batch, 3, height, width]` through a network; running statistics move.
    ///
    /// What is left of a batch that the groups do not divide goes to the last one.
    pub fn pass(self, network: &mut ResNet, x: Tensor<4>) -> Pass {
        let batch = x.dims()[0];
        match self.kind {
            NormKind::PerDevice if self.groups > 1 => {
                let rows = batch / self.groups;
                let (features, out) = (0..self.groups)
                    .map(|group| {
                        let last = group + 1 == self.groups;
                        let begin = group * rows;
                        let part = if last { batch - begin } else { rows };
                        let part = x.clone().narrow(0, begin, part);
                        let mode = if group == 0 { Mode::Train } else { Mode::Batch };
                        let Pass { features, out } = pass(network, part, mode);
                        (features, out)
                    })
                    .unzip();
                Pass {
                    features: Tensor::cat(features, 0),
                    out: Tensor::cat(out, 0),
                }
            }
            NormKind::Plainsync if self.groups > 1 => pass(network, x, Mode::TrainBiased),
            _ => pass(network, x, Mode::Train),
        }
    }

    /// As [`Norm::pass`] after dealing the batch to the devices in another order, then in the old order
    /// again (ShuffleBN, methods.md 3.2). `order[i]` is the image at place `i`.
    pub fn shuffled_pass(self, network: &mut ResNet, x: Tensor<4>, order: &[u32]) -> Tensor<2> {
        if self.kind != NormKind::PerDevice || self.groups < 2 {
            return self.pass(network, x).out;
        }
        let mut back = vec![0; order.len()];
        for (place, &image) in order.iter().enumerate() {
            if let Some(found) = back.get_mut(image as usize) {
                *found = place as u32;
            }
        }
        let device = x.device();
        let dealt = x.select(0, indices(order, &device));
        self.pass(network, dealt)
            .out
            .select(0, indices(&back, &device))
    }
}

fn pass(network: &mut ResNet, x: Tensor<4>, mode: Mode) -> Pass {
    let features = network.features(x, mode);
    let out = network.head(features.clone(), mode);
    Pass { features, out }
}

fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}
