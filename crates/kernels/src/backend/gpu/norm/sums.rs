//! The reductions of batch norm over rows. A workgroup takes a chunk of the rows and some channels: neighbouring invocations
//! take neighbouring vectors of channels, and invocations along the other axis take the rows of the chunk in turn.

use cubecl::prelude::*;

use crate::backend::gpu::bits::{relu, relu_gradient};

/// The invocations of a workgroup: `x` along the vectors of a row, `y` along rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Workgroup {
    pub x: u32,
    pub y: u32,
}

impl Workgroup {
    /// For a launch.
    pub fn size(&self) -> CubeDim {
        CubeDim::new_2d(self.x, self.y)
    }
}

/// `[rows, across]` vectors, of whose rows each workgroup takes `chunk`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Matrix {
    pub rows: u32,
    pub across: u32,
    pub chunk: u32,
}

/// What an invocation works on: the vector at `column` of the rows `first`, `first + y`, ... below `end`.
#[derive(CubeType)]
pub(super) struct Work {
    pub column: u32,
    /// Number of the chunk.
    pub chunk: u32,
    /// The first row of the chunk.
    pub begin: u32,
    pub first: u32,
    pub end: u32,
    /// Whether this invocation writes the sums of the chunk.
    pub writes: bool,
}

/// Invocations past the last vector have no rows, but a column that can be loaded: all of them reach the barriers.
#[cube]
pub(super) fn work(m: &Matrix, #[comptime] group: Workgroup) -> Work {
    let column = CUBE_POS_Y * comptime!(group.x) + UNIT_POS_X;
    let begin = CUBE_POS_X * m.chunk;
    let has_rows = column < m.across && begin < m.rows;
    let end = select(has_rows, u32::min(begin + m.chunk, m.rows), 0u32);
    let begin = u32::min(begin, m.rows - 1);
    Work {
        column: u32::min(column, m.across - 1),
        chunk: CUBE_POS_X,
        begin,
        first: begin + UNIT_POS_Y,
        end,
        writes: has_rows && UNIT_POS_Y == 0,
    }
}

/// The sum over the invocations of a column, in the order of their rows; complete in the first of them.
#[cube]
fn sum_of_column<N: Size>(value: Vector<f32, N>, #[comptime] group: Workgroup) -> Vector<f32, N> {
    let across = comptime!(group.x);
    let mut all = Shared::<[Vector<f32, N>]>::new_slice(comptime!((group.x * group.y) as usize));
    all[(UNIT_POS_Y * across + UNIT_POS_X) as usize] = value;
    sync_cube();
    let mut sum = value;
    if UNIT_POS_Y == 0 {
        for row in 1..comptime!(group.y) {
            sum += all[(row * across + UNIT_POS_X) as usize];
        }
    }
    sum
}

/// Mean and sum of squared deviations from it over each chunk, as `[chunk][2][channels]`. Summed around the chunk's first
/// value, so that a large mean costs no digits.
#[cube(launch_unchecked)]
pub(super) fn chunk_statistics<E: Float, N: Size>(
    x: &[Vector<E, N>],
    partial: &mut [Vector<f32, N>],
    m: &Matrix,
    #[comptime] group: Workgroup,
    #[define(E)] _element: ElemType,
) {
    let own = work(m, group);
    let shift = Vector::<f32, N>::cast_from(x[(own.begin * m.across + own.column) as usize]);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut square = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let value = Vector::<f32, N>::cast_from(x[(row * m.across + own.column) as usize]);
        let deviation = value - shift;
        sum += deviation;
        square += deviation * deviation;
        row += comptime!(group.y);
    }
    let sum = sum_of_column::<N>(sum, group);
    let square = sum_of_column::<N>(square, group);
    if own.writes {
        let count = f32::cast_from(own.end - own.begin);
        let mean = sum / Vector::new(count);
        let at = own.chunk * 2 * m.across + own.column;
        partial[at as usize] = shift + mean;
        // Only rounding makes it negative.
        partial[(at + m.across) as usize] = relu::<N>(square - sum * mean);
    }
}

/// The sums of `grad` and of `grad * (x - mean)` over each chunk, as `[chunk][2][channels]`. With a `bias` a ReLU followed, and
/// `grad` counts where it is open.
#[cube(launch_unchecked)]
pub(super) fn chunk_gradients<E: Float, N: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    bias: ComptimeOption<&[Vector<f32, N>]>,
    partial: &mut [Vector<f32, N>],
    m: &Matrix,
    epsilon: f32,
    #[comptime] group: Workgroup,
    #[define(E)] _element: ElemType,
) {
    let own = work(m, group);
    let column = own.column as usize;
    let center = mean[column];
    let scale = weight[column] / (variance[column] + Vector::new(epsilon)).sqrt();
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let at = (row * m.across + own.column) as usize;
        let deviation = Vector::<f32, N>::cast_from(x[at]) - center;
        let gradient = Vector::<f32, N>::cast_from(grad[at]);
        let gradient = if comptime!(bias.is_some()) {
            gated::<N>(deviation * scale + bias.unwrap()[column], gradient)
        } else {
            gradient
        };
        sum += gradient;
        product += gradient * deviation;
        row += comptime!(group.y);
    }
    write_sums::<N>(sum, product, partial, &own, m, group);
}

/// The input gradient of a ReLU: `grad` where `value` is above zero or NaN, zero elsewhere.
#[cube]
pub(super) fn gated<N: Size>(value: Vector<f32, N>, grad: Vector<f32, N>) -> Vector<f32, N> {
    relu_gradient::<N>(relu::<N>(value), grad)
}

/// Adds over the invocations of a column, and writes the sums of a chunk.
#[cube]
fn write_sums<N: Size>(
    sum: Vector<f32, N>,
    product: Vector<f32, N>,
    partial: &mut [Vector<f32, N>],
    own: &Work,
    m: &Matrix,
    #[comptime] group: Workgroup,
) {
    let sum = sum_of_column::<N>(sum, group);
    let product = sum_of_column::<N>(product, group);
    if own.writes {
        let at = own.chunk * 2 * m.across + own.column;
        partial[at as usize] = sum;
        partial[(at + m.across) as usize] = product;
    }
}

/// The same where a residual was added and a ReLU gave `output`; the gradient before it is the residual's, and written to `masked`.
#[cube(launch_unchecked)]
pub(super) fn chunk_gradients_residual<E: Float, N: Size>(
    x: &[Vector<E, N>],
    output: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    masked: &mut [Vector<E, N>],
    partial: &mut [Vector<f32, N>],
    m: &Matrix,
    #[comptime] group: Workgroup,
    #[define(E)] _element: ElemType,
) {
    let own = work(m, group);
    let center = mean[own.column as usize];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let at = (row * m.across + own.column) as usize;
        let output = Vector::<f32, N>::cast_from(output[at]);
        let gradient = relu_gradient::<N>(output, Vector::<f32, N>::cast_from(grad[at]));
        masked[at] = Vector::cast_from(gradient);
        sum += gradient;
        product += gradient * (Vector::<f32, N>::cast_from(x[at]) - center);
        row += comptime!(group.y);
    }
    write_sums::<N>(sum, product, partial, &own, m, group);
}
