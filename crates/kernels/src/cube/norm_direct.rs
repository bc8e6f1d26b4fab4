//! Batch norm without shared memory, for adapters that are programs: a unit takes neighbouring channels of many rows, so
//! that what belongs to a channel is loaded and computed once, and a pass reads and writes each value once.

use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::direct::Direct;
use super::empty;
use super::norm_join::{Parts, joined_statistics, joined_sums};
use crate::choices::{Choice, bytes};
use crate::ops::SavedNorm;

/// Units that keep the threads of a processor busy.
const BUSY: usize = 512;
/// Rows of a unit, at least.
const ROWS: usize = 16;

/// Where a unit works: a vector's place among the channels, and rows.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Area {
    rows: u32,
    /// Vectors of a row.
    across: u32,
    /// Rows of a unit.
    part: u32,
}

/// Mean and sum of squares around it, over each part of the rows, as `[part][2][channels]`. Summed around the part's first
/// value, so that a large mean costs no digits.
#[cube(launch_unchecked)]
fn statistics<N: Size>(x: &[Vector<f32, N>], parts: &mut [Vector<f32, N>], s: &Area) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = unit - part * s.across;
    let begin = part * s.part;
    if begin >= s.rows {
        terminate!();
    }
    let end = u32::min(begin + s.part, s.rows);
    let shift = x[(begin * s.across + place) as usize];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut square = Vector::<f32, N>::new(0.0f32);
    for row in begin..end {
        let apart = x[(row * s.across + place) as usize] - shift;
        sum += apart;
        square += apart * apart;
    }
    let count = f32::cast_from(end - begin);
    let mean = sum / Vector::new(count);
    let at = part * 2 * s.across + place;
    parts[at as usize] = shift + mean;
    let spread = square - sum * mean;
    parts[(at + s.across) as usize] = max_or_nan::<N>(spread);
}

/// Nothing where it is negative, which only rounding makes it.
#[cube]
fn max_or_nan<N: Size>(value: Vector<f32, N>) -> Vector<f32, N> {
    let zero = Vector::new(0.0f32);
    select_many(value.less_than(&zero), zero, value)
}

#[cube(launch_unchecked)]
fn normalize<N: Size>(
    x: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    s: &Area,
    epsilon: f32,
    #[comptime] relu: bool,
) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = (unit - part * s.across) as usize;
    let begin = part * s.part;
    let end = u32::min(begin + s.part, s.rows);
    let scale = weight[place] / (variance[place] + Vector::new(epsilon)).sqrt();
    let (center, shift) = (mean[place], bias[place]);
    for row in begin..end {
        let at = (row * s.across) as usize + place;
        let value = (x[at] - center) * scale + shift;
        out[at] = activated::<N>(value, relu);
    }
}

#[cube(launch_unchecked)]
fn normalize_and_add<N: Size>(
    x: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    s: &Area,
    epsilon: f32,
    #[comptime] relu: bool,
) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = (unit - part * s.across) as usize;
    let begin = part * s.part;
    let end = u32::min(begin + s.part, s.rows);
    let scale = weight[place] / (variance[place] + Vector::new(epsilon)).sqrt();
    let (center, shift) = (mean[place], bias[place]);
    for row in begin..end {
        let at = (row * s.across) as usize + place;
        let value = (x[at] - center) * scale + shift + residual[at];
        out[at] = activated::<N>(value, relu);
    }
}

/// ReLU that lets a NaN pass.
#[cube]
fn activated<N: Size>(value: Vector<f32, N>, #[comptime] relu: bool) -> Vector<f32, N> {
    if comptime!(relu) {
        max_or_nan::<N>(value)
    } else {
        value
    }
}

