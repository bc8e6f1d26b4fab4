//! How a product by matrix instructions is cut: what a workgroup stages, and which part of it each plane multiplies.

use std::fmt;

use cubecl::prelude::CubeDim;

use super::fragment::Fragment;
use crate::backend::gpu::adapter::Adapter;
use crate::backend::gpu::tile::Tile;

/// Vectors of four operands after each staged row, which nothing reads: rows of 32 operands would start at two of the 32
/// banks of shared memory alone, and the eight rows that a load takes would wait for each other. Sixteen bytes more, and they
/// start at eight different places.
pub(crate) const PADDING: u32 = 2;

/// A workgroup of `planes[0]` x `planes[1]` planes, each of which computes its part of the result in fragments. It stages
/// both operands as [`Tile`] describes, with rows that are padded by [`PADDING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatrixTile {
    /// The instruction.
    pub(crate) fragment: Fragment,
    /// Rows and columns of the workgroup, its invocations and the steps of the sum that are staged at once.
    pub(crate) staging: Tile,
    /// Planes along the rows and along the columns.
    pub(crate) planes: [u32; 2],
}

impl fmt::Display for MatrixTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rows, columns] = self.fragments();
        write!(
            f,
            "{rows} x {columns} fragments {} by {} x {} planes, depth {}",
            self.fragment, self.planes[0], self.planes[1], self.staging.depth
        )
    }
}

/// Many rows and columns.
const LARGE: Tile = Tile::new(8, 8, 16, 16, 32);
/// 33 to 64 columns.
const TALL: Tile = Tile::new(8, 4, 16, 16, 32);
/// At most 64 rows, more than 64 columns.
const WIDE: Tile = Tile::new(4, 8, 16, 16, 32);
/// At most 64 rows and 33 to 64 columns.
const SQUARE: Tile = Tile::new(8, 4, 8, 16, 32);
/// At most 32 columns.
const NARROW: Tile = Tile::new(8, 4, 16, 8, 32);
/// Every product on a software adapter.
const SOFTWARE: Tile = Tile::new(4, 4, 4, 4, 8);

impl MatrixTile {
    /// What workgroups stage: the rule takes the first five on GPUs and the last on software adapters.
    pub const STAGINGS: [Tile; 6] = [LARGE, TALL, WIDE, SQUARE, NARROW, SOFTWARE];

    /// The rule: the largest workgroup that a result of `rows` x `columns` fills. A plane of 32 invocations then has up to
    /// 32 x 64 values, eight fragments of 16 x 16, for which six are loaded: 1.3 instructions a load.
    pub(crate) fn staging_of(adapter: Adapter, rows: usize, columns: usize) -> Tile {
        match (adapter, rows, columns) {
            (Adapter::Software, ..) => SOFTWARE,
            (_, _, ..33) => NARROW,
            (_, ..65, 33..65) => SQUARE,
            (_, ..65, _) => WIDE,
            (_, _, 33..65) => TALL,
            _ => LARGE,
        }
    }

    /// A workgroup that stages as `staging` says; `None` where it does not fit `shared_memory` bytes or is not made of whole
    /// planes and fragments.
    pub(crate) fn new(fragment: Fragment, staging: Tile, shared_memory: usize) -> Option<Self> {
        let tile = Self {
            fragment,
            staging,
            planes: planes(fragment, staging)?,
        };
        (tile.shared_bytes() <= shared_memory).then_some(tile)
    }

    /// Rows and columns of the result that a plane computes.
    pub(crate) fn plane_size(&self) -> [u32; 2] {
        [
            self.staging.group_rows() / self.planes[0],
            self.staging.group_columns() / self.planes[1],
        ]
    }

    /// Fragments of a plane along the rows and along the columns.
    pub(crate) fn fragments(&self) -> [u32; 2] {
        let Fragment { rows, columns, .. } = self.fragment;
        let [tall, wide] = self.plane_size();
        [tall / rows, wide / columns]
    }

    /// Bytes of shared memory: both operands in two bytes a value, and a fragment of f32 for each plane.
    pub(crate) fn shared_bytes(&self) -> usize {
        let [left, right] = self.staged(false);
        let [left_columns, _] = self.staged(true);
        let operands = 8 * (left.max(left_columns) + right);
        (operands + 16 * self.planes[0] * self.planes[1] * self.fragment_vectors()) as usize
    }

    /// Vectors of shared memory that the left operand and the right one take, with their padding. The left one is staged by
    /// rows of the result, or, `by_steps`, by steps of the sum as the right one is.
    pub(crate) fn staged(&self, by_steps: bool) -> [u32; 2] {
        let tile = &self.staging;
        let of = |lines: u32, length: u32| lines * (length / 4 + PADDING);
        let left = match by_steps {
            true => of(tile.depth, tile.group_rows()),
            false => of(tile.group_rows(), tile.depth),
        };
        [left, of(tile.depth, tile.group_columns())]
    }

