//! Features in two dimensions: their first two principal components.

use burn::tensor::{Device, Tensor, TensorData};

use crate::Features;

/// The first two principal components of every row, `x, y, x, y, ...`, scaled to unit variance. The sign of an axis is
/// fixed (its largest component is positive), so that a plot during training moves slowly instead of jumping.
pub fn principal_plane(features: &Features) -> Vec<f32> {
    if features.rows() == 0 {
        return Vec::new();
    }
    let raw = features.tensor();
    let mut x = raw.clone() - raw.mean_dim(0);
    let mut axes = Vec::new();
    for _ in 0..2 {
        let axis = principal_direction(&x);
        let along = x.clone().matmul(axis.clone());
        x = x - along.clone().matmul(axis.transpose());
        let spread = along
            .clone()
            .square()
            .mean()
            .sqrt()
            .into_scalar::<f32>()
            .max(1e-12);
        axes.push(along / spread);
    }
    Tensor::cat(axes, 1)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap_or_default()
}

/// The first principal direction by power iteration, a unit vector `[columns, 1]`.
fn principal_direction(x: &Tensor<2>) -> Tensor<2> {
    let columns = x.dims()[1];
    let start: Vec<f32> = (0..columns).map(|i| 1.0 + (i % 7) as f32 / 7.0).collect();
    let mut direction =
        Tensor::<2>::from_data(TensorData::new(start, [columns, 1]), &Device::flex());
    for _ in 0..30 {
        let next = x.clone().transpose().matmul(x.clone().matmul(direction));
        let norm = next
            .clone()
            .square()
            .sum()
            .sqrt()
            .into_scalar::<f32>()
            .max(1e-20);
        direction = next / norm;
    }
    let values = direction.to_data().try_to_vec::<f32>().unwrap_or_default();
    let largest = values.iter().fold(
        0.0f32,
        |best, v| if v.abs() > best.abs() { *v } else { best },
    );
    if largest < 0.0 {
        direction.neg()
    } else {
        direction
    }
}
