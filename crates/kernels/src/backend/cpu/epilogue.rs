//! What follows a convolution in inference, computed block by block while its output is in the cache.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::norm_loops::{Columns, add_and_activate, all, read, write};

/// `act(x * scale + shift + residual)` of a convolution's output x: batch norm with given statistics.
#[derive(Clone, Copy)]
pub struct Epilogue<'a> {
    /// Of each channel.
    pub scale: &'a [f32],
    /// Of each channel.
    pub shift: &'a [f32],
    /// Of the output's length, or empty if there is none.
    pub residual: &'a [f32],
    /// Whether act is ReLU, else the identity.
    pub relu: bool,
}

impl<'a> Epilogue<'a> {
    /// On the part of the output that begins at `begin`.
    pub(super) fn on<'b>(&self, begin: usize, out: &'b mut [f32]) -> Part<'a, 'b> {
        let residual = self.residual.get(begin..begin + out.len());
        Part {
            epilogue: Self {
                residual: residual.unwrap_or(&[]),
                ..*self
            },
            out,
        }
    }
}

/// A part of the output.
pub(super) struct Part<'a, 'b> {
    epilogue: Epilogue<'a>,
    out: &'b mut [f32],
}

impl WithSimd for Part<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.out.len(), self.epilogue.scale.len(), self);
    }
}

impl Columns for Part<'_, '_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let Epilogue {
            scale,
            shift,
            residual,
            relu,
        } = self.epilogue;
        let step = scale.len();
        let scale = read::<S, N>(simd, scale, begin, len);
        let shift = read::<S, N>(simd, shift, begin, len);
        for row in rows.step_by(step) {
            let mut values = read::<S, N>(simd, self.out, row + begin, len);
            for (n, value) in values.iter_mut().enumerate() {
                *value = simd.add_f32s(simd.mul_f32s(*value, scale[n]), shift[n]);
            }
            add_and_activate(simd, &mut values, (residual, row + begin, len), relu);
            write(simd, values, self.out, row + begin, len);
        }
    }
}
