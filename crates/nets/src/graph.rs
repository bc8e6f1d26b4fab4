//! Parameters in the graph of an activation.

use burn::tensor::Tensor;

/// `parameter` with the checkpointing strategy of `x`: Burn's operations take tensors of one strategy. Without a graph it
/// stays as it is.
pub(crate) fn match_checkpointing<const P: usize, const D: usize>(
    parameter: Tensor<P>,
    x: &Tensor<D>,
) -> Tensor<P> {
    match x.gradient_checkpointing_strategy() {
        Some(strategy) if parameter.is_autodiff() => {
            parameter.with_gradient_checkpointing_strategy(strategy)
        }
        _ => parameter,
    }
}
