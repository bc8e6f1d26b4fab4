//! Features of a set of examples, on the host.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_ranks::{Ranks, RanksError};

/// Why a probe cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing to learn from or to test on.
    #[error("a probe needs at least one training and one test example")]
    Empty,
    /// Features of different widths.
    #[error("the training features have {train} columns, the test features {test}")]
    Width {
        /// Columns of the training features.
        train: usize,
        /// Columns of the test features.
        test: usize,
    },
    /// Values, labels and width that do not belong together.
    #[error("{values} values do not make {labels} rows of {columns} columns")]
    Shape {
        /// How many values.
        values: usize,
        /// How many labels.
        labels: usize,
        /// How many columns.
        columns: usize,
    },
    /// An example without a label where labels are needed.
    #[error("example {index} has no label: a probe needs labelled images")]
    Unlabelled {
        /// Its row.
        index: usize,
    },
    /// Ranks that share a probe.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// A NaN or infinite feature.
    #[error("the features hold a NaN or an infinity: the network has diverged")]
    NotFinite,
}

/// One row of features for each example, with its label.
#[derive(Clone, Debug)]
pub struct Features {
    pub(crate) values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) columns: usize,
}

impl Features {
    /// `values` holds `labels.len()` rows of `columns` values.
    ///
    /// # Errors
    /// When the lengths disagree or a value is not finite.
    pub fn new(values: Vec<f32>, labels: Vec<u32>, columns: usize) -> Result<Self, ProbeError> {
        if values.len() != labels.len() * columns || columns == 0 {
            return Err(ProbeError::Shape {
                values: values.len(),
                labels: labels.len(),
                columns,
            });
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(ProbeError::NotFinite);
        }
        Ok(Self {
            values,
            labels,
            columns,
        })
    }

    /// The features of all ranks, each of which has a part of them, in rank order.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn gathered(self, ranks: Ranks) -> Result<Self, ProbeError> {
        if ranks.is_one() {
            return Ok(self);
        }
        let values = ranks.gather_parts(&self.values)?;
        let labels = ranks.gather_parts(&self.labels)?;
        let columns = self.columns;
        Ok(Self {
            values,
            labels,
            columns,
        })
    }

    /// How many examples.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Features of an example.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Label of every row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    pub(crate) fn classes(&self) -> usize {
        self.labels
            .iter()
            .max()
            .map_or(0, |&label| label as usize + 1)
    }

    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    pub(crate) fn tensor(&self) -> Tensor<2> {
        let data = TensorData::new(self.values.clone(), [self.rows(), self.columns]);
        Tensor::from_data(data, &Device::flex())
    }

    /// The rows at `indices`.
    pub(crate) fn select(&self, indices: impl Iterator<Item = usize>) -> Self {
        let indices: Vec<usize> = indices.collect();
        let mut values = Vec::with_capacity(indices.len() * self.columns);
        for &index in &indices {
            values.extend_from_slice(self.row(index));
        }
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Self {
            values,
            labels,
            columns: self.columns,
        }
    }
}

/// Whether every example has a label, which `u32::MAX` is not.
///
/// # Errors
/// When one has none.
pub fn labelled(labels: &[u32]) -> Result<(), ProbeError> {
    match labels.iter().position(|&label| label == u32::MAX) {
        Some(index) => Err(ProbeError::Unlabelled { index }),
        None => Ok(()),
    }
}

pub(crate) fn check(train: &Features, test: &Features) -> Result<(), ProbeError> {
    if train.rows() == 0 || test.rows() == 0 {
        return Err(ProbeError::Empty);
    }
    if train.columns != test.columns {
        return Err(ProbeError::Width {
            train: train.columns,
            test: test.columns,
        });
    }
    for features in [train, test] {
        labelled(&features.labels)?;
    }
    Ok(())
}
