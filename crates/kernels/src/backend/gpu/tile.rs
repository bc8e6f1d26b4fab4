//! The register tile that all products on a GPU are made of, and the rules that pick its size.

use std::fmt;

use cubecl::prelude::*;

use super::adapter::Adapter;

/// Four f32, what a load of 16 bytes brings.
pub(super) type Vec4 = Vector<f32, Const<4>>;
/// Four values as they are staged in shared memory: f32, or the operands of matrix instructions.
pub(super) type Staged<S> = Vector<S, Const<4>>;

/// How a product is cut: an invocation computes `rows` x `columns` of the result in registers, a workgroup has `group_y` x
/// `group_x` invocations and stages `depth` steps of the sum in shared memory at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of an invocation, a multiple of 4.
    pub(super) rows: u32,
    /// Columns of an invocation, a multiple of 4.
    pub(super) columns: u32,
    /// Invocations of a workgroup along the rows.
    pub(super) group_y: u32,
    /// Invocations of a workgroup along the columns.
    pub(super) group_x: u32,
    /// Steps of the sum that are staged at once, a multiple of 4.
    pub(super) depth: u32,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            columns,
            group_y,
            group_x,
            depth,
        } = self;
        write!(
            f,
            "{rows} x {columns} by {group_y} x {group_x} invocations, depth {depth}"
        )
    }
}

/// Long sums with more than 32 columns.
const TALL: Tile = Tile::new(8, 4, 16, 16, 16);
/// Short sums with more than 32 columns.
const SMALL: Tile = Tile::new(4, 4, 16, 16, 16);
/// Weight gradients with many rows and columns.
const LARGE: Tile = Tile::new(8, 8, 16, 16, 16);
/// 17 to 32 columns.
const NARROW: Tile = Tile::new(4, 4, 32, 8, 16);
/// At most 16 columns.
const NARROWEST: Tile = Tile::new(4, 4, 64, 4, 8);
/// Every product on software adapters.
const SOFTWARE: Tile = Tile::new(8, 4, 2, 4, 4);

impl Tile {
    /// The tiles to choose among. All fit the 256 invocations and 16 KiB of shared memory that WebGPU promises a workgroup.
    /// The rules of GPUs take the first five, that of software adapters the sixth; the others are there to be measured on the
    /// next kind of GPU.
    pub const ALL: [Self; 8] = [
        TALL,
        SMALL,
        LARGE,
        NARROW,
        NARROWEST,
        SOFTWARE,
        Self::new(8, 4, 16, 16, 8),
        Self::new(8, 8, 16, 8, 16),
    ];

    pub(super) const fn new(
        rows: u32,
        columns: u32,
        group_y: u32,
        group_x: u32,
        depth: u32,
    ) -> Self {
        Self {
            rows,
            columns,
            group_y,
            group_x,
            depth,
        }
    }

    /// The rule for an implicit GEMM of `rows` x `columns` that sums over `depth` steps. Few columns are not padded to many,
    /// and a short sum is over before a larger tile is worth its start. For all others an invocation computes 8 x 4 values:
    /// 8 x 8 read less, but leave fewer invocations in flight to hide the latency of memory; where that makes few workgroups,
    /// the sum is split. Measured on an H100 by `parallax bench kernels --tiles`, as is [`Tile::of_weight_gradient`].
    pub(super) fn of_gemm(rows: usize, columns: usize, depth: usize) -> Self {
        let tile = match columns {
            33.. if depth >= 64 => TALL,
            33.. => SMALL,
            17.. => NARROW,
            _ => NARROWEST,
        };
        tile.fitted(rows)
    }

    /// The rule for a weight gradient of `rows` x `columns`, whose sums are long: the largest tile where both sides fill
    /// several.
    pub(super) fn of_weight_gradient(rows: usize, columns: usize) -> Self {
        let tile = match columns {
            128.. if rows >= 512 => LARGE,
            33.. => SMALL,
            17.. => NARROW,
            _ => NARROWEST,
        };
        tile.fitted(rows)
    }

    /// The tile of every product on a software adapter, which runs the invocations of a workgroup on one core, a vector at a
    /// time, and suspends each vector at a barrier: a workgroup of eight is one vector on lavapipe and two on SwiftShader. A
    /// short loop compiles in a third of the time. On a GPU the rules above pick by the shape.
    pub(super) fn of_adapter(adapter: Adapter) -> Option<Self> {
        (adapter == Adapter::Software).then_some(SOFTWARE)
    }

    /// The tile, its workgroup no taller than `rows` need.
    pub(super) fn fitted(self, rows: usize) -> Self {
        let needed = (rows as u32).div_ceil(self.rows).next_power_of_two();
        Self {
            group_y: self.group_y.min(needed),
            ..self
        }
    }

