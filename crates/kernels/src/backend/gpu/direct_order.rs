//! A weight in the order in which a product takes it, for adapters that are programs: Burn's copy computes four divisions a
//! value there, which takes longer than some products.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::direct::Direct;
use super::empty;
use super::tile::width;
use crate::shape::ConvShape;

/// From `[out, in, kernel, kernel]` to `[tap, depth, columns]`: a unit takes neighbouring columns of one step of the sum
/// through all taps.
#[cube(launch_unchecked)]
fn reorder<M: Size>(
    weight: &[f32],
    out: &mut [Vector<f32, M>],
    depth: u32,
    columns: u32,
    taps: u32,
    step_depth: u32,
    step_column: u32,
) {
    let wide = M::value();
    let unit = ABSOLUTE_POS as u32;
    let across = columns / wide as u32;
    let step = unit / across;
    if step >= depth {
        terminate!();
    }
    let place = unit - step * across;
    let from = step * step_depth + place * wide as u32 * step_column;
    for tap in 0..taps {
        let mut value = Vector::<f32, M>::new(0.0f32);
        #[unroll]
        for lane in 0..wide {
            let at = from + lane as u32 * step_column + tap;
            value.insert(lane, weight[at as usize]);
        }
        out[((tap * depth + step) * across + place) as usize] = value;
    }
}

/// The weight with its columns last: the outputs for the convolution itself, the inputs for its gradient.
pub(super) fn ordered(weight: CubeTensor, shape: &ConvShape, forward: bool) -> CubeTensor {
    let weight = into_contiguous(weight);
    let taps = shape.kernel[0] * shape.kernel[1];
    let (of_input, of_output) = (taps, taps * shape.inputs);
    let ([depth, columns], [step_depth, step_column]) = match forward {
        true => ([shape.inputs, shape.outputs], [of_input, of_output]),
        false => ([shape.outputs, shape.inputs], [of_output, of_input]),
    };
    let out = empty(&weight, vec![taps, depth, columns]);
    let wide = width(columns);
    let [along, again] = Direct::cubes(depth * columns / wide);
    let client = weight.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last step return; the buffers have the lengths that depth, columns and taps imply.
    unsafe {
        reorder::launch_unchecked(
            &client,
            CubeCount::Static(along, again, 1),
            Direct::cube(),
            wide,
            weight.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            depth as u32,
            columns as u32,
            taps as u32,
            step_depth as u32,
            step_column as u32,
        );
    }
    out
}
