//! Kernel selection: which algorithm computes a product of a convolution or a linear layer.

use pulp::{Arch, Simd, WithSimd};

use super::epilogue::Epilogue;
use super::rounding::Rounding;
use super::winograd::Winograd;
use super::{conv, conv_weight, linear_packed, linear_transposed, winograd};
use crate::shape::{ConvShape, LinearShape, Product};

/// Winograd convolution pays for its transforms from so many input and output channels on.
const WINOGRAD_CHANNELS: usize = 16;
/// And from so many tiles of the batch on, in input and output.
const WINOGRAD_TILES: usize = 32;
/// And where it needs at most this share of the multiplications, which partly filled tiles of small images exceed: 2 of 3.
const WINOGRAD_SHARE: [usize; 2] = [2, 3];
/// A transposed input gradient has at least so many inputs: the rows of the largest register tile.
const TRANSPOSED_INPUTS: usize = 8;

/// An algorithm for a product of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvPlan {
    /// F(2x2, 3x3), of stride and dilation 1.
    Winograd,
    /// A matrix product whose operands are gathered from padded images, block by block.
    ImplicitGemm,
    /// The weight gradient of a strided 1x1 kernel without padding: an implicit matrix product of stride 1 with a copy of the
    /// pixels that the kernel reads.
    Subsampled,
}

impl ConvPlan {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Winograd, Self::ImplicitGemm, Self::Subsampled];

    /// The algorithm for a product of a shape.
    pub fn select(shape: &ConvShape, product: Product) -> Self {
        let winograd_pays = |size: [usize; 2]| {
            let tiles = winograd::tiles(size).iter().product::<usize>();
            let [most, of] = WINOGRAD_SHARE;
            shape.batch * tiles >= WINOGRAD_TILES && of * 16 * tiles <= most * 9 * size[0] * size[1]
        };
        if Self::Winograd.supports(shape, product)
            && shape.inputs.min(shape.outputs) >= WINOGRAD_CHANNELS
            && winograd_pays(shape.size)
            && winograd_pays(shape.out_size())
        {
            Self::Winograd
        } else if Self::Subsampled.supports(shape, product) {
            Self::Subsampled
        } else {
            Self::ImplicitGemm
        }
    }

    /// Whether the algorithm computes this product of this shape.
    pub fn supports(self, shape: &ConvShape, product: Product) -> bool {
        match self {
            Self::Winograd => {
                (shape.kernel, shape.stride, shape.dilation) == ([3; 2], [1; 2], [1; 2])
                    && shape.padding.iter().all(|&padding| padding <= 2)
            }
            Self::ImplicitGemm => true,
            Self::Subsampled => {
                product == Product::GradWeight
                    && (shape.kernel, shape.padding) == ([1; 2], [0; 2])
                    && shape.stride != [1; 2]
            }
        }
    }

    /// Computes a product, for operands as [`conv2d`], [`conv2d_grad_input`] and [`conv2d_grad_weight`] take them.
    ///
    /// # Panics
    /// When the algorithm does not support this product of this shape, or a slice is too short for it.
    pub fn run(self, shape: &ConvShape, product: Product, left: &[f32], right: &[f32]) -> Vec<f32> {
        assert!(
            self.supports(shape, product),
            "{self:?} computes no {product:?} of {shape:?}"
        );
        // From now on this process keeps its rounding.
        Rounding::get();
        match (self, product) {
            (_, Product::Forward) => self.forward(shape, left, right, None),
            (Self::Winograd, Product::GradInput) => {
                Winograd::grad_input(shape, left, right).run(shape.batch)
            }
            (Self::Winograd, Product::GradWeight) => winograd::grad_weight(shape, left, right),
            (Self::Subsampled, _) => conv_weight::grad_weight_of_subsampled(shape, left, right),
            (Self::ImplicitGemm, Product::GradInput) => conv::grad_input(shape, left, right),
            (Self::ImplicitGemm, Product::GradWeight) => {
                conv_weight::grad_weight(shape, left, right)
            }
        }
    }
}

impl ConvPlan {
    /// The forward product, with what follows it.
    ///
    /// # Panics
    /// As [`ConvPlan::run`].
    pub fn forward(
        self,
        shape: &ConvShape,
        x: &[f32],
        weight: &[f32],
        epilogue: Option<Epilogue<'_>>,
    ) -> Vec<f32> {
        Rounding::get();
        match self {
            Self::Winograd => Winograd::forward(shape, x, weight, epilogue).run(shape.batch),
            Self::ImplicitGemm | Self::Subsampled => conv::forward(shape, x, weight, epilogue),
        }
    }
}

