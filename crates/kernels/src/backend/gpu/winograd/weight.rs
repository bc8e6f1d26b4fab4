//! What Winograd's way makes of a weight, and of its gradient's sums a weight: a unit takes the taps of one channel with
//! one vector of the others.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::direct::Direct;
use super::super::empty;
use super::super::tile::width;
use super::product::PLANES;

/// A weight `[out, in, 3, 3]` as planes of `[depth, columns]`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Pairs {
    depth: u32,
    columns: u32,
    /// Taps between neighbouring steps of the depth in the weight, and between neighbouring columns.
    step_apart: u32,
    column_apart: u32,
}

/// `G g G^T` of each pair of channels: `[plane][depth][columns]`. `turned` takes the kernel turned round, as the gradient
/// by the input meets it.
#[cube(launch_unchecked)]
fn spread_kernels<N: Size>(
    weight: &[f32],
    out: &mut [Vector<f32, N>],
    p: &Pairs,
    #[comptime] turned: bool,
) {
    let lanes = N::value();
    let unit = ABSOLUTE_POS as u32;
    let across = p.columns / comptime!(lanes as u32);
    let step = unit / across;
    if step >= p.depth {
        terminate!();
    }
    let column = (unit - step * across) * comptime!(lanes as u32);
    let from = step * p.step_apart + column * p.column_apart;
    let mut u = Array::<Vector<f32, N>>::new(16usize);
    #[unroll]
    for i in 0..3usize {
        #[unroll]
        for j in 0..3usize {
            let tap = comptime!((if turned { 8 - 3 * i - j } else { 3 * i + j }) as u32);
            let mut value = Vector::<f32, N>::new(0.0f32);
            #[unroll]
            for lane in 0..lanes {
                let at = from + lane as u32 * p.column_apart + tap;
                value.insert(lane, weight[at as usize]);
            }
            u[comptime!(4 * i + j)] = value;
        }
    }
    #[unroll]
    for j in 0..3usize {
        spread_kernel::<N>(&mut u, j, 4usize);
    }
    #[unroll]
    for i in 0..4usize {
        spread_kernel::<N>(&mut u, comptime!(4 * i), 1usize);
    }
    #[unroll]
    for plane in 0..16usize {
        out[(unit + plane as u32 * p.depth * across) as usize] = u[plane];
    }
}

/// A row of `G g`: g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2.
#[cube]
fn spread_kernel<N: Size>(
    g: &mut Array<Vector<f32, N>>,
    #[comptime] first: usize,
    #[comptime] apart: usize,
) {
    let half = Vector::<f32, N>::new(0.5f32);
    let (g0, g2) = (g[first], g[comptime!(first + 2 * apart)]);
    let g1 = g[comptime!(first + apart)];
    let outer = g0 + g2;
    g[comptime!(first + apart)] = (outer + g1) * half;
    g[comptime!(first + 2 * apart)] = (outer - g1) * half;
    g[comptime!(first + 3 * apart)] = g2;
}

/// `G^T m G` of each pair's sixteen sums, `[plane][in][out]`: the gradient `[out, in, 3, 3]`.
#[cube(launch_unchecked)]
fn join_kernels<N: Size>(planes: &[Vector<f32, N>], out: &mut [f32], inputs: u32, outputs: u32) {
    let lanes = N::value();
    let unit = ABSOLUTE_POS as u32;
    let across = outputs / comptime!(lanes as u32);
    let input = unit / across;
    if input >= inputs {
        terminate!();
    }
    let output = (unit - input * across) * comptime!(lanes as u32);
    let mut m = Array::<Vector<f32, N>>::new(16usize);
    #[unroll]
    for plane in 0..16usize {
        m[plane] = planes[(unit + plane as u32 * inputs * across) as usize];
    }
    #[unroll]
    for j in 0..4usize {
        join_kernel::<N>(&mut m, j, 4usize);
    }
    #[unroll]
    for i in 0..3usize {
        join_kernel::<N>(&mut m, comptime!(4 * i), 1usize);
        #[unroll]
        for j in 0..3usize {
            let value = m[comptime!(4 * i + j)];
            #[unroll]
            for lane in 0..lanes {
                let to = ((output + lane as u32) * inputs + input) * 9;
                out[(to + comptime!((3 * i + j) as u32)) as usize] = value.extract(lane);
            }
        }
    }
}

/// A row of `G^T m`: m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 + m3.
#[cube]
fn join_kernel<N: Size>(
    m: &mut Array<Vector<f32, N>>,
    #[comptime] first: usize,
    #[comptime] apart: usize,
) {
    let m1 = m[comptime!(first + apart)];
    let m2 = m[comptime!(first + 2 * apart)];
    let half = Vector::<f32, N>::new(0.5f32);
    let both = (m1 + m2) * half;
    m[first] += both;
    m[comptime!(first + apart)] = (m1 - m2) * half;
    m[comptime!(first + 2 * apart)] = both + m[comptime!(first + 3 * apart)];
}

/// `[plane][depth][columns]` of a weight, of the inputs by the outputs or, turned round, the other way.
pub(super) fn spread(weight: CubeTensor, [depth, columns]: [usize; 2], turned: bool) -> CubeTensor {
    let out = empty(&weight, vec![PLANES, depth, columns]);
    let (step, column) = match turned {
        false => (9, 9 * depth),
        true => (9 * columns, 9),
    };
    let pairs = PairsLaunch::new(depth as u32, columns as u32, step as u32, column as u32);
    let wide = width(columns);
    let [along, again] = Direct::cubes(depth * columns / wide);
    let client = weight.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last step return; the buffers have the lengths that depth and columns imply.
    unsafe {
        spread_kernels::launch_unchecked(
            &client,
            CubeCount::Static(along, again, 1),
            Direct::cube(),
            wide,
            weight.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            pairs,
            turned,
        );
    }
    out
}

/// `[out, in, 3, 3]` from the sums of each pair, `[plane][in][out]`.
pub(super) fn joined(planes: CubeTensor, [inputs, outputs]: [usize; 2]) -> CubeTensor {
    let out = empty(&planes, vec![outputs, inputs, 3, 3]);
    let wide = width(outputs);
    let [along, again] = Direct::cubes(inputs * outputs / wide);
    let client = planes.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last input return; the buffers have the lengths that inputs and outputs imply.
    unsafe {
        join_kernels::launch_unchecked(
            &client,
            CubeCount::Static(along, again, 1),
            Direct::cube(),
            wide,
            planes.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            inputs as u32,
            outputs as u32,
        );
    }
    out
}
