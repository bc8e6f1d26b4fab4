//! The queue of negative keys (methods.md 3.2).

use burn::tensor::{Device, Tensor};
use parallax_nets::Init;
use parallax_rng::Stream;

/// L2-normalised keys of past batches, in a ring buffer.
#[derive(Clone, Debug)]
pub struct Queue {
    /// `[keys, out]`
    pub keys: Tensor<2>,
    /// The row of the next key.
    pub pointer: usize,
}

impl Queue {
    /// Filled with random unit vectors.
    pub fn new(keys: usize, out: usize, seed: u64, device: &Device) -> Self {
        let mut init = Init::of_stream(seed, Stream::Queue, device);
        Self {
            keys: init.unit_rows(keys, out),
            pointer: 0,
        }
    }

    /// Writes a batch of keys, `[batch, out]`, at rows (pointer + i) mod K and advances the pointer.
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
