//! The forward pass of a batch in training, with batch norm over BN groups (methods.md 2.3).

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_kernels::gather_rows;
use parallax_nets::{Mode, ResNet};
use parallax_ranks::Ranks;
use serde::{Deserialize, Serialize};

/// Which images share batch-norm statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BnKind {
    /// Those of a BN group, as the images of one GPU do without synchronisation. The running statistics are those of the
    /// first group. Recipes may also call it `local` or `per-device`.
    #[serde(alias = "local", alias = "per-device")]
    PerGroup,
    /// The whole batch ("torchsync": `torch.nn.SyncBatchNorm`), over all ranks. Recipes may also call it `synchronised`.
    #[serde(alias = "synchronised", alias = "synchronized")]
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
    /// BN groups: equal parts of this rank's batch, in order, that stand for the GPUs of a distributed run; at least 1.
    pub bn_groups: usize,
    /// Between whom the batch is divided. The first BN group is that of rank 0.
    pub ranks: Ranks,
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
        let (batch, groups, ranks) = (x.dims()[0], self.bn_groups, self.ranks);
        let mode_of = |group: usize| match group == 0 && ranks.is_first() {
            true => Mode::Train,
            false => Mode::Batch,
        };
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
                        let x = x.clone().narrow(0, begin, size);
                        let Pass { features, out } = pass(network, x, mode_of(group));
                        (features, out)
                    })
                    .unzip();
                Pass {
                    features: Tensor::cat(features, 0),
                    out: Tensor::cat(out, 0),
                }
            }
            BnKind::PerGroup => pass(network, x, mode_of(0)),
            BnKind::Plainsync if groups * ranks.size() > 1 => {
                pass(network, x, Mode::TrainBiased(ranks))
            }
            BnKind::Sync | BnKind::Plainsync => pass(network, x, Mode::Sync(ranks)),
        }
    }

    /// The head's output with ShuffleBN (methods.md 3.2): the batch is permuted before it is split into BN groups, and the
    /// output is permuted back. `order[i]` is the image at position `i` of the permuted batch.
    ///
    /// With several ranks `x` holds this rank's part of the batch that is permuted already, which is what its loader loads;
    /// the outputs of all ranks are gathered, and those of its own images are returned.
    pub fn shuffled_pass(self, network: &mut ResNet, x: Tensor<4>, order: &[u32]) -> Tensor<2> {
        if self.kind != BnKind::PerGroup || self.bn_groups * self.ranks.size() < 2 {
            return self.pass(network, x).out;
        }
        let mut inverse = vec![0; order.len()];
        for (position, &image) in order.iter().enumerate() {
            if let Some(found) = inverse.get_mut(image as usize) {
                *found = position as u32;
            }
        }
        let device = x.device();
        if !self.ranks.is_one() {
            let out = gather_rows(self.pass(network, x).out, self.ranks);
            let own = self.ranks.part(inverse.len());
            return out.select(0, indices(&inverse[own], &device));
        }
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
