//! Backward rules of the operations, for Burn's autodiff.
//!
//! A graph saves activations. With Burn's balanced checkpointing it saves the outputs of residual blocks alone: convolutions
//! and the batch norms between them are declared memory-bound, so that the backward pass recomputes them, one block at a
//! time. They give the same bits, because every sum has one order.

mod constants;
mod head;
mod spatial;

use std::marker::PhantomData;

use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::retro_forward::RetroForward;
use burn_autodiff::checkpoint::state::BackwardStates;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_autodiff::{Autodiff, NodeId};
use parallax_ranks::Ranks;

use crate::ops::{Kernels, LayerOps, Packed, ReluMask, Running, SavedNorm};
use crate::shape::{ConvShape, LinearShape, PoolShape};

#[derive(Debug)]
struct Conv;

/// Nodes of the graph, whose values are saved or recomputed.
#[derive(Clone, Debug)]
struct SavedConv<B: Backend> {
    x: NodeId,
    weight: NodeId,
    packed: Packed<B>,
    shape: ConvShape,
}

impl<B: Kernels> Backward<B, 2> for Conv {
    type State = SavedConv<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let SavedConv {
            x,
            weight,
            packed,
            shape,
        } = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::conv_grad_weight(x, grad.clone(), shape));
        }
        if let Some(node) = x_node {
            let weight = packed.gradient(weight);
            grads.register::<B>(node.id, B::conv_grad_input(grad, weight, shape));
        }
    }
}

/// Recomputes a convolution.
#[derive(Debug)]
struct RecomputeConv<B: Backend>(SavedConv<B>);

impl<B: Kernels> RetroForward for RecomputeConv<B> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let Self(saved) = self;
        let x = states.get_state::<FloatTensor<B>>(&saved.x);
        let weight = states.get_state::<FloatTensor<B>>(&saved.weight);
        let weight = saved.packed.forward(weight);
        states.save(out, B::conv(x, weight, saved.shape));
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

/// The parents are x, weight, bias and, if there is one, the residual.
#[derive(Debug)]
struct Norm;

#[derive(Clone, Debug)]
struct NormState<T> {
    x: NodeId,
    weight: NodeId,
    mean: T,
    variance: T,
    mask: ReluMask<T, NodeId>,
    epsilon: f64,
    ranks: Ranks,
}

impl<B: Kernels, const N: usize> Backward<B, N> for Norm {
    type State = NormState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let state = ops.state;
        let mut value = |node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node);
        let (x, weight) = (value(state.x), value(state.weight));
        let mask = match state.mask {
            ReluMask::None => ReluMask::None,
            ReluMask::Output(output) => ReluMask::Output(output),
            ReluMask::Shift(bias) => ReluMask::Shift(value(bias)),
        };
        let saved = SavedNorm {
            x,
            mask,
            weight,
            mean: state.mean,
            variance: state.variance,
            epsilon: state.epsilon,
            ranks: state.ranks,
        };
        // The residual is the fourth parent.
        let gradients = match N {
            3 => {
                let [x, weight, bias] = B::norm_grad_without_residual(saved, grad);
                [Some(x), Some(weight), Some(bias), None]
            }
            _ => B::norm_grad(saved, grad).map(Some),
        };
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Recomputes a batch norm without residual.
#[derive(Debug)]
struct RecomputeNorm<B> {
    x: NodeId,
    weight: NodeId,
    bias: NodeId,
    relu: bool,
    epsilon: f64,
    ranks: Ranks,
    backend: PhantomData<B>,
}

impl<B: Kernels> RetroForward for RecomputeNorm<B> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let mut value = |node| states.get_state::<FloatTensor<B>>(node);
        let (x, weight, bias) = (value(&self.x), value(&self.weight), value(&self.bias));
        let (none, relu, epsilon) = (Running::None, self.relu, self.epsilon);
        let ([output, ..], _) = B::norm(x, weight, bias, None, none, (relu, epsilon), self.ranks);
        states.save(out, output);
    }
}

#[derive(Debug)]
struct Pool;

#[derive(Clone, Debug)]
struct SavedPool<T> {
    x: NodeId,
    output: T,
    shape: PoolShape,
}

