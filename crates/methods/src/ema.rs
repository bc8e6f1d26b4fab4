//! Exponential moving averages of parameters (methods.md 2.4).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::weighted_sums;
use parallax_nets::names::{self, Map, Visit, is_buffer};

/// `target <- momentum target + (1 - momentum) online`, for every parameter of `target` that `online` has under the same
/// name. Buffers (running statistics) and parameters of one module alone stay as they are.
///
/// # Panics
/// When parameters of one name differ in shape.
pub fn ema_update<T: Module, O: Module>(target: T, online: &O, momentum: f64) -> T {
    let [online, before] = [flat(online), flat(&target)];
    let mut names = Vec::new();
    let mut pairs = Vec::new();
    for (name, before) in before {
        if let Some(online) = online.get(&name) {
            pairs.push([before, online.clone()]);
            names.push(name);
        }
    }
    let next = weighted_sums(pairs, momentum, 1.0 - momentum);
    names::map(target, &mut Replace(names.into_iter().zip(next).collect()))
}

/// Parameters by name, without graph, flat.
fn flat<M: Module>(module: &M) -> BTreeMap<String, Tensor<1>> {
    let mut flat = Flat(BTreeMap::new());
    names::visit(module, &mut flat);
    flat.0
}

struct Flat(BTreeMap<String, Tensor<1>>);

impl Visit for Flat {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        if !is_buffer(name) {
            let count = tensor.dims().iter().product::<usize>();
            let flat = tensor.without_autodiff().reshape([count]);
            self.0.insert(name.to_string(), flat);
        }
    }
}

/// Tensors by name, flat, in the place of a module's own.
struct Replace(BTreeMap<String, Tensor<1>>);

impl Map for Replace {
    fn tensor<const D: usize>(&mut self, name: &str, own: Tensor<D>) -> Tensor<D> {
        match self.0.remove(name).map(|next| next.reshape(own.dims())) {
            Some(next) if own.is_autodiff() => Tensor::from_inner(next),
            Some(next) => next,
            None => own,
        }
    }
}
