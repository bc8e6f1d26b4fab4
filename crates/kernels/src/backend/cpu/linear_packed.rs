//! The linear layer's three products with packed operands.

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::threads;
use super::tile::{Pixels, Segment, Tiled, gather, load, outer, store, tiled};
use crate::shape::LinearShape;

/// Terms of the sum that a panel of the right-hand operand holds: it stays in L2 while all rows pass.
pub(super) const DEPTH_BLOCK: usize = 1024;
/// Panels of a task at most, which share the rows of the left-hand operand in L1.
const GROUP: usize = 4;

/// See [`super::linear()`].
pub fn forward(shape: &LinearShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Product {
        left: x,
        right: weight,
        batch: shape.batch,
        depth: shape.inputs,
        columns: shape.outputs,
        order: Order::Columns,
    })
}

/// See [`super::linear_grad_input`].
pub fn grad_input(shape: &LinearShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Product {
        left: grad,
        right: weight,
        batch: shape.batch,
        depth: shape.outputs,
        columns: shape.inputs,
        order: Order::Depth,
    })
}

/// See [`super::linear_grad_weight`].
pub fn grad_weight(shape: &LinearShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(WeightGradient { shape, x, grad })
}

/// The memory layout of a product's right-hand operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// `[columns, depth]`
    Columns,
    /// `[depth, columns]`
    Depth,
}

/// `left` `[batch, depth]` times `right`.
struct Product<'a> {
    left: &'a [f32],
    right: &'a [f32],
    batch: usize,
    depth: usize,
    columns: usize,
    order: Order,
}

impl WithSimd for Product<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        tiled(simd, &self)
    }
}

impl Tiled for Product<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let width = V * S::F32_LANES;
        let work = self.batch * self.depth * self.columns;
        // A task owns some columns, for all rows, so that no weight is packed twice: [panel][row][width].
        let panels = self.columns.div_ceil(width);
        let mut sums = Scratch::new(panels * self.batch * width);
        let group = (panels / (2 * threads::count())).clamp(1, GROUP);
        let tasks = sums.chunks_mut(group * self.batch * width);
        threads::each(work, tasks, |task, sums| {
            simd.vectorize(Group::<P, V> {
                product: self,
                column: task * group * width,
                sums,
            });
        });
        let mut out = buffer(self.batch * self.columns);
        let each_row = out.chunks_mut(self.columns).enumerate();
        threads::each(self.batch * self.columns, each_row, |_, (row, out)| {
            let panels = sums.chunks(self.batch * width);
            for (out, sums) in out.chunks_mut(width).zip(panels) {
                out.copy_from_slice(&sums[row * width..][..out.len()]);
            }
        });
        out
    }
}

impl Product<'_> {
    /// Packs the terms `from..` of the sum as `[term][width]`, for the columns from `column` on.
    #[inline(always)]
    fn pack<S: Simd, const V: usize>(
        &self,
        simd: S,
        (from, column): (usize, usize),
        panel: &mut [f32],
    ) {
        let width = V * S::F32_LANES;
        let columns = width.min(self.columns - column);
        match self.order {
            Order::Depth => {
                let lines = self.right.chunks_exact(self.columns).skip(from);
                for (panel, line) in panel.chunks_exact_mut(width).zip(lines) {
                    // In vectors, because a copy of a few values costs a function call.
                    let row = load::<S, V>(simd, &line[column..column + columns]);
                    store(simd, &row, panel);
                }
            }
            Order::Columns => {
                let steps = panel.len() / width;
                let lines = self.right.chunks_exact(self.depth).skip(column);
                for (number, line) in lines.take(columns).enumerate() {
                    let panel = panel[number..].iter_mut().step_by(width);
                    for (to, &value) in panel.zip(&line[from..from + steps]) {
                        *to = value;
                    }
                }
            }
        }
    }
}

