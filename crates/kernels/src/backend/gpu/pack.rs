//! Weights of many convolutions in the orders that the products take, in one launch for as many as the device binds: forward
//! with the output channels last, for the input gradient with the input channels last.
//!
//! A workgroup moves a square of a weight's matrix, whose rows are output channels and whose columns are input channels and
//! taps, through shared memory, so that it reads and writes neighbours.

use burn::backend::{Backend, backend_extension};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::linear_launch;
use super::tensors::{empty_of, storage};
use super::update::MOST;
use crate::ops::Many;

/// Side of a square.
const SIDE: u32 = 32;
/// Invocations of a workgroup along the rows of a square.
const DOWN: u32 = 8;

/// A weight's workgroups, from `first` to before `end`, of which `across` lie along its columns.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Squares {
    first: u32,
    end: u32,
    across: u32,
    outputs: u32,
    inputs: u32,
    taps: u32,
}

/// Where a workgroup's square begins in a weight.
#[derive(CubeType)]
struct Corner {
    inside: bool,
    row: u32,
    column: u32,
}

#[cube]
fn corner(of: &Squares) -> Corner {
    let group = CUBE_POS as u32;
    let square = group - of.first;
    let down = square / of.across;
    Corner {
        inside: group >= of.first && group < of.end,
        row: down * SIDE,
        column: (square - down * of.across) * SIDE,
    }
}

/// `[out][in, tap]` to `[tap, in][out]`, and to `[tap, out][in]` where `gradients` gives a place for it.
#[allow(
    clippy::needless_range_loop,
    reason = "the loop is unrolled over tensors, of which places are a part"
)]
#[cube(launch_unchecked)]
fn pack_weights_of<E: Float>(
    weights: &Sequence<Box<[f32]>>,
    forward: &mut Sequence<Box<[E]>>,
    gradients: &mut Sequence<Box<[E]>>,
    squares: &Sequence<Squares>,
    #[comptime] places: Vec<Option<usize>>,
    #[define(E)] _element: ElemType,
) {
    // A column more, so that neighbours of a column lie in other banks.
    let pitch = comptime!(SIDE + 1);
    let mut square = Shared::<[f32]>::new_slice(comptime!((SIDE * (SIDE + 1)) as usize));
    let count = comptime!(squares.len());
    #[unroll]
    for n in 0..count {
        let of = squares.index(n);
        let from = corner(of);
        let depth = of.inputs * of.taps;
        if from.inside {
            #[unroll]
            for step in 0..comptime!(SIDE / DOWN) {
                let y = UNIT_POS_Y + step * DOWN;
                let (row, column) = (from.row + y, from.column + UNIT_POS_X);
                if row < of.outputs && column < depth {
                    let value = weights.index(n)[(row * depth + column) as usize];
                    square[(y * pitch + UNIT_POS_X) as usize] = value;
                }
            }
        }
    }
    sync_cube();
    #[unroll]
    for n in 0..count {
        let of = squares.index(n);
        let from = corner(of);
        let depth = of.inputs * of.taps;
        if from.inside {
            #[unroll]
            for step in 0..comptime!(SIDE / DOWN) {
                let y = UNIT_POS_Y + step * DOWN;
                let (row, column) = (from.row + UNIT_POS_X, from.column + y);
                if row < of.outputs && column < depth {
                    let channel = column / of.taps;
                    let tap = column - channel * of.taps;
                    let at = (tap * of.inputs + channel) * of.outputs + row;
                    let value = square[(UNIT_POS_X * pitch + y) as usize];
                    forward.index_mut(n)[at as usize] = E::cast_from(value);
                }
            }
            if comptime!(places[n].is_some()) {
                let place = comptime!(places[n].unwrap_or(0));
                #[unroll]
                for step in 0..comptime!(SIDE / DOWN) {
                    let y = UNIT_POS_Y + step * DOWN;
                    let (row, column) = (from.row + y, from.column + UNIT_POS_X);
                    if row < of.outputs && column < depth {
                        let channel = column / of.taps;
                        let tap = column - channel * of.taps;
                        let at = (tap * of.outputs + row) * of.inputs + channel;
                        let value = square[(y * pitch + UNIT_POS_X) as usize];
                        gradients.index_mut(place)[at as usize] = E::cast_from(value);
                    }
                }
            }
        }
    }
}

