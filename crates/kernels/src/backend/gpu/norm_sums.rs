//! The sums of batch norm over parts of the rows. On a GPU the units of a cube share a part: neighbours take neighbouring
//! vectors of channels, and the rows of units take the rows of the part in turn. On an adapter that is a program, a unit has
//! a part alone, without shared memory and barriers.

use cubecl::prelude::*;

use super::bits::{not_below_zero, where_open};

/// The units of a cube: `lanes` along the vectors of a row, `tall` along rows. One along rows is alone: cubes are then
/// blocks of units without anything in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Team {
    pub lanes: u32,
    pub tall: u32,
}

impl Team {
    pub const ALONE: Self = Self { lanes: 1, tall: 1 };

    pub fn is_alone(&self) -> bool {
        self.tall == 1
    }
}

/// `[rows, across]` vectors, of which each team takes `part` rows.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Area {
    pub rows: u32,
    pub across: u32,
    pub part: u32,
}

/// What a unit works at: the vector at `place` of the rows `first`, `first + tall`, ... below `end`.
#[derive(CubeType)]
pub(super) struct Work {
    pub place: u32,
    pub part: u32,
    /// The first row of the part.
    pub begin: u32,
    pub first: u32,
    pub end: u32,
    /// Whether it is this unit that writes the sums of the part.
    pub leads: bool,
}

/// Units behind the last vector or the last part have no rows, and a place that can be loaded: they all come to the
/// barriers.
#[cube]
pub(super) fn work(s: &Area, #[comptime] team: Team) -> Work {
    let unit = ABSOLUTE_POS as u32;
    let alone = comptime!(team.is_alone());
    let part = if comptime!(alone) {
        unit / s.across
    } else {
        CUBE_POS_X
    };
    let place = if comptime!(alone) {
        unit - part * s.across
    } else {
        CUBE_POS_Y * comptime!(team.lanes) + UNIT_POS_X
    };
    let row = if comptime!(alone) {
        0u32.runtime()
    } else {
        UNIT_POS_Y
    };
    let begin = part * s.part;
    let has_rows = place < s.across && begin < s.rows;
    let end = select(has_rows, u32::min(begin + s.part, s.rows), 0u32);
    let begin = u32::min(begin, s.rows - 1);
    Work {
        place: u32::min(place, s.across - 1),
        part,
        begin,
        first: begin + row,
        end,
        leads: has_rows && row == 0,
    }
}

/// The sum of what the units of one lane bring, in the order of their rows; whole for the first of them.
#[cube]
fn folded<N: Size>(value: Vector<f32, N>, #[comptime] team: Team) -> Vector<f32, N> {
    if comptime!(team.is_alone()) {
        value
    } else {
        let lanes = comptime!(team.lanes);
        let units = comptime!((team.lanes * team.tall) as usize);
        let mut all = Shared::<[Vector<f32, N>]>::new_slice(units);
        all[(UNIT_POS_Y * lanes + UNIT_POS_X) as usize] = value;
        sync_cube();
        let mut sum = value;
        if UNIT_POS_Y == 0 {
            for row in 1..comptime!(team.tall) {
                sum += all[(row * lanes + UNIT_POS_X) as usize];
            }
        }
        sum
    }
}

/// Mean and sum of squares around it, over each part of the rows, as `[part][2][channels]`. Summed around the part's first
/// value, so that a large mean costs no digits.
#[cube(launch_unchecked)]
pub(super) fn statistics<E: Float, N: Size>(
    x: &[Vector<E, N>],
    parts: &mut [Vector<f32, N>],
    s: &Area,
    #[comptime] team: Team,
    #[define(E)] _element: ElemType,
) {
    let own = work(s, team);
    let shift = Vector::<f32, N>::cast_from(x[(own.begin * s.across + own.place) as usize]);
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut square = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let value = Vector::<f32, N>::cast_from(x[(row * s.across + own.place) as usize]);
        let apart = value - shift;
        sum += apart;
        square += apart * apart;
        row += comptime!(team.tall);
    }
    let sum = folded::<N>(sum, team);
    let square = folded::<N>(square, team);
    if own.leads {
        let count = f32::cast_from(own.end - own.begin);
        let mean = sum / Vector::new(count);
        let at = own.part * 2 * s.across + own.place;
        parts[at as usize] = shift + mean;
        // Only rounding makes it negative.
        parts[(at + s.across) as usize] = not_below_zero::<N>(square - sum * mean);
    }
}

/// Sums of g and of g (x - mean) over each part of the rows, as `[part][2][channels]`.
#[cube(launch_unchecked)]
pub(super) fn sums<E: Float, N: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    parts: &mut [Vector<f32, N>],
    s: &Area,
    #[comptime] team: Team,
    #[define(E)] _element: ElemType,
) {
    let own = work(s, team);
    let center = mean[own.place as usize];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let at = (row * s.across + own.place) as usize;
        let pulled = Vector::<f32, N>::cast_from(grad[at]);
        sum += pulled;
        product += pulled * (Vector::<f32, N>::cast_from(x[at]) - center);
        row += comptime!(team.tall);
    }
    let sum = folded::<N>(sum, team);
    let product = folded::<N>(product, team);
    if own.leads {
        let at = own.part * 2 * s.across + own.place;
        parts[at as usize] = sum;
        parts[(at + s.across) as usize] = product;
    }
}

/// The same behind ReLU, whose gradient in front of it is written: nothing where the output is zero.
#[cube(launch_unchecked)]
pub(super) fn masked_sums<E: Float, N: Size>(
    x: &[Vector<E, N>],
    output: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    masked: &mut [Vector<E, N>],
    parts: &mut [Vector<f32, N>],
    s: &Area,
    #[comptime] team: Team,
    #[define(E)] _element: ElemType,
) {
    let own = work(s, team);
    let center = mean[own.place as usize];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    let mut product = Vector::<f32, N>::new(0.0f32);
    let mut row = own.first;
    while row < own.end {
        let at = (row * s.across + own.place) as usize;
        let output = Vector::<f32, N>::cast_from(output[at]);
        let pulled = where_open::<N>(output, Vector::<f32, N>::cast_from(grad[at]));
        masked[at] = Vector::cast_from(pulled);
        sum += pulled;
        product += pulled * (Vector::<f32, N>::cast_from(x[at]) - center);
        row += comptime!(team.tall);
    }
    let sum = folded::<N>(sum, team);
    let product = folded::<N>(product, team);
    if own.leads {
        let at = own.part * 2 * s.across + own.place;
        parts[at as usize] = sum;
        parts[(at + s.across) as usize] = product;
    }
}