/// Sums of g and of g (x - mean) over each part of the rows, as `[part][2][channels]`.
#[cube(launch_unchecked)]
fn sums<N: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    parts: &mut [Vector<f32, N>],
    s: &Area,
) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = unit - part * s.across;
    let begin = part * s.part;
    if begin >= s.rows {
        terminate!();
    }
    let end = u32::min(begin + s.part, s.rows);
    let center = mean[place as usize];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    for row in begin..end {
        let at = (row * s.across + place) as usize;
        let pulled = grad[at];
        sum += pulled;
        product += pulled * (x[at] - center);
    }
    let at = part * 2 * s.across + place;
    parts[at as usize] = sum;
    parts[(at + s.across) as usize] = product;
}

/// The same behind ReLU, whose gradient in front of it is written: nothing where the output is zero or less.
#[cube(launch_unchecked)]
fn masked_sums<N: Size>(
    x: &[Vector<f32, N>],
    output: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    masked: &mut [Vector<f32, N>],
    parts: &mut [Vector<f32, N>],
    s: &Area,
) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = unit - part * s.across;
    let begin = part * s.part;
    if begin >= s.rows {
        terminate!();
    }
    let end = u32::min(begin + s.part, s.rows);
    let center = mean[place as usize];
    let zero = Vector::<f32, N>::new(0.0f32);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    for row in begin..end {
        let at = (row * s.across + place) as usize;
        let pulled = select_many(output[at].less_equal(&zero), zero, grad[at]);
        masked[at] = pulled;
        sum += pulled;
        product += pulled * (x[at] - center);
    }
    let at = part * 2 * s.across + place;
    parts[at as usize] = sum;
    parts[(at + s.across) as usize] = product;
}

#[cube(launch_unchecked)]
fn input_gradient<N: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    factors: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    s: &Area,
) {
    let unit = ABSOLUTE_POS as u32;
    let part = unit / s.across;
    let place = (unit - part * s.across) as usize;
    let begin = part * s.part;
    let end = u32::min(begin + s.part, s.rows);
    let width = s.across as usize;
    let own = factors[place];
    let pull = factors[place + width];
    let shift = factors[place + 2 * width];
    let center = mean[place];
    for row in begin..end {
        let at = (row * s.across) as usize + place;
        out[at] = own * grad[at] - (x[at] - center) * pull - shift;
    }
}

/// How `[rows, channels]` are shared out.
struct Cut {
    rows: usize,
    channels: usize,
    /// Values of a load.
    width: usize,
    /// Rows of a unit, and units along them.
    part: usize,
    parts: usize,
}

impl Cut {
    /// The rule: as few units as keep all threads busy, because each loads what belongs to its channels.
    fn of(rows: usize, channels: usize) -> Self {
        let width = if channels.is_multiple_of(4) { 4 } else { 1 };
        let wanted = BUSY.div_ceil(channels / width);
        let part = rows.div_ceil(wanted).max(ROWS);
        Self {
            rows,
            channels,
            width,
            part,
            parts: rows.div_ceil(part),
        }
    }

    fn cubes(&self) -> [u32; 2] {
        Direct::cubes(self.parts * self.channels / self.width)
    }

    fn count(&self) -> CubeCount {
        let [along, again] = self.cubes();
        CubeCount::Static(along, again, 1)
    }

    fn area(&self) -> AreaLaunch {
        AreaLaunch::new(
            self.rows as u32,
            (self.channels / self.width) as u32,
            self.part as u32,
        )
    }

    fn joined(&self) -> Parts {
        Parts {
            rows: self.rows,
            channels: self.channels,
            part: self.part,
            count: self.parts,
        }
    }
}

/// What the launches of [`norm`] and of [`norm_grad`] cost.
pub(crate) fn choices(rows: usize, channels: usize, residual: bool, relu: bool) -> [Choice; 2] {
    let cut = Cut::of(rows, channels);
    let (len, of_parts) = (rows * channels, 2 * cut.parts * channels);
    let each = cut.parts * channels;
    let [along, again] = cut.cubes();
    let (more, masks) = (usize::from(residual), usize::from(relu));
    let choice = |values, minimum| Choice {
        tile: String::new(),
        cubes: along as usize * again as usize,
        parts: cut.parts,
        dispatches: 3,
        bytes: Some(bytes(values)),
        minimum: bytes(minimum),
        multiply_adds: 0,
    };
    // The first value of a part is loaded twice; the second pass loads what belongs to each unit's channels.
    let forward = len + each + 2 * of_parts + 2 * channels + (2 + more) * len + 4 * each;
    let backward = (2 + 2 * masks) * len + each + 2 * of_parts + 7 * channels + 3 * len + 4 * each;
    [
        choice(forward, (2 + more) * len),
        choice(backward, (3 + masks + masks * more) * len),
    ]
}

