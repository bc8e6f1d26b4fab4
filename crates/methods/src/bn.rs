//! The forward pass of a batch in training, with batch norm over BN groups (methods.md 2.3).

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_nets::{Mode, ResNet};
use serde::{Deserialize, Serialize};

/// Which images share batch-norm statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BnKind {
    /// Those of a BN group, as the images of one GPU do without synchronisation. The running statistics are those of the
    /// first group. Recipes may also call it `per-device`.
    #[serde(alias = "per-device")]
    PerGroup,
    /// The whole batch ("torchsync": `torch.nn.SyncBatchNorm`).
    Sync,
    /// The whole batch, and the running variance is updated with the biased one ("plainsync"). With one BN group this is
    /// ordinary batch norm.
    Plainsync,
}

/// Batch norm of both networks of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BnConfig {
    /// Which images share statistics.
    pub kind: BnKind,
    /// BN groups: equal parts of the batch, in order, that stand for the GPUs of a distributed run; at least 1.
    pub bn_groups: usize,
}

/// The outputs of a network for a batch.
pub struct Pass {
    /// Pooled features, `[batch, features]`.
    pub features: Tensor<2>,
    /// Output of the head, `[batch, out]`.
    pub out: Tensor<2>,
}

impl BnConfig {
    /// Passes images `[batch, 3, height, width]` through `network` and updates its running statistics.
    ///
    /// Where `bn_groups` does not divide the batch, the last group takes the remainder.
    pub fn pass(self, network: &mut ResNet, x: Tensor<4>) -> Pass {
        let (batch, groups) = (x.dims()[0], self.bn_groups);
        match self.kind {
            BnKind::PerGroup if groups > 1 => {
                let size = batch / groups;
                let (features, out) = (0..groups)
                    .map(|group| {
                        let begin = group * size;
                        let size = if group + 1 == groups {
                            batch - begin
                        } else {
                            size
                        };
                        let mode = if group == 0 { Mode::Train } else { Mode::Batch };
                        let Pass { features, out } =
                            pass(network, x.clone().narrow(0, begin, size), mode);
                        (features, out)
                    })
                    .unzip();
                Pass {
                    features: Tensor::cat(features, 0),
                    out: Tensor::cat(out, 0),
                }
            }
            BnKind::PerGroup => pass(network, x, Mode::Train),
            BnKind::Plainsync if groups > 1 => pass(network, x, Mode::TrainBiased),
            BnKind::Sync | BnKind::Plainsync => pass(network, x, Mode::Sync),
        }
    }

    /// The head's output with ShuffleBN (methods.md 3.2): the batch is permuted before it is split into BN groups, and the
    /// output is permuted back. `order[i]` is the image at position `i` of the permuted batch.
    pub fn shuffled_pass(self, network: &mut ResNet, x: Tensor<4>, order: &[u32]) -> Tensor<2> {
        if self.kind != BnKind::PerGroup || self.bn_groups < 2 {
            return self.pass(network, x).out;
        }
        let mut inverse = vec![0; order.len()];
        for (position, &image) in order.iter().enumerate() {
            if let Some(found) = inverse.get_mut(image as usize) {
                *found = position as u32;
            }
        }
        let device = x.device();
        let shuffled = x.select(0, indices(order, &device));
        self.pass(network, shuffled)
            .out
            .select(0, indices(&inverse, &device))
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
