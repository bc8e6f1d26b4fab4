//! Tensors of a trace's first step, channels first.

use anyhow::Result;
use burn::tensor::Tensor;
use parallax_train::read;
use parallax_transfer::detector::in_order;
use parallax_transfer::{TransferReport, to_detectron2};
use pollster::block_on;

use crate::transfer_op::tensors::Outputs;

/// Writes a tensor as it is.
pub fn plain<const D: usize>(out: &mut Outputs, name: &str, tensor: &Tensor<D>) -> Result<()> {
    let tensor = tensor.clone().without_autodiff();
    let shape = tensor.dims();
    out.floats(name, &shape, block_on(read(tensor))?);
    Ok(())
}

/// Writes a map `[batch, height, width, channels]` as `[batch, channels, height, width]`.
pub fn channels_first(out: &mut Outputs, name: &str, map: &Tensor<4>) -> Result<()> {
    plain(out, name, &map.clone().permute([0, 3, 1, 2]))
}

/// Rows of a tensor in the order of the regions, channels first: row r belongs to region `order[r]`.
pub fn rows<const D: usize>(
    out: &mut Outputs,
    name: &str,
    tensor: &Tensor<D>,
    order: &[usize],
) -> Result<()> {
    let shape = tensor.dims();
    let values = block_on(read(tensor.clone().without_autodiff()))?;
    out.floats(name, &shape, in_order(&values, order));
    Ok(())
}

/// Writes the norm of each parameter's gradient.
pub fn gradients(report: &TransferReport, out: &mut Outputs) {
    for (name, norm) in report.norms.iter().flat_map(|norms| &norms.gradients) {
        let name = format!("grad.{}", to_detectron2(name));
        out.floats(&name, &[1], [*norm as f32]);
    }
}
