//! The matrix instructions of a device: checked when it is opened, once for each driver.

use burn::tensor::Device;
use burn::tensor::wgpu::wgpu::AdapterInfo;
use parallax_kernels::{
    Fragment, MatrixInstructions, Operand, listed_matrix_instructions, matrix_instructions,
    set_matrix_instructions,
};
use serde::{Deserialize, Serialize};

use crate::driver;

/// In the cache folder.
const FILE: &str = "matrix-instructions.json";

/// Rows, columns, depth and plane of each shape.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Shapes {
    chosen: Option<[u32; 4]>,
    wrong: Vec<[u32; 4]>,
}

impl From<&MatrixInstructions> for Shapes {
    fn from(found: &MatrixInstructions) -> Self {
        let numbers = |it: &Fragment| [it.rows, it.columns, it.depth, it.plane];
        Self {
            chosen: found.chosen.as_ref().map(numbers),
            wrong: found.wrong.iter().map(numbers).collect(),
        }
    }
}

impl From<Shapes> for MatrixInstructions {
    fn from(shapes: Shapes) -> Self {
        let fragment = |[rows, columns, depth, plane]: [u32; 4]| Fragment {
            rows,
            columns,
            depth,
            plane,
        };
        Self {
            chosen: shapes.chosen.map(fragment),
            wrong: shapes.wrong.into_iter().map(fragment).collect(),
        }
    }
}

/// The name of a dtype.
pub fn name(operand: Operand) -> &'static str {
    match operand {
        Operand::F16 => "f16",
        Operand::Bf16 => "bf16",
    }
}

/// What is listed for such operands, as in `16x16x16, 16x8x16`; `None` where there is nothing.
pub fn listed(device: &Device, operand: Operand) -> Option<String> {
    let listed = listed_matrix_instructions(device, operand);
    let names: Vec<String> = listed.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Finds out which matrix instructions an opened device computes right with, or remembers it, and says which it does not:
/// what products use, as in `16x16x16 (f16)`.
pub fn prepare(device: &Device, adapter: &AdapterInfo) -> Vec<String> {
    let mut used = Vec::new();
    for operand in Operand::ALL {
        if listed_matrix_instructions(device, operand).is_empty() {
            continue;
        }
        let found = remembered(device, adapter, operand);
        if !found.wrong.is_empty() {
            let wrong: Vec<String> = found.wrong.iter().map(ToString::to_string).collect();
            let instead = match found.chosen {
                Some(chosen) => format!("{chosen} is used"),
                None => "products do without them".to_string(),
            };
            eprintln!(
                "{}: the driver ({} {}) computes wrong values by the matrix instructions {} for {}; {instead}",
                adapter.name,
                adapter.driver,
                adapter.driver_info,
                wrong.join(", "),
                name(operand),
            );
        }
        let chosen = found.chosen.map(|it| format!("{it} ({})", name(operand)));
        used.extend(chosen);
    }
    used
}

fn remembered(device: &Device, adapter: &AdapterInfo, operand: Operand) -> MatrixInstructions {
    let find = || Shapes::from(&matrix_instructions(device, operand));
    let shapes: Shapes = driver::fact(FILE, adapter, name(operand), find);
    let found = MatrixInstructions::from(shapes);
    set_matrix_instructions(device, operand, found.clone());
    found
}