/// Packing as an extension of Burn's GPU backend.
#[backend_extension(Cube)]
pub trait PackOps: Backend {
    /// For the convolution and for the input gradient, the latter only if `gradients`, in `dtype`.
    fn pack_weights(
        #[extension_type] weights: Many<Self>,
        dtype: DType,
        gradients: bool,
    ) -> (Many<Self>, Many<Self>);
}

impl PackOps for CubeBackend {
    fn pack_weights(
        weights: Many<Self>,
        dtype: DType,
        gradients: bool,
    ) -> (Many<Self>, Many<Self>) {
        let packed = packed(weights.0, dtype, gradients);
        let (forward, gradient) = packed.into_iter().map(<(_, _)>::from).unzip();
        (Many(forward), Many(gradient))
    }
}

fn packed(weights: Vec<CubeTensor>, dtype: DType, gradients: bool) -> Vec<[CubeTensor; 2]> {
    let weights: Vec<CubeTensor> = weights.into_iter().map(into_contiguous).collect();
    let Some(first) = weights.first() else {
        return Vec::new();
    };
    let bindings = first.client.properties().hardware.max_bindings as usize;
    let most = (bindings / 3).clamp(1, MOST);
    let mut packed = Vec::new();
    for weights in weights.chunks(most) {
        packed.extend(launch(weights, dtype, gradients));
    }
    packed
}

fn launch(weights: &[CubeTensor], dtype: DType, gradients: bool) -> Vec<[CubeTensor; 2]> {
    let (mut forward, mut squares, mut of_gradients) = (Vec::new(), Vec::new(), Vec::new());
    let (mut places, mut workgroups) = (Vec::new(), 0);
    for weight in weights {
        let [outputs, inputs, height, width] = weight.meta.shape().dims();
        let taps = height * width;
        let across = (inputs * taps).div_ceil(SIDE as usize);
        let begin = workgroups;
        workgroups += across * outputs.div_ceil(SIDE as usize);
        squares.push(SquaresLaunch::new(
            begin as u32,
            workgroups as u32,
            across as u32,
            outputs as u32,
            inputs as u32,
            taps as u32,
        ));
        forward.push(empty_of(
            dtype,
            weight,
            vec![height, width, inputs, outputs],
        ));
        // One tap's order is the weight's own.
        let own = taps > 1 || dtype != weight.dtype;
        places.push((gradients && own).then_some(of_gradients.len()));
        if gradients && own {
            of_gradients.push(empty_of(
                dtype,
                weight,
                vec![height, width, outputs, inputs],
            ));
        }
    }
    let stored = storage(&forward[0]);
    let client = weights[0].client.clone();
    let (count, _) = linear_launch(workgroups * (SIDE * DOWN) as usize);
    let buffers = |tensors: &[CubeTensor]| {
        let arg = |tensor: &CubeTensor| tensor.clone().into_buffer_arg();
        tensors.iter().map(arg).collect::<Vec<_>>()
    };
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: places are of rows and columns of a weight.
    unsafe {
        pack_weights_of::launch_unchecked(
            &client,
            count,
            CubeDim::new_2d(SIDE, DOWN),
            buffers(weights).into_iter().collect(),
            buffers(&forward).into_iter().collect(),
            buffers(&of_gradients).into_iter().collect(),
            squares.into_iter().collect(),
            places.clone(),
            stored,
        );
    }
    let of = |((weight, forward), place): ((&CubeTensor, CubeTensor), Option<usize>)| {
        // `[out, in, height, width]`, as it lies in memory.
        let forward = permute(forward, &[3, 2, 0, 1]);
        let gradient = match place {
            Some(place) => permute(of_gradients[place].clone(), &[2, 3, 0, 1]),
            None if gradients => weight.clone(),
            None => forward.clone(),
        };
        [forward, gradient]
    };
    weights.iter().zip(forward).zip(places).map(of).collect()
}
