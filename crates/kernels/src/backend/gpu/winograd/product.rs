//! The sixteen products of Winograd's way: one of two matrices for each place of a patch, all in one launch.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::adapter::Program;
use super::super::direct::{Direct, add_products};
use super::super::empty;
use super::super::tile::{Four, put_four, width};

/// Places of a patch, each with a product of its own.
pub(super) const PLANES: usize = 16;

/// `[plane][rows, columns]`: the sum over `depth` steps of left times right. The right operand is
/// `[plane][depth][columns]`; the left one has its rows or its steps last.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Planes {
    rows: u32,
    columns: u32,
    depth: u32,
    /// Values between neighbouring rows of the left operand, and between neighbouring steps.
    row_apart: u32,
    step_apart: u32,
    /// Tiles along rows and along columns.
    blocks: u32,
    across: u32,
}

/// A unit computes a tile of one plane. Vectors of the left operand are of rows.
#[cube(launch_unchecked)]
fn plane_products<N: Size, M: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, M>],
    out: &mut [Vector<f32, M>],
    p: &Planes,
    #[comptime] tile: Direct,
) {
    let width = N::value();
    let (rows, fours) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let loads = comptime!(rows / width);
    let unit = ABSOLUTE_POS as u32;
    let block = unit / p.across;
    let column0 = (unit - block * p.across) * comptime!(tile.columns);
    let plane = block / p.blocks;
    let row0 = (block - plane * p.blocks) * comptime!(tile.rows);
    if plane >= comptime!(PLANES as u32) {
        terminate!();
    }

    let mut from = Array::<u32>::new(loads);
    #[unroll]
    for n in 0..loads {
        // Rows behind the last compute those once more, and are not written.
        let row = row0 + (n * width) as u32;
        let row = u32::min(row, p.rows - comptime!(width as u32));
        from[n] = plane * p.rows * p.depth + row * p.row_apart;
    }
    let mut sums = Array::<Four>::new(comptime!(rows * fours));
    #[unroll]
    for n in 0..comptime!(rows * fours) {
        sums[n] = Four::new(0.0f32);
    }
    let mut ahead = 0u32;
    let mut at = plane * p.depth * p.columns + column0;
    for _ in 0..p.depth {
        let mut values = Array::<f32>::new(rows);
        #[unroll]
        for n in 0..loads {
            let place = (from[n] + ahead) / comptime!(width as u32);
            let loaded = left[place as usize];
            #[unroll]
            for lane in 0..width {
                values[comptime!(n * width + lane)] = loaded.extract(lane);
            }
        }
        add_products::<M>(right, &mut sums, &values, at, column0, p.columns, tile);
        ahead += p.step_apart;
        at += p.columns;
    }

    #[unroll]
    for n in 0..rows {
        let row = row0 + n as u32;
        if row < p.rows {
            #[unroll]
            for c in 0..fours {
                let column = column0 + c as u32 * 4;
                let at = (plane * p.rows + row) * p.columns + column;
                let sum = sums[comptime!(n * fours + c)];
                put_four::<f32, M>(out, sum, at, column, p.columns);
            }
        }
    }
}

/// The products: sides of the matrices, and how they are cut.
pub(super) struct Products {
    rows: usize,
    columns: usize,
    depth: usize,
    pub tile: Direct,
}

impl Products {
    pub fn of(rows: usize, columns: usize, depth: usize, program: Program) -> Self {
        Self {
            rows,
            columns,
            depth,
            tile: Direct::of(rows, columns, PLANES, program),
        }
    }

    pub fn cubes(&self) -> [u32; 2] {
        Direct::cubes(PLANES * self.tile.units(self.rows, self.columns))
    }

    /// Values that are asked for and written.
    pub fn values(&self) -> usize {
        let Self {
            rows,
            columns,
            depth,
            tile,
        } = *self;
        let blocks = rows.div_ceil(tile.rows as usize);
        let across = columns.div_ceil(tile.columns as usize);
        let asked = blocks * depth * (across * tile.rows as usize + columns);
        PLANES * (asked + rows * columns)
    }

    /// `[plane][rows, columns]`; the left operand has its rows last where it is `turned`.
    pub fn run(&self, left: CubeTensor, right: CubeTensor, turned: bool) -> CubeTensor {
        let Self {
            rows,
            columns,
            depth,
            tile,
        } = *self;
        let out = empty(&left, vec![PLANES, rows, columns]);
        let (row_apart, step_apart) = if turned { (1, rows) } else { (depth, 1) };
        let planes = PlanesLaunch::new(
            rows as u32,
            columns as u32,
            depth as u32,
            row_apart as u32,
            step_apart as u32,
            rows.div_ceil(tile.rows as usize) as u32,
            columns.div_ceil(tile.columns as usize) as u32,
        );
        let [along, again] = self.cubes();
        let client = left.client.clone();
        #[expect(unsafe_code, reason = "the kernel checks every place itself")]
        // SAFETY: units behind the last plane return, rows are cut to the last and columns are looked at; the buffers have
        // the lengths that rows, columns and depth imply.
        unsafe {
            plane_products::launch_unchecked(
                &client,
                CubeCount::Static(along, again, 1),
                Direct::cube(),
                if turned { width(rows) } else { 1 },
                width(columns),
                left.into_buffer_arg(),
                right.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                planes,
                tile,
            );
        }
        out
    }
}
