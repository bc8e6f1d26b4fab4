//! The part of a kernel that is done by matrix instructions: the product of what is staged, and the way of its sums out.

use cubecl::cmma::{self, Matrix, MatrixIdent, MatrixLayout};
use cubecl::prelude::*;

use super::tile::{MatrixTile, PADDING};
use crate::backend::gpu::tile::{Staged, Vec4};

/// The sums of a plane, one matrix for each of its fragments, row by row.
pub(crate) type Sums = Sequence<Matrix<f32>>;

/// Sums of zero.
#[cube]
pub(crate) fn zeros(#[comptime] tile: MatrixTile) -> Sums {
    let (rows, columns, depth) = comptime!(dims(&tile));
    let count = comptime!((tile.fragments()[0] * tile.fragments()[1]) as usize);
    let mut sums = Sums::new();
    #[unroll]
    for _ in 0..count {
        sums.push(Matrix::<f32>::from_value(
            MatrixIdent::Accumulator,
            rows,
            columns,
            depth,
            MatrixLayout::Undefined,
            0.0f32,
        ));
    }
    sums
}

fn dims(tile: &MatrixTile) -> (usize, usize, usize) {
    let fragment = tile.fragment;
    (
        fragment.rows as usize,
        fragment.columns as usize,
        fragment.depth as usize,
    )
}

/// Adds the product of both staged operands to the sums of this plane. The left one is staged by rows of the result, or,
/// `by_steps`, by steps of the sum, which is its transpose.
#[cube]
pub(crate) fn multiply<S: Float>(
    a: &Shared<[Staged<S>]>,
    b: &Shared<[Staged<S>]>,
    sums: &Sums,
    #[comptime] tile: MatrixTile,
    #[comptime] by_steps: bool,
) {
    let (rows, columns, depth) = comptime!(dims(&tile));
    let (down, across) = comptime!((tile.fragments()[0], tile.fragments()[1]));
    let (row0, column0) = place_of_plane(tile);
    let vectors_right = comptime!(tile.staging.group_columns() / 4 + PADDING);
    let vectors_left = comptime!(match by_steps {
        true => tile.staging.group_rows() / 4 + PADDING,
        false => tile.staging.depth / 4 + PADDING,
    });
    let (end_a, end_b) = comptime!({
        let [left, right] = tile.staged(by_steps);
        (left as usize, right as usize)
    });
    #[unroll]
    for step in 0..comptime!(tile.staging.depth / tile.fragment.depth) {
        let k = comptime!(step * tile.fragment.depth);
        let mut right = Sequence::<Matrix<Staged<S>>>::new();
        #[unroll]
        for c in 0..across {
            let column = column0 + comptime!(c * tile.fragment.columns);
            let at = comptime!(k * vectors_right) + column / 4;
            right.push(Matrix::<Staged<S>>::from_slice(
                MatrixIdent::B,
                rows,
                columns,
                depth,
                MatrixLayout::RowMajor,
                &b[at as usize..end_b],
                comptime!(4 * vectors_right),
            ));
        }
        #[unroll]
        for r in 0..down {
            let row = row0 + comptime!(r * tile.fragment.rows);
            let left = if comptime!(by_steps) {
                let at = comptime!(k * vectors_left) + row / 4;
                Matrix::<Staged<S>>::from_slice(
                    MatrixIdent::A,
                    rows,
                    columns,
                    depth,
                    MatrixLayout::ColMajor,
                    &a[at as usize..end_a],
                    comptime!(4 * vectors_left),
                )
            } else {
                let at = row * vectors_left + comptime!(k / 4);
                Matrix::<Staged<S>>::from_slice(
                    MatrixIdent::A,
                    rows,
                    columns,
                    depth,
                    MatrixLayout::RowMajor,
                    &a[at as usize..end_a],
                    comptime!(4 * vectors_left),
                )
            };
            #[unroll]
            for c in 0..across {
                let sum = &sums[comptime!((r * across + c) as usize)];
                cmma::execute(&left, &right[c as usize], sum, sum);
            }
        }
    }
}

/// The first row and the first column of this plane in its workgroup.
#[cube]
fn place_of_plane(#[comptime] tile: MatrixTile) -> (u32, u32) {
    let across = comptime!(tile.planes[1]);
    let (rows, columns) = comptime!((
        tile.staging.group_rows() / tile.planes[0],
        tile.staging.group_columns() / tile.planes[1],
    ));
    let row = UNIT_POS_Y / across;
    (row * rows, (UNIT_POS_Y - row * across) * columns)
}

/// Shared memory in which each plane has room for one of its sums.
#[cube]
pub(crate) fn room_for_sums(#[comptime] tile: MatrixTile) -> Shared<[Vec4]> {
    Shared::<[Vec4]>::new_slice(comptime!(
        (tile.planes[0] * tile.planes[1] * tile.fragment_vectors()) as usize
    ))
}

/// Vectors of a sum that an invocation takes out, at most.
pub(crate) fn turns(tile: &MatrixTile) -> u32 {
    tile.fragment_vectors().div_ceil(tile.fragment.plane)
}

/// A vector of a plane's sum: its number, and its row and first column in the workgroup.
#[derive(CubeType)]
pub(crate) struct Taken {
    pub vector: u32,
    pub row: u32,
    pub column: u32,
}

/// The vector that this invocation takes in one of its turns, of the fragment in row `r` and column `c` of the plane; past the
/// last where its number is `fragment_vectors` or more.
#[cube]
pub(crate) fn taken(
    turn: u32,
    #[comptime] r: u32,
    #[comptime] c: u32,
    #[comptime] tile: MatrixTile,
) -> Taken {
    let in_row = comptime!(tile.fragment.columns / 4);
    let (row0, column0) = place_of_plane(tile);
    let vector = UNIT_POS_X + turn * comptime!(tile.fragment.plane);
    let row = vector / in_row;
    Taken {
        vector,
        row: row0 + comptime!(r * tile.fragment.rows) + row,
        column: column0 + comptime!(c * tile.fragment.columns) + (vector - row * in_row) * 4,
    }
}

/// Puts one of the plane's sums where its invocations can read it. All planes of a workgroup call this together.
#[cube]
pub(crate) fn spread(bounce: &mut Shared<[Vec4]>, sum: &Matrix<f32>, #[comptime] tile: MatrixTile) {
    let vectors = comptime!(tile.fragment_vectors());
    let begin = (UNIT_POS_Y * vectors) as usize;
    let end = begin + comptime!(vectors as usize);
    // What was there has been read.
    sync_cube();
    cmma::store(
        &mut bounce[begin..end],
        sum,
        comptime!(tile.fragment.columns),
        MatrixLayout::RowMajor,
    );
    sync_cube();
}
