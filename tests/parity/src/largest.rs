//! The largest values of rows on a GPU against a sorted list.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{InColumn, Largest};

/// Rows, the columns of each block, and how many are kept: a row with less than is kept, blocks smaller and larger than what
/// is kept, fewer candidates than invocations and many for each.
const CASES: [(usize, &[usize], usize); 7] = [
    (1, &[1], 1),
    (5, &[3, 4], 10),
    (33, &[257, 4096, 100], 20),
    (7, &[5000, 1, 1, 40], 200),
    (3, &[64, 64], 1),
    (2, &[300, 300], 500),
    (4, &[1000], 1000),
];

/// Coarse values of both signs, so that many are equal, zeros of both signs among them; some columns are below all others.
fn value(row: usize, column: usize) -> f32 {
    let wave = ((row * 7919 + column * 104_729) % 10_007) as f32;
    match column % 17 {
        0 => -0.0,
        1 => -wave - 1e30,
        _ => (wave * 0.37).sin().mul_add(8.0, 0.5).floor() / 8.0,
    }
}

/// By definition, in the order of columns.
fn expected(row: usize, columns: usize, count: usize) -> Vec<InColumn> {
    let mut all: Vec<InColumn> = (0..columns)
        .map(|column| (column as u32, value(row, column) + 0.0))
        .collect();
    // Stable, so that of equal ones the earlier stays in front.
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(count);
    all.sort_by_key(|&(column, _)| column);
    all
}

/// Compares every row's on `device`, a GPU without autodiff: how many values were compared.
///
/// # Errors
/// When they differ, or the device fails.
pub async fn check_largest(device: &Device) -> Result<usize, String> {
    let mut compared = 0;
    for (rows, blocks, count) in CASES {
        let mut largest = Largest::new([rows, count], device);
        let mut first = 0;
        for &columns in blocks {
            let of_row = |row| (first..first + columns).map(move |column| value(row, column));
            let values: Vec<f32> = (0..rows).flat_map(of_row).collect();
            let values = TensorData::new(values, [rows, columns]);
            largest.add(Tensor::from_data(values, device));
            first += columns;
        }
        let found = largest.read().await.map_err(|error| format!("{error:?}"))?;
        if found.len() != rows {
            return Err(format!("{} rows, not {rows}", found.len()));
        }
        for (row, found) in found.iter().enumerate() {
            let expected = expected(row, first, count);
            let bits = |all: &[InColumn]| -> Vec<(u32, u32)> {
                all.iter()
                    .map(|(column, value)| (*column, value.to_bits()))
                    .collect()
            };
            if bits(found) != bits(&expected) {
                return Err(format!(
                    "row {row} of {rows} with {blocks:?} columns, {count} kept: {found:?}, not {expected:?}"
                ));
            }
            compared += expected.len();
        }
    }
    Ok(compared)
}
