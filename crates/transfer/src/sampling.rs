//! The order in which anchors and proposals are taken for a step.

use parallax_boxes::key_order;
use parallax_rng::{Draws, Stream};

/// What ranks candidates; those with the lowest ranks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// By a fixed key of the place, where two implementations are compared.
    Keys,
    /// At random: a pure function of seed, step and image.
    Random {
        /// Of the run.
        seed: u64,
        /// 0-based.
        step: u64,
    },
}

/// Which of the two samplings of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Anchors,
    Proposals,
}

impl Ranking {
    /// The rank of each of `count` candidates of an image.
    pub(crate) fn ranks(self, stage: Stage, image: usize, count: usize) -> Vec<u32> {
        match self {
            Ranking::Keys => (0..count).map(key_order).collect(),
            Ranking::Random { seed, step } => {
                let mut draws = Draws::new(
                    seed,
                    Stream::Sampling,
                    step as u32,
                    image as u32,
                    stage as u16,
                );
                (0..count).map(|_| draws.next_u32()).collect()
            }
        }
    }
}
