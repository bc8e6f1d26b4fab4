//! Products with a given tile, for measurements and tests of what the rules do not pick.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use burn_flex::Flex;

use super::linear::LinearPlan;
use super::plan::ConvPlan;
use super::target::target_of;
use super::tile::Tile;
use crate::ops::Kernels;
use crate::shape::{ConvShape, LinearShape, Product};

/// A product of a convolution or a linear layer with a given tile; the CPU has no tiles to choose.
#[backend_extension(Flex, Cube)]
pub trait TiledOps: Backend {
    /// See [`conv_with_tile`].
    fn tiled_conv(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: ConvShape,
        product: Product,
        tile: Option<Tile>,
    ) -> FloatTensor<Self>;

    /// See [`linear_with_tile`].
    fn tiled_linear(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: LinearShape,
        product: Product,
        tile: Option<Tile>,
    ) -> FloatTensor<Self>;
}

impl TiledOps for CubeBackend {
    fn tiled_conv(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: ConvShape,
        product: Product,
        tile: Option<Tile>,
    ) -> FloatTensor<Self> {
        ConvPlan::select(&shape, product, target_of(&left).with_tile(tile)).run(left, right)
    }

    fn tiled_linear(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: LinearShape,
        product: Product,
        tile: Option<Tile>,
    ) -> FloatTensor<Self> {
        LinearPlan::select(&shape, product, target_of(&left).with_tile(tile)).run(left, right)
    }
}

impl TiledOps for Flex {
    fn tiled_conv(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: ConvShape,
        product: Product,
        _tile: Option<Tile>,
    ) -> FloatTensor<Self> {
        match product {
            Product::Forward => Self::conv(left, right, shape),
            Product::GradInput => Self::conv_grad_input(left, right, shape),
            Product::GradWeight => Self::conv_grad_weight(left, right, shape),
        }
    }

    fn tiled_linear(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        shape: LinearShape,
        product: Product,
        _tile: Option<Tile>,
    ) -> FloatTensor<Self> {
        match product {
            Product::Forward => Self::linear_forward(left, right, shape),
            Product::GradInput => Self::linear_grad_input(left, right, shape),
            Product::GradWeight => Self::linear_grad_weight(left, right, shape),
        }
    }
}

/// A convolution's product, on tensors without a graph: input `[batch, height, width, in]` and weight `[out, in, kernel,
/// kernel]`, the output's gradient and weight, or input and the output's gradient, by `product`. A GPU takes `tile` in place of
/// its rule's; `None` leaves it to the rule, as in [`crate::conv2d`].
///
/// As Burn's own operations do, this panics when shapes do not fit together.
pub fn conv_with_tile(
    [left, right]: [Tensor<4>; 2],
    shape: ConvShape,
    product: Product,
    tile: Option<Tile>,
) -> Tensor<4> {
    let (left, right) = (left.into_dispatch(), right.into_dispatch());
    Tensor::from_dispatch(Dispatch::tiled_conv(left, right, shape, product, tile))
}

/// A linear layer's product, likewise: `[batch, inputs]` and `[outputs, inputs]`, the output's gradient and weight, or input
/// and the output's gradient.
pub fn linear_with_tile(
    [left, right]: [Tensor<2>; 2],
    shape: LinearShape,
    product: Product,
    tile: Option<Tile>,
) -> Tensor<2> {
    let (left, right) = (left.into_dispatch(), right.into_dispatch());
    Tensor::from_dispatch(Dispatch::tiled_linear(left, right, shape, product, tile))
}
