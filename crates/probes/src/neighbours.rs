//! Exact nearest neighbours by cosine similarity, in memory that does not grow with the training examples.

use std::cmp::Ordering;

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{in_parallel, linear};
use parallax_ranks::{Ranks, RanksError};

use crate::features::{Features, ProbeError};

/// Test rows of a block of similarities: as many as share a block of training rows.
const TEST_BLOCK: usize = 1024;
/// Training rows of a block.
const TRAIN_BLOCK: usize = 4096;
/// Similarities that are compared with the k-th best at once.
const LANES: usize = 16;

/// A training example and its similarity to a test example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Index of the training example, in the order of [`Search::add`].
    pub index: u32,
    /// Cosine of the angle between both features.
    pub similarity: f32,
}

impl Neighbour {
    /// Nearer ones first; of equally near ones the earlier example.
    fn order(&self, other: &Self) -> Ordering {
        let nearer = other.similarity.total_cmp(&self.similarity);
        nearer.then(self.index.cmp(&other.index))
    }
}

/// Test features, normalised and on a device, whose nearest training examples can be searched.
pub struct Queries {
    blocks: Vec<Tensor<2>>,
    rows: usize,
    pending: Pending,
}

impl Queries {
    /// None yet; similarities will be computed on `device`.
    pub fn new(device: &Device) -> Self {
        Self {
            blocks: Vec::new(),
            rows: 0,
            pending: Pending::new(TEST_BLOCK, device),
        }
    }

    /// Adds test examples behind those before.
    ///
    /// # Errors
    /// When their width is not that of the others.
    pub fn add(&mut self, features: &Features) -> Result<(), ProbeError> {
        self.rows += features.rows();
        let blocks = &mut self.blocks;
        self.pending.add(features, |block| blocks.push(block))
    }

    /// Starts a search of the `k` nearest training examples, at least one, of each.
    pub fn search(mut self, k: usize) -> Search {
        self.blocks.extend(self.pending.take());
        Search {
            k: k.max(1),
            blocks: self.blocks,
            best: (0..self.rows).map(|_| Best::new()).collect(),
            pending: Pending {
                block: TRAIN_BLOCK,
                ..self.pending
            },
            seen: 0,
        }
    }
}

/// A search of the nearest training examples of all test examples.
///
/// Training features pass block by block and are not kept: the similarities of a block of both are one matrix product on the
/// device, and the best so far of each test example are merged on the host, which waits for the product.
///
/// ```
/// use burn::tensor::Device;
/// use parallax_probes::{Features, Queries};
///
/// let mut test = Queries::new(&Device::flex());
/// test.add(&Features::new(vec![0.9, 0.1], vec![0], 2)?)?;
/// let mut search = test.search(1);
/// search.add(&Features::new(vec![0.0, 1.0, 2.0, 0.0], vec![1, 0], 2)?)?;
/// assert_eq!(search.finish()[0][0].index, 1);
/// # Ok::<(), parallax_probes::ProbeError>(())
/// ```
pub struct Search {
    k: usize,
    blocks: Vec<Tensor<2>>,
    best: Vec<Best>,
    pending: Pending,
    /// Training examples that have been compared.
    seen: usize,
}

impl Search {
    /// Bytes that a search takes at most, beyond the features that it is given, with any number of training examples:
    /// `test` examples of `columns` features, k neighbours.
    pub fn memory(test: usize, columns: usize, k: usize) -> u64 {
        // Two products, the panels of one, and a copy on the host.
        let products = 4 * TEST_BLOCK.min(test) * TRAIN_BLOCK;
        // A block of training rows as it is collected, on the device, and packed.
        let blocks = 3 * TRAIN_BLOCK * columns;
        let values = (test * columns + products + blocks) * size_of::<f32>();
        (values + test * 2 * k * size_of::<Neighbour>()) as u64
    }

    /// Compares more training examples, behind those before.
    ///
    /// # Errors
    /// When their width is not that of the test examples.
    pub fn add(&mut self, features: &Features) -> Result<(), ProbeError> {
        let Self {
            k,
            blocks,
            best,
            pending,
            seen,
        } = self;
        pending.add(features, |keys| compare(keys, *k, blocks, best, seen))
    }

