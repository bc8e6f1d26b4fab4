//! How a product is cut into workgroups, and what multiplies in them: the rules, and what they know of a device.

use std::fmt;

use super::adapter::Adapter;
#[cfg(not(target_family = "wasm"))]
use super::matrix::{fragment::Fragment, fragment::Operand, tile::MatrixTile};
use super::tile::Tile;

/// A product's cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each invocation multiplies f32 in its registers.
    Registers(Tile),
    /// Each plane multiplies by matrix instructions with such operands.
    #[cfg(not(target_family = "wasm"))]
    Matrices(MatrixTile, Operand),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registers(tile) => tile.fmt(f),
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => tile.fmt(f),
        }
    }
}

impl Cut {
    /// Bytes of shared memory that the instructions of a workgroup read for each multiply-add.
    pub fn shared_traffic(&self) -> f64 {
        match self {
            Self::Registers(tile) => {
                let (rows, columns) = (f64::from(tile.rows), f64::from(tile.columns));
                4.0 * (rows + columns) / (rows * columns)
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => {
                let [rows, columns] = tile.plane_size().map(f64::from);
                2.0 * (rows + columns) / (rows * columns)
            }
        }
    }

    /// Bytes of shared memory of a workgroup.
    pub fn shared_bytes(&self) -> usize {
        match self {
            Self::Registers(tile) => {
                let (left, right) = tile.staged();
                16 * (left + right) as usize
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => tile.shared_bytes(),
        }
    }

    /// Sums that an invocation keeps in registers.
    pub fn sums(&self) -> usize {
        match self {
            Self::Registers(tile) => (tile.rows * tile.columns) as usize,
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => {
                let [rows, columns] = tile.plane_size();
                (rows * columns / tile.fragment.plane) as usize
            }
        }
    }

    /// Multiply-adds of a matrix instruction; `None` without.
    pub fn matrix_instruction(&self) -> Option<u64> {
        match self {
            Self::Registers(_) => None,
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => Some(tile.fragment.multiply_adds().into()),
        }
    }

    /// What a workgroup stages.
    pub(super) fn staging(&self) -> &Tile {
        match self {
            Self::Registers(tile) => tile,
            #[cfg(not(target_family = "wasm"))]
            Self::Matrices(tile, _) => &tile.staging,
        }
    }
}

/// What the rules know of the device that a product is launched on, or would be.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    adapter: Adapter,
    /// The tile to take in place of the rules'.
    tile: Option<Tile>,
    #[cfg(not(target_family = "wasm"))]
    matrices: Option<Matrices>,
}

/// The matrix instructions of a device.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices {
    pub fragment: Fragment,
    pub operand: Operand,
    /// Bytes of shared memory that a workgroup may take.
    pub shared_memory: usize,
}

impl Target {
    /// A device without matrix instructions.
    pub fn of_adapter(adapter: Adapter) -> Self {
        Self {
            adapter,
            tile: None,
            #[cfg(not(target_family = "wasm"))]
            matrices: None,
        }
    }

    /// The same with matrix instructions that work on 32 KiB of shared memory, as every GPU that has some offers.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_fragment(self, fragment: Fragment, operand: Operand) -> Self {
        self.with_matrices(Matrices {
            fragment,
            operand,
            shared_memory: 32 << 10,
        })
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn with_matrices(self, matrices: Matrices) -> Self {
        Self {
            matrices: Some(matrices),
            ..self
        }
    }

    /// The same with this tile in place of the rules'.
    pub(crate) fn with_tile(self, tile: Option<Tile>) -> Self {
        Self { tile, ..self }
    }

    /// The cut of an implicit GEMM of `rows` x `columns` that sums over `depth` steps.
    pub(crate) fn gemm(&self, rows: usize, columns: usize, depth: usize) -> Cut {
        self.cut(rows, columns, || Tile::of_gemm(rows, columns, depth))
    }

    /// The cut of a weight gradient of `rows` x `columns`.
    pub(crate) fn weight_gradient(&self, rows: usize, columns: usize) -> Cut {
        self.cut(rows, columns, || Tile::of_weight_gradient(rows, columns))
    }

    fn cut(&self, rows: usize, columns: usize, rule: impl FnOnce() -> Tile) -> Cut {
        self.by_matrices(rows, columns).unwrap_or_else(|| {
            let given = self.tile.or_else(|| Tile::of_adapter(self.adapter));
            Cut::Registers(given.map_or_else(rule, |tile| tile.fitted(rows)))
        })
    }

    /// WebGPU has no matrix instructions.
    #[cfg(target_family = "wasm")]
    fn by_matrices(&self, _rows: usize, _columns: usize) -> Option<Cut> {
        None
    }

    #[cfg(not(target_family = "wasm"))]
    fn by_matrices(&self, rows: usize, columns: usize) -> Option<Cut> {
        let Matrices {
            fragment,
            operand,
            shared_memory,
        } = self.matrices?;
        let staging = self
            .tile
            .unwrap_or_else(|| MatrixTile::staging_of(self.adapter, rows, columns));
        let tile = MatrixTile::new(fragment, staging, shared_memory)?;
        Some(Cut::Matrices(tile, operand))
    }
}
