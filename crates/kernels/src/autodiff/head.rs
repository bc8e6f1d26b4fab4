//! Backward rules of the operations behind a backbone.

use burn::backend::tensor::FloatTensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use crate::ops::{HeadOps, Kernels};

#[derive(Debug)]
struct MeanOfPixels;

impl<B: Kernels> Backward<B, 1> for MeanOfPixels {
    type State = [usize; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::mean_of_pixels_grad(grad, ops.state));
        }
    }
}

#[derive(Debug)]
struct LogSoftmax;

impl<B: Kernels> Backward<B, 1> for LogSoftmax {
    /// The output.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::log_softmax_grad(ops.state, grad));
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> HeadOps for Autodiff<B, C> {
    fn head_mean_of_pixels(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let output = B::mean_of_pixels(x);
        match MeanOfPixels.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(size, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn head_log_softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let output = <B as Kernels>::log_softmax(x);
        match LogSoftmax.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(output.clone(), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