    /// The nearest training examples of each test example, nearest first: k, or all where there are fewer.
    pub fn finish(mut self) -> Vec<Vec<Neighbour>> {
        if let Some(keys) = self.pending.take() {
            compare(keys, self.k, &self.blocks, &mut self.best, &mut self.seen);
        }
        let (k, work) = (self.k, 64 * self.k * self.best.len());
        in_parallel(work, self.best.iter_mut(), |_, best| best.finish(k));
        self.best.into_iter().map(|best| best.found).collect()
    }
}

/// The nearest `k` training examples of each test example, from those that every rank has found in its part of the training
/// examples; parts are in rank order, and `first` is the index of this rank's first example.
pub(crate) fn joined(
    own: Vec<Vec<Neighbour>>,
    (first, k): (usize, usize),
    ranks: Ranks,
) -> Result<Vec<Vec<Neighbour>>, RanksError> {
    if ranks.is_one() {
        return Ok(own);
    }
    // Every test example has the same number of neighbours in a part: k, or all of the part.
    let each = own.first().map_or(0, Vec::len);
    let indices = own.iter().flatten().map(|found| found.index + first as u32);
    let indices = ranks.gather_parts(&indices.collect::<Vec<u32>>())?;
    let similarities = own.iter().flatten().map(|found| found.similarity);
    let similarities = ranks.gather_parts(&similarities.collect::<Vec<f32>>())?;
    let counts = ranks.gather(&[each as u64])?;
    let mut all: Vec<Vec<Neighbour>> = own.iter().map(|_| Vec::new()).collect();
    let mut found = indices.into_iter().zip(similarities);
    for count in counts {
        for best in &mut all {
            let next = found.by_ref().take(count as usize);
            best.extend(next.map(|(index, similarity)| Neighbour { index, similarity }));
        }
    }
    for best in &mut all {
        best.sort_unstable_by(Neighbour::order);
        best.truncate(k.max(1));
    }
    Ok(all)
}

/// Rows on their way into blocks of a fixed size.
struct Pending {
    block: usize,
    device: Device,
    columns: Option<usize>,
    /// Normalised rows, fewer than a block.
    values: Vec<f32>,
}

impl Pending {
    fn new(block: usize, device: &Device) -> Self {
        Self {
            block,
            device: device.clone(),
            columns: None,
            values: Vec::new(),
        }
    }

    /// Adds rows, each divided by its L2 norm, and hands full blocks over.
    fn add(
        &mut self,
        features: &Features,
        mut full: impl FnMut(Tensor<2>),
    ) -> Result<(), ProbeError> {
        let found = features.columns;
        let columns = *self.columns.get_or_insert(found);
        if found != columns {
            return Err(ProbeError::Width {
                train: found,
                test: columns,
            });
        }
        for row in features.values.chunks_exact(columns) {
            if self.values.is_empty() {
                self.values.reserve_exact(self.block * columns);
            }
            let squares: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
            let norm = squares.sqrt().max(1e-12) as f32;
            self.values.extend(row.iter().map(|value| value / norm));
            if self.values.len() == self.block * columns {
                self.take().into_iter().for_each(&mut full);
            }
        }
        Ok(())
    }

    /// The rows that do not fill a block.
    fn take(&mut self) -> Option<Tensor<2>> {
        let columns = self.columns?;
        let values = std::mem::take(&mut self.values);
        let rows = values.len() / columns;
        let data = TensorData::new(values, [rows, columns]);
        (rows > 0).then(|| Tensor::from_data(data, &self.device))
    }
}

/// Compares a block of training rows, which `seen` others precede, with all test rows.
fn compare(keys: Tensor<2>, k: usize, blocks: &[Tensor<2>], best: &mut [Best], seen: &mut usize) {
    let first = *seen;
    *seen += keys.dims()[0];
    // The next product is queued before this one is read, so that a GPU does not wait for the host.
    let product = |block: &Tensor<2>| linear(block.clone(), keys.clone(), None);
    let mut queued = blocks.first().map(product);
    for (number, best) in best.chunks_mut(TEST_BLOCK).enumerate() {
        let next = blocks.get(number + 1).map(product);
        if let Some(similarities) = std::mem::replace(&mut queued, next) {
            merge(similarities, k, first, best);
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

/// The best so far of one test row.
struct Best {
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
