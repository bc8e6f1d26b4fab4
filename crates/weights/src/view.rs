//! A tensor as it lies in a file: a window with strides on stored values.

use crate::element::Element;

/// More dimensions than any weight has.
const MAX_RANK: usize = 16;

/// A tensor whose values are still in the file.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub element: Element,
    /// The storage, which several tensors may share.
    pub bytes: &'a [u8],
    /// First value, counted in values.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Distance of neighbours in each dimension, counted in values.
    pub strides: Vec<usize>,
}

impl<'a> View<'a> {
    /// Checks that every value lies within the storage.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn new(
        element: Element,
        bytes: &'a [u8],
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return Err("its sizes and strides do not belong together".to_string());
        }
        let view = Self {
            element,
            bytes,
            offset,
            shape,
            strides,
        };
        let stored = bytes.len() / element.size();
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

    /// How many values; none where they cannot be counted.
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
        let size = self.element.size();
        if self.strides == row_major(&self.shape) {
            let from = self.offset * size;
            return self.element.decode(&self.bytes[from..from + count * size]);
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
        self.element.decode(&gathered)
    }
}

/// Strides of a tensor whose values lie one after the other. Dimensions of one value may have any stride: they get the
/// one of a dimension that is stepped over.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].saturating_mul(shape[dimension]);
    }
    strides
}
