//! Errors of recipes and runs.

use std::fmt;

use parallax_data::DataError;
use parallax_data::taxonomy::TaxonomyError;
use parallax_probes::ProbeError;
use parallax_ranks::RanksError;
use parallax_weights::WeightsError;

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Invalid TOML, an unknown key, a wrong type.
    #[error("{}", .0.to_string().trim_end())]
    Toml(toml::de::Error),
    /// An override without a section, a key or a value.
    #[error(
        "'{0}' is not an override; write section.key=value, for example optimizer.base_lr=0.06"
    )]
    Override(String),
    /// A value out of range.
    #[error("{key} {reason}")]
    Value {
        /// Section and key.
        key: String,
        /// What it must be.
        reason: String,
    },
    /// A taxonomy that is not valid, or does not match the data.
    #[error("data.taxonomy: {0}")]
    Taxonomy(#[from] TaxonomyError),
    /// No embedded recipe has this name.
    #[error("there is no recipe '{0}'")]
    Unknown(String),
    /// A value that TOML cannot hold.
    #[error("the recipe cannot be written: {0}")]
    Write(String),
}

/// Advice where a step takes too much memory.
pub const LESS_MEMORY: &str = "lower run.batch_size, split it into micro-batches with run.accumulate, recompute blocks with \
     run.recompute=true, or lower views.size; run.precision=f16 halves activations on GPUs that support it. Checkpoints that \
     were written are whole: continue from the newest with --resume where there is more memory";

/// Why a run cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// An example.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A view that could not be made.
    #[error("view of example {index}: {reason}")]
    View {
        /// Index in the source.
        index: u32,
        /// What is wrong.
        reason: String,
    },
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// An exchange between ranks. The step was not taken.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// Ranks whose states differ.
    #[error(
        "the state of rank {rank} differs from that of rank 0 at step {step}: nothing was saved. Ranks must have the same \
         kind of device, the same program and the same data; continue from the newest checkpoint with --resume"
    )]
    Differs {
        /// The first rank that differs.
        rank: usize,
        /// Steps taken.
        step: u64,
    },
    /// Fewer examples than a batch.
    #[error(
        "{examples} images are fewer than one batch of {batch}; \
         add images or lower the batch: --set run.batch_size={examples}"
    )]
    TooFew {
        /// How many there are.
        examples: usize,
        /// How many a step takes.
        batch: usize,
    },
    /// A tensor larger than the device's largest buffer.
    #[error(
        "the largest tensor of a step has {} MiB, this device takes {} MiB at most: a larger run.accumulate, a smaller \
         run.batch_size or a smaller method.queue makes it smaller", .needed >> 20, .most >> 20
    )]
    TooLarge {
        /// Bytes of the tensor.
        needed: u64,
        /// Bytes that the device binds.
        most: u64,
    },
    /// A NaN or infinite loss. The step was not taken.
    #[error(
        "the loss became {loss} at step {step} (epoch {epoch:.2}, learning rate {lr:.3e}): training diverged; \
         {}. Start again with a lower optimizer.base_lr or a longer schedule.warmup_epochs",
        if *.whole { "the state before that step is whole" } else {
            "the weights are not finite any more, so that only older checkpoints are of use"
        }
    )]
    Diverged {
        /// 1-based.
        step: u64,
        /// Passes over the data.
        epoch: f64,
        /// NaN or infinity.
        loss: f64,
        /// Learning rate that the step would have had.
        lr: f64,
        /// Whether the weights before the step are finite, so that the run can be saved.
        whole: bool,
    },
    /// A gradient that overflows f16 at every loss scale. The step was not taken.
    #[error(
        "the gradients of step {step} (epoch {epoch:.2}, loss {loss:.4}) are not finite in {precision}, with any loss \
         scale; the state before that step is whole. Continue with --set run.precision=f32, or start again with a lower \
         optimizer.base_lr"
    )]
    Overflow {
        /// 1-based.
        step: u64,
        /// Passes over the data.
        epoch: f64,
        /// Finite.
        loss: f64,
        /// Of the run.
        precision: &'static str,
    },
    /// A checkpoint that is damaged or not of this run.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// Name of the file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A weight file without one of the two networks.
    #[error("{file} holds no {branch} network: choose the other one (--branch online or target)")]
    Branch {
        /// Name of the file.
        file: String,
        /// `online` or `target`.
        branch: String,
    },
    /// The device is out of memory.
    #[error(
        "the device cannot give {} MiB in one piece: it is out of memory, or allows no buffer that large; {LESS_MEMORY}",
        .bytes.div_ceil(1 << 20)
    )]
    Memory {
        /// Size of the allocation that failed.
        bytes: u64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl RunError {
    /// From an error of the device. A failed allocation makes every later operation on the buffer fail, and those are
    /// listed in front of the cause.
    pub(crate) fn of_device(error: impl fmt::Debug) -> Self {
        let text = format!("{error:?}");
        match refused(&text) {
            Some(bytes) => RunError::Memory { bytes },
            None => RunError::Device(text),
        }
    }
}

/// The size of a buffer that a device refused, as cubecl's errors tell it (`IoError::BufferTooBig`, `OutOfMemory`).
fn refused(text: &str) -> Option<u64> {
    let signs = [
        "can't allocate buffer of size: ",
        "out of device memory allocating ",
    ];
    signs.into_iter().find_map(|sign| {
        let (_, rest) = text.split_once(sign)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_buffer_is_found_behind_what_it_made_fail() {
        let list = "Several failures\nCaused by:\n  skipped `Kernel`\nCaused by:\n  can't allocate buffer of size: 150994944\n";
        assert_eq!(refused(list), Some(150_994_944));
        assert_eq!(refused("out of device memory allocating 5 bytes"), Some(5));
        assert_eq!(refused("the device was lost"), None);
        let message = RunError::Memory { bytes: 150_994_944 }.to_string();
        for part in [
            "144 MiB",
            "run.batch_size",
            "run.accumulate",
            "run.recompute",
            "--resume",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}
