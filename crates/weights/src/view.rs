//! A tensor in a file: a strided view of a storage.

use crate::dtype::DType;

/// More dimensions than any weight has.
const MAX_RANK: usize = 16;

/// A tensor whose values are still in the file.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub dtype: DType,
    /// The storage; several tensors may share it.
    pub bytes: &'a [u8],
    /// Index of the first value.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Distance of neighbours in each dimension, in values.
    pub strides: Vec<usize>,
}

impl<'a> View<'a> {
    /// Checks that every value lies within the storage.
    ///
    /// # Errors
    /// The reason as text.
    pub fn new(
        dtype: DType,
        bytes: &'a [u8],
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return Err("its sizes and strides do not belong together".to_string());
        }
        let view = Self {
            dtype,
            bytes,
            offset,
            shape,
            strides,
        };
        let stored = bytes.len() / dtype.size();
        let last = view
            .shape
            .iter()
            .zip(&view.strides)
            .try_fold(offset, |last, (size, stride)| {
                size.saturating_sub(1)
                    .checked_mul(*stride)?
                    .checked_add(last)
            });
        match (view.count(), last) {
            (Some(0), _) => Ok(view),
            (Some(_), Some(last)) if last < stored => Ok(view),
            _ => Err(format!(
                "its shape {:?} reaches beyond its {stored} stored values",
                view.shape
            )),
        }
    }

    /// The number of values; none where it overflows.
    pub fn count(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |count, size| count.checked_mul(*size))
    }

    /// The values in row-major order.
    pub fn values(&self) -> Vec<f32> {
        let count = self.count().unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        let size = self.dtype.size();
        if self.strides == row_major(&self.shape) {
            let from = self.offset * size;
            return self.dtype.decode(&self.bytes[from..from + count * size]);
        }
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..count {
            let place = index.iter().zip(&self.strides);
            let at = self.offset + place.map(|(index, stride)| index * stride).sum::<usize>();
            gathered.extend_from_slice(&self.bytes[at * size..(at + 1) * size]);
            for (index, size) in index.iter_mut().zip(&self.shape).rev() {
                *index += 1;
                if *index < *size {
                    break;
                }
                *index = 0;
            }
        }
        self.dtype.decode(&gathered)
    }
}

/// Strides of a contiguous tensor.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].saturating_mul(shape[dimension]);
    }
    strides
}
