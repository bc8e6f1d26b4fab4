//! The matrix instructions of a device: which shapes its driver lists, and which of them products use.

use burn::tensor::FloatDType;
use cubecl::ir::features::MmaConfig;
use cubecl::ir::{DeviceProperties, ElemType, FloatKind};

/// A product of small matrices that the invocations of a plane (subgroup) compute together, `D = A B + C` with sums in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Rows of A and of the result.
    pub rows: u32,
    /// Columns of B and of the result.
    pub columns: u32,
    /// Columns of A and rows of B.
    pub depth: u32,
    /// Invocations of a plane.
    pub plane: u32,
}

impl std::fmt::Display for Fragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.rows, self.columns, self.depth)
    }
}

/// The operands that matrix instructions take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operand {
    /// 11 bits of precision, exponents from -24 to 15.
    F16,
    /// 8 bits of precision, the exponents of f32.
    Bf16,
}

impl Operand {
    /// Both.
    pub const ALL: [Self; 2] = [Self::F16, Self::Bf16];

    pub(crate) fn element(self) -> ElemType {
        ElemType::Float(match self {
            Self::F16 => FloatKind::F16,
            Self::Bf16 => FloatKind::BF16,
        })
    }

    /// Burn's dtype.
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::F16 => FloatDType::F16,
            Self::Bf16 => FloatDType::BF16,
        }
    }
}

impl Fragment {
    /// Multiply-adds of an instruction.
    pub(crate) fn multiply_adds(&self) -> u32 {
        self.rows * self.columns * self.depth
    }

    /// The shapes that a driver lists for such operands and sums in f32, the rule's choice first: the one with the most
    /// multiply-adds an instruction, of equal ones the most nearly square.
    ///
    /// A plane is taken to be as large as the device's can be. Where it is smaller at run time the check of the shape
    /// (`instructions.rs`) finds wrong values, and the shape is not used.
    pub(crate) fn listed(properties: &DeviceProperties, operand: Operand) -> Vec<Self> {
        let element = operand.element();
        let sum = ElemType::Float(FloatKind::F32);
        let takes = |shape: &&MmaConfig| {
            shape.a_type == element && shape.b_type == element && shape.cd_type == sum
        };
        let mut found: Vec<Self> = properties
            .features
            .matmul
            .cmma
            .iter()
            .filter(takes)
            .map(|shape| Self {
                rows: shape.m,
                columns: shape.n,
                depth: shape.k,
                plane: properties.hardware.plane_size_max,
            })
            .collect();
        found.sort_by_key(|shape| {
            let &Self { rows, columns, .. } = shape;
            let fewest = u32::MAX - shape.multiply_adds();
            (fewest, rows.abs_diff(columns), rows, shape.depth)
        });
        found
    }
}