    /// Vectors of a fragment of the result.
    pub(crate) fn fragment_vectors(&self) -> u32 {
        self.fragment.rows * self.fragment.columns / 4
    }

    /// The workgroup's size: a plane is a row of it, because a workgroup of less than whole planes computes wrong values.
    pub(crate) fn workgroup(&self) -> CubeDim {
        CubeDim::new_2d(self.fragment.plane, self.planes[0] * self.planes[1])
    }
}

/// The planes of a workgroup in rows and columns, such that whole fragments fill each, as nearly square as can be.
fn planes(fragment: Fragment, staging: Tile) -> Option<[u32; 2]> {
    let all = staging.invocations() / fragment.plane;
    let cut = |columns: u32| {
        let rows = all / columns;
        let each = [
            staging.group_rows() / rows,
            staging.group_columns() / columns,
        ];
        let whole = rows * columns == all
            && rows * each[0] == staging.group_rows()
            && columns * each[1] == staging.group_columns()
            && each[0].is_multiple_of(fragment.rows)
            && each[1].is_multiple_of(fragment.columns);
        whole.then_some((each[0] + each[1], [rows, columns]))
    };
    let fits = staging.invocations().is_multiple_of(fragment.plane)
        && staging.depth.is_multiple_of(fragment.depth);
    let (_, planes) = (1..=all.min(staging.group_columns()))
        .filter(|&columns| columns <= all && all / columns <= staging.group_rows())
        .filter_map(cut)
        .min_by_key(|&(border, _)| border)?;
    fits.then_some(planes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KNOWN: [Fragment; 5] = [
        fragment(16, 16, 16, 32),
        fragment(16, 8, 16, 32),
        fragment(8, 8, 8, 32),
        fragment(16, 16, 16, 64),
        fragment(8, 16, 16, 16),
    ];

    const fn fragment(rows: u32, columns: u32, depth: u32, plane: u32) -> Fragment {
        Fragment {
            rows,
            columns,
            depth,
            plane,
        }
    }

    #[test]
    fn every_known_fragment_cuts_every_result() {
        for known in KNOWN {
            for rows in [1, 64, 65, 1 << 20] {
                for columns in [1, 32, 33, 64, 65, 4096] {
                    let staging = MatrixTile::staging_of(Adapter::Gpu, rows, columns);
                    let tile = MatrixTile::new(known, staging, 32 << 10).unwrap();
                    let [down, across] = tile.fragments();
                    assert_eq!(
                        down * known.rows * tile.planes[0],
                        tile.staging.group_rows()
                    );
                    assert_eq!(
                        across * known.columns * tile.planes[1],
                        tile.staging.group_columns()
                    );
                    assert_eq!(tile.workgroup().num_elems(), tile.staging.invocations());
                    let [tall, wide] = tile.plane_size();
                    assert!(tall * wide / known.plane <= 64, "{tile}: too many sums");
                }
            }
        }
    }

    /// The eight rows of sixteen bytes that a load of a matrix takes at once, of 32 banks of four bytes.
    #[test]
    fn padded_rows_start_at_different_banks() {
        let collisions = |row_vectors: u32| {
            let start = |row: u32| row * row_vectors * 8 / 4 % 32 / 4;
            let starts: std::collections::BTreeSet<u32> = (0..8).map(start).collect();
            8 - starts.len()
        };
        for staging in MatrixTile::STAGINGS.iter().filter(|it| it.depth == 32) {
            for length in [staging.depth, staging.group_rows(), staging.group_columns()] {
                assert_eq!(collisions(length / 4 + PADDING), 0, "{staging}, {length}");
                assert!(collisions(length / 4) >= 6, "{staging}, {length}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_registers() {
        let known = fragment(16, 16, 16, 32);
        let of = |fragment, bytes| MatrixTile::new(fragment, LARGE, bytes);
        assert_eq!(of(known, 16 << 10), None);
        assert_eq!(of(fragment(16, 16, 48, 32), 32 << 10), None);
        assert_eq!(of(fragment(16, 16, 16, 512), 32 << 10), None);
        let tile = of(known, 32 << 10).unwrap();
        assert_eq!((tile.planes, tile.fragments()), ([4, 2], [2, 4]));
        let small = MatrixTile::new(fragment(8, 8, 8, 8), SOFTWARE, 32 << 10);
        assert_eq!(small.unwrap().planes, [2, 1]);
    }
}
