//! Exact nearest neighbours by cosine similarity, in memory that does not grow with the training examples.

use burn::tensor::{Device, Tensor};
use parallax_ranks::{Ranks, RanksError};

use crate::blocks::Blocks;
use crate::features::{Features, ProbeError};
use crate::nearest::{Nearest, Neighbour};

/// Test features, normalised and on a device, whose nearest training examples can be searched.
pub struct Queries {
    blocks: Vec<Tensor<2>>,
    pending: Blocks,
}

impl Queries {
    /// None yet; similarities will be computed on `device`.
    pub fn new(device: &Device) -> Self {
        Self {
            blocks: Vec::new(),
            pending: Blocks::of_test(device),
        }
    }

    /// Adds test examples behind those before.
    ///
    /// # Errors
    /// When their width is not that of the others.
    pub fn add(&mut self, features: &Features) -> Result<(), ProbeError> {
        let blocks = &mut self.blocks;
        self.pending.add(features, |block| blocks.push(block))
    }

    /// Starts a search of the `k` nearest training examples, at least one, of each.
    pub fn search(mut self, k: usize) -> Search {
        self.blocks.extend(self.pending.take());
        let k = k.max(1);
        Search {
            k,
            nearest: Nearest::new(&self.blocks, k, self.pending.device()),
            blocks: self.blocks,
            pending: self.pending.of_train(),
        }
    }
}

/// A search of the nearest training examples of all test examples.
///
/// Training features pass block by block and are not kept: the similarities of a block of both are one matrix product on the
/// device. A GPU selects the best so far of each test example itself, so that it is read once, in the end; the products of the
/// CPU are merged on the host. Both find the same neighbours where they compute the same similarities.
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
    nearest: Nearest,
    pending: Blocks,
}

impl Search {
    /// Bytes that a search on `device` takes at most, beyond the features that it is given, with any number of training
    /// examples: `test` examples of `columns` features, k neighbours.
    pub fn memory(device: &Device, test: usize, columns: usize, k: usize) -> u64 {
        let queries = Blocks::of_test(device);
        let test_rows = queries.rows(columns).min(test);
        let train_rows = queries.of_train().rows(columns);
        // Two products, the panels of one, and a copy.
        let products = 4 * test_rows * train_rows;
        // A block of training rows as it is collected, on the device, and packed.
        let blocks = 3 * train_rows * columns;
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
            nearest,
            pending,
        } = self;
        pending.add(features, |keys| nearest.compare(keys, blocks, *k))
    }

    /// The nearest training examples of each test example, nearest first: k, or all where there are fewer.
    ///
    /// # Panics
    /// When the device has failed.
    pub fn finish(mut self) -> Vec<Vec<Neighbour>> {
        if let Some(keys) = self.pending.take() {
            self.nearest.compare(keys, &self.blocks, self.k);
        }
        self.nearest.finish(self.k)
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