    /// Rows of a workgroup.
    pub(super) fn group_rows(&self) -> u32 {
        self.rows * self.group_y
    }

    /// Columns of a workgroup.
    pub(super) fn group_columns(&self) -> u32 {
        self.columns * self.group_x
    }

    /// Invocations of a workgroup.
    pub(super) fn invocations(&self) -> u32 {
        self.group_y * self.group_x
    }

    /// Vectors of the left operand in shared memory, and of the right one.
    pub(super) fn staged(&self) -> (u32, u32) {
        let vectors = |side: u32| side * self.depth / 4;
        (vectors(self.group_rows()), vectors(self.group_columns()))
    }

    /// Vectors that each invocation stages of both.
    pub(super) fn staged_each(&self) -> (usize, usize) {
        let (left, right) = self.staged();
        let each = |staged: u32| staged.div_ceil(self.invocations()) as usize;
        (each(left), each(right))
    }

    /// The workgroup's size.
    pub(super) fn workgroup(&self) -> CubeDim {
        CubeDim::new_2d(self.group_x, self.group_y)
    }
}

/// Values of a load from rows of `values`: 4 where they divide a row, else 1.
pub(super) fn load_width(values: usize) -> usize {
    match values.is_multiple_of(4) {
        true => 4,
        false => 1,
    }
}

/// Four neighbours of a row of `columns` values, from `column` on; `at` is the place of the first in `values`, which
/// are vectors of `N` (1 or 4) of the storage type. Zeros past the row's end.
#[cube]
pub(super) fn load_columns<E: Float, S: Float, N: Size>(
    values: &[Vector<E, N>],
    at: u32,
    column: u32,
    columns: u32,
) -> Staged<S> {
    let width = N::value();
    let mut loaded = Staged::<S>::new(S::new(0.0));
    if comptime!(width == 4) {
        if column < columns {
            loaded = Vector::cast_from(values[(at / 4) as usize]);
        }
    } else {
        #[unroll]
        for lane in 0..4u32 {
            if column + lane < columns {
                let value = values[(at + lane) as usize];
                loaded.insert(lane as usize, S::cast_from(value.extract(0usize)));
            }
        }
    }
    loaded
}

/// Stores four columns of a row of the result, from `column` on; `at` is the place of the first.
#[cube]
pub(super) fn store_columns<E: Float, N: Size>(
    out: &mut [Vector<E, N>],
    values: Vec4,
    at: u32,
    column: u32,
    columns: u32,
) {
    let width = N::value();
    if comptime!(width == 4) {
        if column < columns {
            out[(at / 4) as usize] = Vector::cast_from(values);
        }
    } else {
        #[unroll]
        for lane in 0..4u32 {
            if column + lane < columns {
                let value = E::cast_from(values.extract(lane as usize));
                out[(at + lane) as usize] = Vector::new(value);
            }
        }
    }
}

/// Stores the `slots` vectors that an invocation has loaded in shared memory, which holds `staged` in all: rows of `row`
/// vectors, each followed by `padding` unused ones.
#[cube]
pub(super) fn stage<S: Float>(
    shared: &mut Shared<[Staged<S>]>,
    loaded: &Array<Staged<S>>,
    invocation: u32,
    #[comptime] slots: usize,
    #[comptime] staged: u32,
    #[comptime] invocations: u32,
    #[comptime] row: u32,
    #[comptime] padding: u32,
) {
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * invocations;
        if place < staged {
            let mut at = place;
            if comptime!(padding > 0) {
                at += place / row * padding;
            }
            shared[at as usize] = loaded[slot];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tile;

    #[test]
    fn tiles_fit_a_workgroup_of_every_webgpu_device() {
        for rows in [1, 3, 100, 4095, 4096, 1 << 24] {
            for tile in Tile::ALL {
                let tile = tile.fitted(rows);
                let (left, right) = tile.staged();
                assert!(tile.invocations() <= 256, "{tile}");
                assert!(16 * (left + right) <= 16 << 10, "{tile}");
            }
        }
    }

    #[test]
    fn the_rules_take_tiles_of_the_list() {
        for rows in [1, 3, 100, 4095, 4096, 1 << 24] {
            for columns in [1, 3, 16, 17, 33, 64, 127, 128, 4096] {
                for tile in [
                    Tile::of_gemm(rows, columns, 27),
                    Tile::of_gemm(rows, columns, 4608),
                    Tile::of_weight_gradient(rows, columns),
                ] {
                    let known = |of: &Tile| of.fitted(rows) == tile;
                    assert!(Tile::ALL.iter().any(known), "{tile}");
                }
            }
        }
    }
}