/// Some panels of columns of a product, for all rows.
struct Group<'a, 'b, const P: usize, const V: usize> {
    product: &'a Product<'b>,
    column: usize,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Group<'_, '_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product {
            left, depth, batch, ..
        } = *self.product;
        let width = V * S::F32_LANES;
        let panels = self.sums.len() / (batch * width);
        let mut packed = Scratch::new(panels * DEPTH_BLOCK.min(depth) * width);
        for from in (0..depth).step_by(DEPTH_BLOCK) {
            let steps = DEPTH_BLOCK.min(depth - from);
            let packed = &mut packed[..panels * steps * width];
            for (number, panel) in packed.chunks_exact_mut(steps * width).enumerate() {
                let column = self.column + number * width;
                self.product.pack::<S, V>(simd, (from, column), panel);
            }
            // Rows of the left-hand operand stay in L1 from panel to panel.
            for first in (0..batch).step_by(P) {
                let rows = first * width..(first + P).min(batch) * width;
                let sums = self.sums.chunks_exact_mut(batch * width);
                for (sums, panel) in sums.zip(packed.chunks_exact(steps * width)) {
                    let sums = &mut sums[rows.clone()];
                    add_tile::<S, P, V>(simd, (left, depth), (first, from), panel, sums, width);
                }
            }
        }
    }
}

/// Adds the terms from `from` on that `panel` holds, `[term][V vectors]`, to the sums of a tile of at most `P` rows of `left`
/// from `first` on, each of `depth` values. `sums` begins with the tile's first row; the next ones are `stride` values apart.
#[inline(always)]
pub(super) fn add_tile<S: Simd, const P: usize, const V: usize>(
    simd: S,
    (left, depth): (&[f32], usize),
    (first, from): (usize, usize),
    panel: &[f32],
    sums: &mut [f32],
    stride: usize,
) {
    let width = V * S::F32_LANES;
    let count = sums.len().div_ceil(stride);
    // A tile that is not full computes its last row more than once.
    let mut rows = [0; P];
    for (p, row) in rows.iter_mut().enumerate() {
        *row = (first + p.min(count - 1)) * depth;
    }
    let mut acc = [[simd.splat_f32s(0.0); V]; P];
    if from > 0 {
        for (acc, sums) in acc.iter_mut().zip(sums.chunks(stride)) {
            *acc = load(simd, &sums[..width]);
        }
    }
    let segment = [Segment {
        offset: from,
        len: panel.len() / width,
    }];
    let acc = gather(simd, left, &rows, &segment, panel, acc);
    for (acc, sums) in acc.iter().zip(sums.chunks_mut(stride)) {
        store(simd, acc, &mut sums[..width]);
    }
}

struct WeightGradient<'a> {
    shape: &'a LinearShape,
    x: &'a [f32],
    grad: &'a [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        tiled(simd, &self)
    }
}

impl Tiled for WeightGradient<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let width = V * S::F32_LANES;
        let work = batch * inputs * outputs;
        // Both operands as [panel of columns][row of the batch][width].
        let right = panels(self.x, inputs, width, work);
        let left = panels(self.grad, outputs, P, work);
        let rows = Pixels::new((0..batch).map(|row| row * P).collect());

        let mut gradient = buffer(outputs * inputs);
        let tiles = gradient.chunks_mut(P * inputs).zip(left.chunks(batch * P));
        threads::each(work, tiles, |_, (gradient, left)| {
            simd.vectorize(Rows::<P, V> {
                left,
                right: &right,
                rows: &rows,
                inputs,
                gradient,
            });
        });
        gradient
    }
}

/// `[row][columns]` as `[group of width columns][row][width]`, zeros beyond the last column.
fn panels(values: &[f32], columns: usize, width: usize, work: usize) -> Scratch {
    let rows = values.len() / columns;
    let mut packed = Scratch::zeros(columns.div_ceil(width) * rows * width);
    threads::each(work, packed.chunks_mut(rows * width), |group, packed| {
        let begin = group * width;
        let count = width.min(columns - begin);
        let lines = values.chunks_exact(columns);
        for (packed, line) in packed.chunks_exact_mut(width).zip(lines) {
            packed[..count].copy_from_slice(&line[begin..begin + count]);
        }
    });
    packed
}

/// `P` rows of the gradient, or fewer at its end.
struct Rows<'a, const P: usize, const V: usize> {
    left: &'a [f32],
    right: &'a [f32],
    rows: &'a Pixels,
    inputs: usize,
    gradient: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Rows<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = V * S::F32_LANES;
        let panels = self.right.chunks(self.rows.len() * width);
        for (number, panel) in panels.enumerate() {
            let zeros = [[simd.splat_f32s(0.0); V]; P];
            let all = (self.rows, self.rows.len());
            let acc = outer(simd, self.left, all, panel, zeros);
            let columns = number * width..((number + 1) * width).min(self.inputs);
            for (acc, row) in acc.iter().zip(self.gradient.chunks_mut(self.inputs)) {
                store(simd, acc, &mut row[columns.clone()]);
            }
        }
    }
}
