//! The gradients of a module's parameters by name.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Gradients, Tensor};
use parallax_nets::names::{self, Visit};

/// The gradient of each parameter that a loss depends on, flat, by the parameter's name.
#[derive(Clone, Debug, Default)]
pub struct ParamGradients(pub BTreeMap<String, Tensor<1>>);

impl ParamGradients {
    /// Moves the gradients of `module`'s parameters out of the result of a backward pass.
    pub fn take<M: Module>(module: &M, gradients: &mut Gradients) -> Self {
        struct Take<'a>(&'a mut Gradients, BTreeMap<String, Tensor<1>>);
        impl Visit for Take<'_> {
            fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
                if let Some(gradient) = tensor.grad_remove(self.0) {
                    let count = gradient.dims().iter().product::<usize>();
                    self.1.insert(name.to_string(), gradient.reshape([count]));
                }
            }
        }
        let mut take = Take(gradients, BTreeMap::new());
        names::visit(module, &mut take);
        Self(take.1)
    }

    /// Adds the gradients of another micro-batch.
    pub fn add(&mut self, other: Self) {
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(before) => before + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// Multiplies every gradient by a factor.
    pub fn scale(&mut self, factor: f64) {
        for gradient in self.0.values_mut() {
            *gradient = gradient.clone() * factor;
        }
    }

    /// Names and squared norms of the gradients, `[parameters]`.
    pub fn squares(&self) -> (Vec<String>, Option<Tensor<1>>) {
        squares(self.0.iter().map(|(name, g)| (name.clone(), g.clone())))
    }
}

/// Names and squared norms of the parameters of a module, `[parameters]`, without graph.
pub(crate) fn param_squares<M: Module>(module: &M) -> (Vec<String>, Option<Tensor<1>>) {
    struct Read(Vec<(String, Tensor<1>)>);
    impl Visit for Read {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            if !names::is_buffer(name) {
                let count = tensor.dims().iter().product::<usize>();
                let flat = tensor.without_autodiff().reshape([count]);
                self.0.push((name.to_string(), flat));
            }
        }
    }
    let mut read = Read(Vec::new());
    names::visit(module, &mut read);
    squares(read.0.into_iter())
}

fn squares(vectors: impl Iterator<Item = (String, Tensor<1>)>) -> (Vec<String>, Option<Tensor<1>>) {
    let of = |(name, vector): (String, Tensor<1>)| (name, vector.square().sum());
    let (names, squares): (Vec<String>, Vec<Tensor<1>>) = vectors.map(of).unzip();
    let squares = (!squares.is_empty()).then(|| Tensor::cat(squares, 0));
    (names, squares)
}
