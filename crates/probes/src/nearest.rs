//! The nearest training examples so far of blocks of test examples: on the host for products of the CPU, on the GPU for its own.

use std::cmp::Ordering;

use burn::tensor::{Device, Tensor};
use parallax_kernels::{Largest, in_parallel, is_gpu, largest_tensor, linear};

/// Similarities that are compared with the k-th best at once.
const LANES: usize = 16;

/// A training example and its similarity to a test example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Index of the training example, in the order of [`Search::add`](crate::Search::add).
    pub index: u32,
    /// Cosine of the angle between both features.
    pub similarity: f32,
}

impl Neighbour {
    /// Nearer ones first; of equally near ones the earlier example.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let nearer = other.similarity.total_cmp(&self.similarity);
        nearer.then(self.index.cmp(&other.index))
    }
}

/// The best so far of each test row.
pub(crate) enum Nearest {
    Host { best: Vec<Best>, seen: usize },
    Gpu(Vec<Largest>),
}

impl Nearest {
    /// None yet of the rows of these blocks. What a GPU keeps of a block must fit into a tensor, as it does for thousands of
    /// neighbours.
    pub fn new(blocks: &[Tensor<2>], k: usize, device: &Device) -> Self {
        let rows = blocks.iter().map(|block| block.dims()[0]);
        let most = rows.clone().max().unwrap_or(0);
        let fits = largest_tensor(device).is_some_and(|bytes| Largest::bytes([most, k]) <= bytes);
        match is_gpu(device) && fits {
            true => Self::Gpu(rows.map(|rows| Largest::new([rows, k], device)).collect()),
            false => Self::Host {
                best: (0..rows.sum()).map(|_| Best::new()).collect(),
                seen: 0,
            },
        }
    }

    /// Compares a block of training rows with all test rows.
    pub fn compare(&mut self, keys: Tensor<2>, blocks: &[Tensor<2>], k: usize) {
        let product = |block: &Tensor<2>| linear(block.clone(), keys.clone(), None);
        match self {
            Self::Gpu(nearest) => {
                // At most one block of training rows waits for the GPU while the next one is read. A failure shows in the end.
                keys.device().sync().ok();
                for (block, nearest) in blocks.iter().zip(nearest) {
                    nearest.add(product(block));
                }
            }
            Self::Host { best, seen } => {
                let first = *seen;
                *seen += keys.dims()[0];
                let mut rest = best.as_mut_slice();
                // The next product is queued before this one is read, so that a device does not wait for the host.
                let mut queued = blocks.first().map(product);
                for number in 0..blocks.len() {
                    let next = blocks.get(number + 1).map(product);
                    if let Some(similarities) = std::mem::replace(&mut queued, next) {
                        let (own, others) = rest.split_at_mut(similarities.dims()[0]);
                        merge(similarities, k, first, own);
                        rest = others;
                    }
                }
            }
        }
    }

    /// The best k of each test row, nearest first.
    pub fn finish(self, k: usize) -> Vec<Vec<Neighbour>> {
        match self {
            Self::Host { mut best, .. } => {
                let work = 64 * k * best.len();
                in_parallel(work, best.iter_mut(), |_, best| best.finish(k));
                best.into_iter().map(|best| best.found).collect()
            }
            Self::Gpu(nearest) => {
                let of_row = |row: Vec<(u32, f32)>| -> Vec<Neighbour> {
                    let of = |(index, similarity)| Neighbour { index, similarity };
                    row.into_iter().map(of).collect()
                };
                let rows = nearest.into_iter().flat_map(Largest::into_rows);
                let mut rows: Vec<Vec<Neighbour>> = rows.map(of_row).collect();
                let work = 64 * k * rows.len();
                in_parallel(work, rows.iter_mut(), |_, row| {
                    row.sort_unstable_by(Neighbour::order);
                });
                rows
            }
        }
    }
}

/// Merges similarities with the training rows from `first` on into the best of their test rows.
fn merge(similarities: Tensor<2>, k: usize, first: usize, best: &mut [Best]) {
    let [rows, columns] = similarities.dims();
    let data = similarities.into_data();
    // f32, as the rows are.
    let values = data.as_slice::<f32>().unwrap_or_default();
    let pieces = best.iter_mut().zip(values.chunks_exact(columns));
    in_parallel(rows * columns, pieces, |_, (best, similarities)| {
        best.add(k, first, similarities);
    });
}

/// The best so far of one test row, on the host.
pub(crate) struct Best {
    /// Fewer than 2 k, among them the best k.
    found: Vec<Neighbour>,
    /// What a similarity must exceed to be among the best k.
    bound: f32,
}

impl Best {
    fn new() -> Self {
        Self {
            found: Vec::new(),
            bound: f32::NEG_INFINITY,
        }
    }

    fn add(&mut self, k: usize, first: usize, similarities: &[f32]) {
        for (number, lanes) in similarities.chunks(LANES).enumerate() {
            // Without a branch for each value: most groups have none that counts.
            if !lanes.iter().fold(false, |any, &s| any | (s > self.bound)) {
                continue;
            }
            let first = first + number * LANES;
            for (index, &similarity) in (first as u32..).zip(lanes) {
                if similarity > self.bound {
                    // Of +0 and -0 none is nearer.
                    let similarity = similarity + 0.0;
                    self.found.push(Neighbour { index, similarity });
                    if self.found.len() >= 2 * k {
                        self.narrow(k);
                    }
                }
            }
        }
    }

    /// Keeps the best k, in any order.
    fn narrow(&mut self, k: usize) {
        if self.found.len() > k {
            let (_, last, _) = self.found.select_nth_unstable_by(k - 1, Neighbour::order);
            // A later example that is as near as the k-th loses the tie.
            self.bound = last.similarity;
            self.found.truncate(k);
        }
    }

    /// Keeps the best k, nearest first.
    fn finish(&mut self, k: usize) {
        self.narrow(k);
        self.found.sort_unstable_by(Neighbour::order);
    }
}
