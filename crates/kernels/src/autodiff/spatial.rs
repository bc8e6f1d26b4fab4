//! Backward rules of resampling and of the losses of pixels.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use crate::ops::{Kernels, SpatialOps};
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::sampling::Sampling;

#[derive(Debug)]
struct Sample;

impl<B: Kernels> Backward<B, 1> for Sample {
    type State = Arc<Sampling>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::sample_grad(grad, &ops.state));
        }
    }
}

#[derive(Debug)]
struct PixelLosses;

#[derive(Clone, Debug)]
struct SavedLosses<T> {
    logits: T,
    logarithms: T,
    labels: Arc<PixelLabels>,
    shape: LogitShape,
}

impl<B: Kernels> Backward<B, 1> for PixelLosses {
    type State = SavedLosses<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            let SavedLosses {
                logits,
                logarithms,
                labels,
                shape,
            } = ops.state;
            let grad = B::pixel_losses_grad(logits, logarithms, grad, &labels, shape);
            grads.register::<B>(node.id, grad);
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> SpatialOps for Autodiff<B, C> {
    fn spatial_sample(x: FloatTensor<Self>, sampling: Arc<Sampling>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let output = B::sample(x, &sampling);
        match Sample.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(sampling, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn spatial_pixel_losses(
        logits: FloatTensor<Self>,
        labels: Arc<PixelLabels>,
        shape: LogitShape,
    ) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        let [losses, logarithms] = B::pixel_losses(logits.clone(), &labels, shape);
        match PixelLosses.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = SavedLosses {
                    logits,
                    logarithms,
                    labels,
                    shape,
                };
                prepared.finish(saved, losses)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(losses),
        }
    }
}