/// See [`crate::ops::Kernels::norm`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm(
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    residual: Option<CubeTensor>,
    relu: bool,
    epsilon: f32,
) -> [CubeTensor; 3] {
    let x = into_contiguous(x);
    let [rows, channels] = x.meta.shape().dims();
    let cut = Cut::of(rows, channels);
    let client = x.client.clone();
    let parts = empty(&x, vec![cut.parts, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let (weight, bias) = (into_contiguous(weight), into_contiguous(bias));
    // SAFETY: units whose rows begin behind the last return or have no rows; the buffers have the lengths that rows and
    // channels imply.
    unsafe {
        statistics::launch_unchecked(
            &client,
            cut.count(),
            Direct::cube(),
            cut.width,
            x.clone().into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            cut.area(),
        );
    }
    let [mean, variance] = joined_statistics(parts, cut.joined());
    // SAFETY: as above.
    unsafe {
        match residual {
            Some(residual) => normalize_and_add::launch_unchecked(
                &client,
                cut.count(),
                Direct::cube(),
                cut.width,
                x.into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                variance.clone().into_buffer_arg(),
                weight.into_buffer_arg(),
                bias.into_buffer_arg(),
                into_contiguous(residual).into_buffer_arg(),
                out.clone().into_buffer_arg(),
                cut.area(),
                epsilon,
                relu,
            ),
            None => normalize::launch_unchecked(
                &client,
                cut.count(),
                Direct::cube(),
                cut.width,
                x.into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                variance.clone().into_buffer_arg(),
                weight.into_buffer_arg(),
                bias.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                cut.area(),
                epsilon,
                relu,
            ),
        }
    }
    [out, mean, variance]
}

/// See [`crate::ops::Kernels::norm_grad`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm_grad(saved: SavedNorm<CubeBackend>, grad: CubeTensor) -> [CubeTensor; 4] {
    let (x, mut grad) = (into_contiguous(saved.x), into_contiguous(grad));
    let [rows, channels] = x.meta.shape().dims();
    let cut = Cut::of(rows, channels);
    let client = x.client.clone();
    let parts = empty(&x, vec![cut.parts, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let mean = into_contiguous(saved.mean);
    // SAFETY: as in `norm`.
    unsafe {
        match saved.output {
            Some(output) => {
                let masked = empty(&x, vec![rows, channels]);
                masked_sums::launch_unchecked(
                    &client,
                    cut.count(),
                    Direct::cube(),
                    cut.width,
                    x.clone().into_buffer_arg(),
                    into_contiguous(output).into_buffer_arg(),
                    grad.into_buffer_arg(),
                    mean.clone().into_buffer_arg(),
                    masked.clone().into_buffer_arg(),
                    parts.clone().into_buffer_arg(),
                    cut.area(),
                );
                grad = masked;
            }
            None => sums::launch_unchecked(
                &client,
                cut.count(),
                Direct::cube(),
                cut.width,
                x.clone().into_buffer_arg(),
                grad.clone().into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                parts.clone().into_buffer_arg(),
                cut.area(),
            ),
        }
    }
    let of_channel = (saved.weight, saved.variance);
    let [grad_weight, grad_bias, factors] =
        joined_sums(parts, of_channel, cut.joined(), saved.epsilon as f32);
    // SAFETY: as in `norm`.
    unsafe {
        input_gradient::launch_unchecked(
            &client,
            cut.count(),
            Direct::cube(),
            cut.width,
            x.into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            mean.into_buffer_arg(),
            factors.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            cut.area(),
        );
    }
    [out, grad_weight, grad_bias, grad]
}
