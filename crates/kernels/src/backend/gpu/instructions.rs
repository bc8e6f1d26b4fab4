//! Which matrix instructions a device may use: drivers err, so each listed shape computes products with a known result
//! before it is used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::Device as CubeDevice;
use burn::tensor::{DType, Device, TensorData, read_sync};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use super::adapter::Adapter;
use super::cut::{Matrices, Target};
use super::matrix::fragment::{Fragment, Operand};
use super::plan::ConvPlan;
use crate::operands::Operands;
use crate::shape::{ConvShape, Product};

/// The matrix instructions of a device for one kind of operands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatrixInstructions {
    /// The shape that products use.
    pub chosen: Option<Fragment>,
    /// Shapes that the driver lists and computes wrong values with.
    pub wrong: Vec<Fragment>,
}

/// By device, what has been checked or was known before.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

type Known = HashMap<(CubeDevice<CubeBackend>, Operand), MatrixInstructions>;

fn with_known<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    work(known.get_or_insert_default())
}

/// The shapes that a device's driver lists for such operands and f32 sums, the rule's choice first; none on the CPU.
pub fn listed_matrix_instructions(device: &Device, operand: Operand) -> Vec<Fragment> {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => Fragment::listed(device.client().properties(), operand),
        _ => Vec::new(),
    }
}

/// The matrix instructions that a device uses for such operands. The first call computes with each listed shape until one
/// is right, which compiles two kernels a shape.
pub fn matrix_instructions(device: &Device, operand: Operand) -> MatrixInstructions {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => of_device(device, operand),
        _ => MatrixInstructions::default(),
    }
}

/// Takes what is known of a device's driver from an earlier check instead of checking it. Must come before the first product.
pub fn set_matrix_instructions(device: &Device, operand: Operand, known: MatrixInstructions) {
    if let DispatchDevice::Cube(device) = device.clone().inner().as_dispatch() {
        with_known(|all| all.insert((device.clone(), operand), known));
    }
}

/// The matrix instructions for products of such a tensor, if its operands are half precision or may be rounded to it.
pub(crate) fn of_tensor(tensor: &CubeTensor) -> Option<Matrices> {
    let operand = match (tensor.dtype, Operands::current()) {
        (DType::F16, _) | (DType::F32, Operands::F16) => Operand::F16,
        (DType::BF16, _) | (DType::F32, Operands::Bf16) => Operand::Bf16,
        _ => return None,
    };
    let fragment = of_device(&tensor.device, operand).chosen?;
    Some(Matrices {
        fragment,
        operand,
        shared_memory: tensor.client.properties().hardware.max_shared_memory_size,
    })
}

fn of_device(device: &CubeDevice<CubeBackend>, operand: Operand) -> MatrixInstructions {
    let key = (device.clone(), operand);
    if let Some(known) = with_known(|all| all.get(&key).cloned()) {
        return known;
    }
    let mut found = MatrixInstructions::default();
    for fragment in Fragment::listed(device.client().properties(), operand) {
        if is_right(device, fragment, operand) {
            found.chosen = Some(fragment);
            break;
        }
        found.wrong.push(fragment);
    }
    with_known(|all| all.entry(key).or_insert(found).clone())
}

/// Whether a forward product and a weight gradient by these instructions are exact. Operands are whole numbers, and every
/// sum is below 2^24.
fn is_right(device: &CubeDevice<CubeBackend>, fragment: Fragment, operand: Operand) -> bool {
    let properties = device.client().properties().clone();
    let target = Target::of_adapter(Adapter::of(&properties)).with_matrices(Matrices {
        fragment,
        operand,
        shared_memory: properties.hardware.max_shared_memory_size,
    });
    // A linear layer, whose result is computed here in a line; every tile of it is cut at both ends.
    const ROWS: usize = 70;
    const STEPS: usize = 52;
    const COLUMNS: usize = 68;
    let shape = ConvShape {
        batch: ROWS,
        size: [1; 2],
        inputs: STEPS,
        outputs: COLUMNS,
        kernel: [1; 2],
        stride: [1; 2],
        padding: [0; 2],
        dilation: [1; 2],
    };
    let whole = |at: usize, seed: usize| ((at * 7 + at / 13 * seed) % 17) as f32 - 8.0;
    let numbers =
        |count: usize, seed| -> Vec<f32> { (0..count).map(|at| whole(at, seed)).collect() };
    let x = numbers(ROWS * STEPS, 3);
    let weight = numbers(COLUMNS * STEPS, 5);
    let grad = numbers(ROWS * COLUMNS, 11);
    let put = |values: &[f32], shape: [usize; 4]| {
        CubeBackend::float_from_data(TensorData::new(values.to_vec(), shape), device)
    };
    let put_x = || put(&x, [ROWS, 1, 1, STEPS]);
    let agree = |product, right: CubeTensor, expected: &dyn Fn(usize) -> f32| {
        let result = ConvPlan::select(&shape, product, target).run(put_x(), right);
        let read = read_sync(CubeBackend::float_into_data(result));
        let read = read.ok().and_then(|data| data.try_to_vec::<f32>().ok());
        read.is_some_and(|found| found.iter().enumerate().all(|(at, &it)| it == expected(at)))
    };
    let dot = |pairs: &mut dyn Iterator<Item = (f32, f32)>| pairs.map(|(a, b)| a * b).sum();
    let forward = agree(
        Product::Forward,
        put(&weight, [COLUMNS, STEPS, 1, 1]),
        &|at| {
            let (row, column) = (at / COLUMNS * STEPS, at % COLUMNS * STEPS);
            dot(&mut (0..STEPS).map(|k| (x[row + k], weight[column + k])))
        },
    );
    let weight_gradient = agree(
        Product::GradWeight,
        put(&grad, [ROWS, 1, 1, COLUMNS]),
        &|at| {
            let (column, step) = (at / STEPS, at % STEPS);
            dot(&mut (0..ROWS).map(|row| (x[row * STEPS + step], grad[row * COLUMNS + column])))
        },
    );
    forward && weight_gradient
}
