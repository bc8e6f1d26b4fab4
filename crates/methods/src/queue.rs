//! The queue of keys (methods.md 3.2).

use burn::tensor::{Device, Tensor};
use parallax_nets::Init;
use parallax_rng::Stream;

/// Normalised keys of past batches, the oldest overwritten first.
#[derive(Clone, Debug)]
pub struct Queue {
    /// `[keys, out]`, rows of length one
    pub keys: Tensor<2>,
    /// The row that the next key takes.
    pub pointer: usize,
}

impl Queue {
    /// Full of random directions.
    pub fn new(keys: usize, out: usize, seed: u64, device: &Device) -> Self {
        let mut init = Init::of_stream(seed, Stream::Queue, device);
        Self {
            keys: init.unit_rows(keys, out),
            pointer: 0,
        }
    }

    /// Writes a batch of keys at (pointer + i) mod K and moves the pointer.
    pub fn enqueue(&mut self, keys: Tensor<2>) {
        let [length, out] = self.keys.dims();
        // Of a batch longer than the queue only the last rows would survive.
        let batch = keys.dims()[0];
        let kept = batch.min(length);
        let keys = keys.narrow(0, batch - kept, kept);
        let start = (self.pointer + batch - kept) % length;
        let head = kept.min(length - start);
        let queue = self.keys.clone();
        let queue = queue.slice_assign(
            [start..start + head, 0..out],
            keys.clone().narrow(0, 0, head),
        );
        self.keys = if head < kept {
            let rest = keys.narrow(0, head, kept - head);
            queue.slice_assign([0..kept - head, 0..out], rest)
        } else {
            queue
        };
        self.pointer = (self.pointer + batch) % length;
    }
}
