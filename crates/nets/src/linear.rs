//! The linear layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use parallax_kernels::linear;

use crate::init::Init;

/// `y = x W^T + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as in PyTorch
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// With PyTorch's default initialisation.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, bias: bool) -> Self {
        let weight = Param::from_tensor(init.uniform_fan_in([outputs, inputs], inputs));
        let bias = bias.then(|| Param::from_tensor(init.uniform_fan_in([outputs], inputs)));
        Self { weight, bias }
    }

    /// `[batch, in]` to `[batch, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_ref().map(|bias| bias.val());
        linear(x, self.weight.val(), bias)
    }
}
