//! The linear layer's products on a GPU: 1x1 convolutions over images of one pixel, so that one kernel serves both.

use burn_cubecl::ops::{permute, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::cut::Target;
use super::launch::LaunchPlan;
use super::plan::ConvPlan;
use crate::shape::{LinearShape, Product};

/// A linear layer's product and the kernel that was selected for it.
pub(super) struct LinearPlan {
    shape: LinearShape,
    product: Product,
    /// Whether the transposed result is computed, with the operands exchanged.
    transposed: bool,
    conv: ConvPlan,
}

impl LinearPlan {
    /// Selects as [`ConvPlan::select`] does. The kernel needs its right operand permuted: forward, the smaller operand is
    /// made the right one.
    pub fn select(shape: &LinearShape, product: Product, target: Target) -> Self {
        let transposed = product == Product::Forward && shape.batch < shape.outputs;
        let computed = match transposed {
            true => LinearShape {
                batch: shape.outputs,
                outputs: shape.batch,
                ..*shape
            },
            false => *shape,
        };
        Self {
            shape: *shape,
            product,
            transposed,
            conv: ConvPlan::select(&computed.as_convolution(), product, target),
        }
    }

    /// Computes the product of input and weight, of the output's gradient and weight, or of input and the output's gradient.
    pub fn run(&self, left: CubeTensor, right: CubeTensor) -> CubeTensor {
        let LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let kernel = |weight, rows| reshape(weight, [rows, inputs, 1, 1].into());
        let matrix = |tensor, rows, columns| reshape(tensor, [rows, columns].into());
        match self.product {
            Product::Forward if self.transposed => {
                let transposed = self.conv.run(right, kernel(left, batch));
                permute(matrix(transposed, outputs, batch), &[1, 0])
            }
            Product::Forward => matrix(self.conv.run(left, kernel(right, outputs)), batch, outputs),
            Product::GradInput => {
                matrix(self.conv.run(left, kernel(right, outputs)), batch, inputs)
            }
            Product::GradWeight => matrix(self.conv.run(left, right), outputs, inputs),
        }
    }
}

/// How a linear layer's product is launched on such a device.
pub fn linear_launch(shape: &LinearShape, product: Product, target: Target) -> LaunchPlan {
    LinearPlan::select(shape, product, target)
        .conv
        .launch_plan()
}
