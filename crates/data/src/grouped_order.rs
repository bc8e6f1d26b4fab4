//! Batches of images of like aspect ratio.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::error::DataError;
use crate::order::{Order, SampleIndex};

/// The order of images in batches whose images are all wider than high, or none of them is, so that little padding is
/// needed.
///
/// The endless stream of [`Order`] is dealt to two queues by the images' own sizes, and a queue that is full is a batch. The
/// batch of a step is a pure function of the seed, the sizes, the batch size and the step: it is found by dealing from the
/// start of the stream, or from the last batch that was asked for.
#[derive(Debug)]
pub struct GroupedOrder {
    order: Order,
    wide: Vec<bool>,
    batch: usize,
    state: Mutex<State>,
}

/// Batches that are kept: several threads ask for neighbouring steps in any order.
const KEPT: usize = 64;

/// Where the dealing is.
#[derive(Clone, Debug, Default)]
struct State {
    /// Images dealt.
    position: u64,
    queues: [Vec<SampleIndex>; 2],
    /// Batches dealt.
    steps: u64,
    /// The last of them.
    recent: VecDeque<Vec<SampleIndex>>,
}

impl GroupedOrder {
    /// Batches of `batch` images with these widths and heights.
    ///
    /// # Errors
    /// When there are fewer than 2 or too many images.
    pub fn new(seed: u64, sizes: &[(u32, u32)], batch: usize) -> Result<Self, DataError> {
        Ok(Self {
            order: Order::new(seed, sizes.len())?,
            wide: sizes.iter().map(|(width, height)| width > height).collect(),
            batch: batch.max(1),
            state: Mutex::default(),
        })
    }

    /// The images of the 0-based step.
    pub fn batch(&self, step: u64) -> Vec<SampleIndex> {
        // The state only ever changes by whole images, so it is valid even if a thread panicked while holding the lock.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let first = state.steps - state.recent.len() as u64;
            if step < first {
                *state = State::default();
            } else if step < state.steps {
                return state.recent[(step - first) as usize].clone();
            }
            self.deal(&mut state);
        }
    }

    /// Deals one more batch.
    fn deal(&self, state: &mut State) {
        loop {
            let sample = self.order.at(state.position);
            state.position += 1;
            let wide = self.wide.get(sample.index as usize).copied();
            let queue = &mut state.queues[usize::from(!wide.unwrap_or_default())];
            queue.push(sample);
            if queue.len() == self.batch {
                let full = std::mem::take(queue);
                if state.recent.len() == KEPT {
                    state.recent.pop_front();
                }
                state.recent.push_back(full);
                state.steps += 1;
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sizes() -> Vec<(u32, u32)> {
        (0..37).map(|i| (10 + i % 5, 12)).collect()
    }

    #[test]
    fn batches_are_of_one_kind_and_in_the_order_of_the_stream() {
        let sizes = sizes();
        let grouped = GroupedOrder::new(5, &sizes, 4).unwrap();
        let order = Order::new(5, 37).unwrap();
        let wide = |sample: &SampleIndex| {
            let (width, height) = sizes[sample.index as usize];
            width > height
        };
        let batches: Vec<_> = (0..40).map(|step| grouped.batch(step)).collect();
        for kind in [true, false] {
            let own = |batch: &&Vec<SampleIndex>| batch.iter().all(|sample| wide(sample) == kind);
            let dealt: Vec<SampleIndex> = batches.iter().filter(own).flatten().copied().collect();
            let stream = (0..).map(|position| order.at(position));
            let expected: Vec<SampleIndex> = stream
                .filter(|sample| wide(sample) == kind)
                .take(dealt.len())
                .collect();
            assert_eq!(dealt, expected);
        }
        let all: usize = batches.iter().map(Vec::len).sum();
        assert_eq!(all, 160);
    }

    #[test]
    fn a_step_means_the_same_from_anywhere() {
        let one = GroupedOrder::new(5, &sizes(), 4).unwrap();
        let batches: Vec<_> = (0..200).map(|step| one.batch(step)).collect();
        for step in [199, 7, 7, 0, 31, 140, 139, 198, 50] {
            let other = GroupedOrder::new(5, &sizes(), 4).unwrap();
            assert_eq!(other.batch(step as u64), batches[step]);
            assert_eq!(one.batch(step as u64), batches[step]);
        }
    }
}
