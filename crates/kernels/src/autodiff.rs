//! Forward and backward tied together: the rules that Burn's graph calls.

use burn::backend::AutodiffBackend;
use burn::backend::tensor::FloatTensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};

use crate::cpu::{ConvShape, LinearShape, PoolShape};
use crate::ops::{Kernels, LayerOps, SavedNorm};

#[derive(Debug)]
struct Conv;

#[derive(Clone, Debug)]
struct SavedConv<T> {
    x: T,
    weight: T,
    shape: ConvShape,
}

impl<B: Kernels> Backward<B, 2> for Conv {
    type State = SavedConv<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let SavedConv { x, weight, shape } = ops.state;
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::conv_grad_weight(x, grad.clone(), shape));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::conv_grad_input(grad, weight, shape));
        }
    }
}

#[derive(Debug)]
struct Linear;

#[derive(Clone, Debug)]
struct SavedLinear<T> {
    x: T,
    weight: T,
    shape: LinearShape,
}

impl<B: Kernels> Backward<B, 2> for Linear {
    type State = SavedLinear<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let SavedLinear { x, weight, shape } = ops.state;
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::linear_grad_weight(x, grad.clone(), shape));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::linear_grad_input(grad, weight, shape));
        }
    }
}

/// Parents are x, weight, bias, and, if there is one, the residual.
#[derive(Debug)]
struct Norm;

impl<B: Kernels, const N: usize> Backward<B, N> for Norm {
    type State = SavedNorm<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let gradients = B::norm_grad(ops.state, grad);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Pool;

#[derive(Clone, Debug)]
struct SavedPool<T> {
    x: T,
    output: T,
    shape: PoolShape,
}

impl<B: Kernels> Backward<B, 1> for Pool {
    type State = SavedPool<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let SavedPool { x, output, shape } = ops.state;
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::pool_grad(x, output, grad, shape));
        }
    }
}

/// The forward pass of batch norm: its output, and what the backward pass needs.
fn normed<B: Kernels>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    residual: Option<FloatTensor<B>>,
    relu: bool,
    epsilon: f64,
) -> (FloatTensor<B>, SavedNorm<B>) {
    let [output, mean, variance] =
        B::norm(x.clone(), weight.clone(), bias, residual, relu, epsilon);
    let saved = SavedNorm {
        x,
        output: relu.then(|| output.clone()),
        weight,
        mean,
        variance,
        epsilon,
    };
    (output, saved)
}

/// Output, mean and variance.
type Tied<B, C> = (
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
);

/// Output with its graph; mean and variance as constants.
fn tied<B: Kernels, C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    (output, saved): (FloatTensor<B>, SavedNorm<B>),
) -> Tied<B, C> {
    let mean = Autodiff::<B, C>::from_inner(saved.mean.clone());
    let variance = Autodiff::<B, C>::from_inner(saved.variance.clone());
    let output = match Norm.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    (output, mean, variance)
}

impl<B: Kernels, C: CheckpointStrategy> LayerOps for Autodiff<B, C> {
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let output = B::conv(x.clone(), weight.clone(), shape);
        let prepared = Conv.prepare::<C>([x_node, weight_node]).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(SavedConv { x, weight, shape }, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        let passed = normed(x, weight, bias, None, relu, epsilon);
        tied::<B, C, 3>([x_node, weight_node, bias_node], passed)
    }

    fn layer_norm_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        let (residual, residual_node) = residual.into_parts();
        let passed = normed(x, weight, bias, Some(residual), relu, epsilon);
        tied::<B, C, 4>([x_node, weight_node, bias_node, residual_node], passed)
    }

    fn layer_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let output = B::pool(x.clone(), shape);
        match Pool.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = SavedPool {
                    x,
                    output: output.clone(),
                    shape,
                };
                prepared.finish(saved, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn layer_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let output = B::linear_forward(x.clone(), weight.clone(), shape);
        let prepared = Linear.prepare::<C>([x_node, weight_node]).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(SavedLinear { x, weight, shape }, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}