/// [`conv2d`] and what follows it.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_with(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    ConvPlan::select(shape, Product::Forward).forward(shape, x, weight, Some(epilogue))
}

/// `x` `[batch, height, width, inputs]` and `weight` `[outputs, inputs, kernel, kernel]` to
/// `[batch, out height, out width, outputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let product = Product::Forward;
    ConvPlan::select(shape, product).run(shape, product, x, weight)
}

/// The input gradient: `grad` `[batch, out height, out width, outputs]` and `weight` to `[batch, height, width, inputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_grad_input(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    let product = Product::GradInput;
    ConvPlan::select(shape, product).run(shape, product, grad, weight)
}

/// The weight gradient: `x` `[batch, height, width, inputs]` and `grad` `[batch, out height, out width, outputs]` to
/// `[outputs, inputs, kernel, kernel]`.
///
/// Every slice must have the length that `shape` says.
pub fn conv2d_grad_weight(shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let product = Product::GradWeight;
    ConvPlan::select(shape, product).run(shape, product, x, grad)
}

/// An algorithm for a product of a linear layer. All sum in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearPlan {
    /// Packs the right-hand operand, which many rows then use.
    Packed,
    /// Computes the transposed result, so that the weight is read as it lies in memory and only the few rows are packed.
    Transposed,
}

impl LinearPlan {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Packed, Self::Transposed];

    /// The algorithm for a product of a shape on a processor with vectors of `lanes` values of f32.
    pub fn select(shape: &LinearShape, product: Product, lanes: usize) -> Self {
        let transposed = match product {
            Product::Forward => shape.batch < shape.outputs,
            // Longer vectors use a weight up before the next one has come from memory, unless it is packed.
            Product::GradInput => lanes <= 4 && shape.batch <= shape.inputs,
            Product::GradWeight => false,
        };
        match transposed && Self::Transposed.supports(shape, product) {
            true => Self::Transposed,
            false => Self::Packed,
        }
    }

    /// Whether the algorithm computes this product of this shape.
    pub fn supports(self, shape: &LinearShape, product: Product) -> bool {
        match (self, product) {
            (Self::Packed, _) | (Self::Transposed, Product::Forward) => true,
            (Self::Transposed, Product::GradInput) => shape.inputs >= TRANSPOSED_INPUTS,
            (Self::Transposed, Product::GradWeight) => false,
        }
    }

    /// Computes a product, for operands as [`linear()`], [`linear_grad_input`] and [`linear_grad_weight`] take them.
    ///
    /// # Panics
    /// When the algorithm does not support this product of this shape, or a slice is too short for it.
    pub fn run(
        self,
        shape: &LinearShape,
        product: Product,
        left: &[f32],
        right: &[f32],
    ) -> Vec<f32> {
        assert!(
            self.supports(shape, product),
            "{self:?} computes no {product:?} of {shape:?}"
        );
        // From now on this process keeps its rounding.
        Rounding::get();
        match (self, product) {
            (Self::Packed, Product::Forward) => linear_packed::forward(shape, left, right),
            (Self::Packed, Product::GradInput) => linear_packed::grad_input(shape, left, right),
            (Self::Transposed, Product::Forward) => linear_transposed::forward(shape, left, right),
            (Self::Transposed, Product::GradInput) => {
                linear_transposed::grad_input(shape, left, right)
            }
            (_, Product::GradWeight) => linear_packed::grad_weight(shape, left, right),
        }
    }
}

/// `x` `[batch, inputs]` times the transpose of `weight` `[outputs, inputs]`: `[batch, outputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn linear(shape: &LinearShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let product = Product::Forward;
    LinearPlan::select(shape, product, lanes()).run(shape, product, x, weight)
}

/// The input gradient: `grad` `[batch, outputs]` times `weight` `[outputs, inputs]`: `[batch, inputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn linear_grad_input(shape: &LinearShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    let product = Product::GradInput;
    LinearPlan::select(shape, product, lanes()).run(shape, product, grad, weight)
}

/// The weight gradient: the transpose of `grad` `[batch, outputs]` times `x` `[batch, inputs]`: `[outputs, inputs]`.
///
/// Every slice must have the length that `shape` says.
pub fn linear_grad_weight(shape: &LinearShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let product = Product::GradWeight;
    LinearPlan::select(shape, product, lanes()).run(shape, product, x, grad)
}

/// Values of f32 in a vector of this processor.
fn lanes() -> usize {
    struct Lanes;

    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }

    Arch::new().dispatch(Lanes)
}
