//! Every product of a step with each tile that the rules choose among: what the rules should say.

use std::rc::Rc;

use burn::tensor::Device;
use parallax_kernels::{
    Adapter, ConvShape, LinearShape, Product, Target, Tile, conv_with_tile, is_gpu,
    linear_with_tile,
};
use serde::Serialize;

use crate::cases::{Case, Setting, cases};
use crate::launch_lines::operations;
use crate::ours::random;
use crate::table::number;
use crate::timer::{Bench, BenchError, Work};

/// A product, measured with every tile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TileLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient` or `weight gradient`.
    pub operation: &'static str,
    /// The tile of the rule.
    pub rule: String,
    /// Seconds with the rule's tile.
    pub seconds: f64,
    /// Seconds with each tile.
    pub with: Vec<f64>,
}

impl TileLine {
    /// Seconds as milliseconds, the rule's first.
    pub fn cells(&self) -> Vec<String> {
        let times = std::iter::once(&self.seconds).chain(&self.with);
        let times = times.map(|seconds| number(seconds * 1e3, 3));
        [self.shape.clone(), self.operation.to_string()]
            .into_iter()
            .chain(times)
            .collect()
    }
}

/// A product with its operands, to be queued with a given tile or with the rule's.
type TiledProduct = Rc<dyn Fn(Option<Tile>)>;

fn convolution(device: &Device, shape: ConvShape, product: Product) -> TiledProduct {
    let ([height, width], [kh, kw]) = (shape.out_size(), shape.kernel);
    let [rows, columns] = shape.size;
    let input = [shape.batch, rows, columns, shape.inputs];
    let weight = [shape.outputs, shape.inputs, kh, kw];
    let output = [shape.batch, height, width, shape.outputs];
    let operands = match product {
        Product::Forward => [input, weight],
        Product::GradInput => [output, weight],
        Product::GradWeight => [input, output],
    };
    let operands = operands.map(|shape| random(shape, device));
    Rc::new(move |tile| drop(conv_with_tile(operands.clone(), shape, product, tile)))
}

fn linear(device: &Device, shape: LinearShape, product: Product) -> TiledProduct {
    let input = [shape.batch, shape.inputs];
    let weight = [shape.outputs, shape.inputs];
    let output = [shape.batch, shape.outputs];
    let operands = match product {
        Product::Forward => [input, weight],
        Product::GradInput => [output, weight],
        Product::GradWeight => [input, output],
    };
    let operands = operands.map(|shape| random(shape, device));
    Rc::new(move |tile| drop(linear_with_tile(operands.clone(), shape, product, tile)))
}

/// In the order of [`operations`]; none where an operation is no product.
fn products(device: &Device, case: &Case) -> Vec<TiledProduct> {
    match case {
        Case::Conv(shape) => Product::ALL
            .map(|product| convolution(device, *shape, product))
            .to_vec(),
        Case::Linear(shape, weight) => {
            let products = weight.products().iter();
            products
                .map(|&product| linear(device, *shape, product))
                .collect()
        }
        Case::Norm(_) | Case::Pool(_) => Vec::new(),
    }
}

/// Measures every product with each tile of `all`, and hands each line over as soon as it is there.
///
/// # Errors
/// When a size is zero, the device has failed, or it has no tiles to choose among.
pub async fn tile_lines(
    bench: &Bench<'_>,
    setting: &Setting,
    all: &[Tile],
    mut on_line: impl FnMut(&TileLine),
) -> Result<(), BenchError> {
    setting.check()?;
    if !is_gpu(bench.device()) {
        return Err(BenchError::NoTiles);
    }
    let target = Target::of_adapter(Adapter::of_device(bench.device()));
    for case in cases(setting) {
        let products = products(bench.device(), &case);
        for ((operation, plan), product) in operations(&case, target).into_iter().zip(products) {
            let tiles = all.iter().copied().map(Some);
            let works = std::iter::once(None).chain(tiles).map(|tile| {
                let product = product.clone();
                Rc::new(move || product(tile)) as Work
            });
            let measured = bench.in_turn(&works.collect::<Vec<_>>()).await?;
            let mut times = measured.iter().map(|measured| measured.seconds);
            on_line(&TileLine {
                shape: case.name(),
                operation,
                rule: plan.cut.map_or_else(String::new, |cut| cut.to_string()),
                seconds: times.next().unwrap_or_default(),
                with: times.collect(),
            });
        }
    }
    Ok(())
}