impl<B: Kernels> Backward<B, 1> for Pool {
    type State = SavedPool<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let SavedPool { x, output, shape } = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::pool_grad(x, output, grad, shape));
        }
    }
}

/// Output, mean, variance and the next running statistics.
type NormTensors<B, C> = (
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    FloatTensor<Autodiff<B, C>>,
    Running<Autodiff<B, C>>,
);

impl<B: Kernels, C: CheckpointStrategy> LayerOps for Autodiff<B, C> {
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        packed: Packed<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        let packed = packed.without_graph();
        let taken = packed.forward(weight.primitive().clone());
        let output = B::conv(x.primitive().clone(), taken, shape);
        let saved = SavedConv {
            x: x.id(),
            weight: weight.id(),
            packed,
            shape,
        };
        let recompute = RecomputeConv(saved.clone());
        let prepared = Conv
            .prepare::<C>([x.node(), weight.node()])
            .memory_bound()
            .retro_forward(recompute)
            .parents([&x, &weight]);
        match prepared.stateful() {
            OpsKind::Tracked(mut prepared) => {
                prepared.checkpoint(&x);
                prepared.checkpoint(&weight);
                prepared.finish(saved, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        running: Running<Self>,
        relu: bool,
        epsilon: f64,
        ranks: Ranks,
    ) -> NormTensors<B, C> {
        let values = [&x, &weight, &bias].map(|tensor| tensor.primitive().clone());
        let [of_x, of_weight, of_bias] = values;
        let running = running.without_graph();
        let ([output, mean, variance], next) = B::norm(
            of_x,
            of_weight,
            of_bias,
            None,
            running,
            (relu, epsilon),
            ranks,
        );
        let statistics = [&mean, &variance].map(|tensor| Self::from_inner(tensor.clone()));
        let recompute = RecomputeNorm::<B> {
            x: x.id(),
            weight: weight.id(),
            bias: bias.id(),
            relu,
            epsilon,
            ranks,
            backend: PhantomData,
        };
        let prepared = Norm
            .prepare::<C>([x.node(), weight.node(), bias.node()])
            .memory_bound()
            .retro_forward(recompute)
            .parents([&x, &weight, &bias]);
        let output = match prepared.stateful() {
            OpsKind::Tracked(mut prepared) => {
                let mask = match relu {
                    true => ReluMask::Shift(prepared.checkpoint(&bias)),
                    false => ReluMask::None,
                };
                let state = NormState {
                    x: prepared.checkpoint(&x),
                    weight: prepared.checkpoint(&weight),
                    mean,
                    variance,
                    mask,
                    epsilon,
                    ranks,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        let [mean, variance] = statistics;
        (output, mean, variance, next.constant())
    }

    fn layer_norm_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        running: Running<Self>,
        relu: bool,
        epsilon: f64,
        ranks: Ranks,
    ) -> NormTensors<B, C> {
        let values = [&x, &weight, &bias, &residual].map(|tensor| tensor.primitive().clone());
        let [of_x, of_weight, of_bias, of_residual] = values;
        let ([output, mean, variance], next) = B::norm(
            of_x,
            of_weight,
            of_bias,
            Some(of_residual),
            running.without_graph(),
            (relu, epsilon),
            ranks,
        );
        let statistics = [&mean, &variance].map(|tensor| Self::from_inner(tensor.clone()));
        // The end of a residual block, which is always saved: it bounds what a backward pass recomputes at a time.
        let nodes = [x.node(), weight.node(), bias.node(), residual.node()];
        let output = match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = NormState {
                    x: prepared.checkpoint(&x),
                    weight: prepared.checkpoint(&weight),
                    mean,
                    variance,
                    mask: match relu {
                        true => ReluMask::Output(output.clone()),
                        false => ReluMask::None,
                    },
                    epsilon,
                    ranks,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        let [mean, variance] = statistics;
        (output, mean, variance, next.constant())
    }

    fn layer_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        let output = B::pool(x.primitive().clone(), shape);
        match Pool.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let saved = SavedPool {
                    x: prepared.checkpoint(&x),
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
