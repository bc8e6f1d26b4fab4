//! Exponential moving averages of parameters (methods.md 2.4).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::weighted_sum;
use parallax_nets::names::{self, Map, Visit, is_buffer};

/// `target <- momentum target + (1 - momentum) online`, for every parameter of `target` that `online` has under the same
/// name. Buffers (running statistics) and parameters of one module alone stay as they are.
///
/// # Panics
/// When parameters of one name differ in shape.
pub fn ema_update<T: Module, O: Module>(target: T, online: &O, momentum: f64) -> T {
    let mut flat = Flat(BTreeMap::new());
    names::visit(online, &mut flat);
    let mut average = Average {
        online: flat.0,
        momentum,
    };
    names::map(target, &mut average)
}

/// Parameters by name, without graph, flat.
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

struct Average {
    online: BTreeMap<String, Tensor<1>>,
    momentum: f64,
}

impl Map for Average {
    fn tensor<const D: usize>(&mut self, name: &str, target: Tensor<D>) -> Tensor<D> {
        match self.online.remove(name) {
            Some(online) => {
                let online = online.reshape(target.dims());
                weighted_sum(target, self.momentum, online, 1.0 - self.momentum)
            }
            None => target,
        }
    }
}
