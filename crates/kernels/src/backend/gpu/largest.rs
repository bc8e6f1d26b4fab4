//! The k largest values of each row of a matrix whose columns come block by block. The best so far stay on the GPU: instead of
//! four bytes a value, eight a row and k are read once, at the end.
//!
//! A workgroup takes a row. It finds the k-th largest of the best so far and the block's values bit by bit, by counting those
//! that are no smaller, and then keeps them in the order of their columns, so that of equal values the earlier stays.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_std::ExecutionError;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::tensors::empty;

/// How the invocations of a workgroup add what each has: `parts` of them add `each` neighbours, then all add the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Workgroup {
    each: u32,
    parts: u32,
}

impl Workgroup {
    /// A software adapter runs a workgroup on one core, and suspends it at every barrier.
    fn of(adapter: Adapter) -> Self {
        match adapter {
            Adapter::Gpu => Self {
                each: 16,
                parts: 16,
            },
            Adapter::Software => Self { each: 8, parts: 1 },
        }
    }

    fn invocations(self) -> u32 {
        self.each * self.parts
    }
}

/// What a row has: `count` best so far, behind them their columns, and `columns` values, the first of which is column `first`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Row {
    count: u32,
    columns: u32,
    first: u32,
}

/// An integer in the order of finite values, above zero. Zero stands for none.
#[cube]
fn ranked(value: f32) -> u32 {
    let bits = u32::reinterpret(value);
    // Of +0 and -0 none is larger.
    let bits = select(bits == 0x8000_0000u32, 0u32, bits);
    let flipped = select(bits >= 0x8000_0000u32, 0xffff_ffffu32, 0x8000_0000u32);
    bits ^ flipped
}

/// Candidate number `at` of a row: those kept so far, then the values.
#[cube]
fn candidate(values: &[f32], best: &[u32], p: &Row, row: u32, at: u32) -> u32 {
    if at < p.count {
        best[(row * 2 * p.count + at) as usize]
    } else {
        ranked(values[(row * p.columns + at - p.count) as usize])
    }
}

/// The sums over neighbouring invocations, complete behind the barrier; an invocation that needs a sum of several adds them.
#[cube]
fn add_parts(
    own: &mut Shared<[u32]>,
    parts: &mut Shared<[u32]>,
    value: u32,
    #[comptime] group: Workgroup,
) {
    own[UNIT_POS_X as usize] = value;
    sync_cube();
    if UNIT_POS_X < comptime!(group.parts) {
        let mut sum = 0u32;
        for n in 0..comptime!(group.each) {
            sum += own[(UNIT_POS_X * comptime!(group.each) + n) as usize];
        }
        parts[UNIT_POS_X as usize] = sum;
    }
    sync_cube();
}

/// The sum of the first `end` parts.
#[cube]
fn sum_to(parts: &Shared<[u32]>, end: u32) -> u32 {
    let mut sum = 0u32;
    for n in 0..end {
        sum += parts[n as usize];
    }
    sum
}

/// The sum over the invocations before this one.
#[cube]
fn sum_before(own: &Shared<[u32]>, parts: &Shared<[u32]>, #[comptime] group: Workgroup) -> u32 {
    let part = UNIT_POS_X / comptime!(group.each);
    let mut sum = sum_to(parts, part);
    for at in (part * comptime!(group.each))..UNIT_POS_X {
        sum += own[at as usize];
    }
    sum
}

/// The next best of each row.
#[cube(launch_unchecked)]
fn keep_largest(
    values: &[f32],
    best: &[u32],
    next: &mut [u32],
    p: &Row,
    #[comptime] group: Workgroup,
) {
    let (each, all) = comptime!((group.parts, group.invocations()));
    let mut own = Shared::<[u32]>::new_slice(comptime!(group.invocations() as usize));
    let mut parts = Shared::<[u32]>::new_slice(comptime!(group.parts as usize));
    let row = CUBE_POS_X;
    let candidates = p.count + p.columns;

    // Of the candidates, `count` or more are no smaller than the least one kept. Where there are fewer it stays zero.
    let mut least = 0u32;
    let mut bit = 0x8000_0000u32;
    while bit > 0 {
        let tried = least | bit;
        let mut no_smaller = 0u32;
        let mut at = UNIT_POS_X;
        while at < candidates {
            let found = candidate(values, best, p, row, at);
            no_smaller += select(found >= tried, 1u32, 0u32);
            at += all;
        }
        add_parts(&mut own, &mut parts, no_smaller, group);
        least = select(sum_to(&parts, each) >= p.count, tried, least);
        bit >>= 1;
    }

    // Now an invocation takes neighbours, so that their order is known.
    let share = candidates.div_ceil(all);
    let begin = u32::min(UNIT_POS_X * share, candidates);
    let end = u32::min(begin + share, candidates);
    let mut larger = 0u32;
    let mut equal = 0u32;
    for at in begin..end {
        let found = candidate(values, best, p, row, at);
        larger += select(found > least, 1u32, 0u32);
        equal += select(found == least, 1u32, 0u32);
    }
    add_parts(&mut own, &mut parts, larger, group);
    let larger_before = sum_before(&own, &parts, group);
    let all_larger = sum_to(&parts, each);
    sync_cube();
    add_parts(&mut own, &mut parts, equal, group);
    let equal_before = sum_before(&own, &parts, group);

    // Equal ones are kept until there are enough.
    let wanted = select(least > 0, p.count - all_larger, 0u32);
    let mut place = larger_before + u32::min(equal_before, wanted);
    let mut equals = equal_before;
    let from = row * 2 * p.count;
    for at in begin..end {
        let found = candidate(values, best, p, row, at);
        let is_equal = found == least;
        if found > least || (is_equal && equals < wanted) {
            next[(from + place) as usize] = found;
            let mut column = p.first + at - p.count;
            if at < p.count {
                column = best[(from + p.count + at) as usize];
            }
            next[(from + p.count + place) as usize] = column;
            place += 1u32;
        }
        equals += select(is_equal, 1u32, 0u32);
    }
    // Places that are still free, where there are fewer candidates than are kept.
    let mut free = all_larger + wanted + UNIT_POS_X;
    while free < p.count {
        next[(from + free) as usize] = 0u32;
        next[(from + p.count + free) as usize] = 0u32;
        free += all;
    }
}

/// The selection as an extension of Burn's GPU backend. Integers are 32-bit words.
#[backend_extension(Cube)]
pub trait LargestOps: Backend {
    /// See [`Largest::add`].
    fn largest_add(
        best: IntTensor<Self>,
        values: FloatTensor<Self>,
        count: u32,
        first: u32,
    ) -> IntTensor<Self>;
}

impl LargestOps for CubeBackend {
    fn largest_add(best: CubeTensor, values: CubeTensor, count: u32, first: u32) -> CubeTensor {
        let values = into_contiguous(values);
        let [rows, columns] = values.meta.shape().dims();
        let next = empty(&best, best.meta.shape().to_vec());
        let group = Workgroup::of(Adapter::of_tensor(&values));
        let client = values.client.clone();
        #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
        // SAFETY: candidates are those of the row, of which there is one a workgroup; at most `count` are kept.
        unsafe {
            keep_largest::launch_unchecked(
                &client,
                CubeCount::Static(rows as u32, 1, 1),
                CubeDim::new_1d(group.invocations()),
                values.into_buffer_arg(),
                best.into_buffer_arg(),
                next.clone().into_buffer_arg(),
                RowLaunch::new(count, columns as u32, first),
                group,
            );
        }
        next
    }
}

/// A value of a row, and its column.
pub type InColumn = (u32, f32);

/// The `count` largest values of each of `rows` rows, of all the columns that have been added.
pub struct Largest {
    count: usize,
    rows: usize,
    columns: usize,
    words: Tensor<1, Int>,
}

impl Largest {
    /// Without columns yet. `device` is a GPU, which starts a workgroup a row: 65,535 at most.
    pub fn new([rows, count]: [usize; 2], device: &Device) -> Self {
        let none = vec![0u32; rows * 2 * count];
        let none = TensorData::new(none, [rows * 2 * count]);
        Self {
            count,
            rows,
            columns: 0,
            words: Tensor::from_data(none, (device, DType::U32)),
        }
    }

    /// Bytes of what is kept.
    pub fn bytes([rows, count]: [usize; 2]) -> u64 {
        8 * (rows * count) as u64
    }

    /// Adds columns behind those before: `values` `[rows, columns]` of f32, finite ones.
    ///
    /// # Panics
    /// When the rows differ in number, or there is no GPU.
    pub fn add(&mut self, values: Tensor<2>) {
        let [rows, columns] = values.dims();
        assert!(
            rows == self.rows,
            "{rows} rows behind columns of {}",
            self.rows
        );
        let first = self.columns as u32;
        self.columns += columns;
        let best = Dispatch::largest_add(
            self.words.clone().into_dispatch(),
            values.into_dispatch(),
            self.count as u32,
            first,
        );
        self.words = Tensor::from_dispatch(best);
    }

    /// The largest of each row in the order of their columns: `count`, or all where there are fewer. Of equal ones the earlier
    /// are taken. +0 and -0 are equal, and become +0.
    ///
    /// # Errors
    /// When the device has failed.
    pub async fn read(self) -> Result<Vec<Vec<InColumn>>, ExecutionError> {
        let data = self.words.into_data_async().await?;
        Ok(unpacked(&data, self.count))
    }

    /// [`Largest::read`] where a thread may wait for the device, as in a browser none may.
    ///
    /// # Panics
    /// When the device has failed.
    pub fn into_rows(self) -> Vec<Vec<InColumn>> {
        unpacked(&self.words.into_data(), self.count)
    }
}

/// What the words of every row stand for.
fn unpacked(words: &TensorData, count: usize) -> Vec<Vec<InColumn>> {
    let words = words.as_slice::<u32>().unwrap_or_default();
    let of_row = |row: &[u32]| {
        let (ranks, columns) = row.split_at(count);
        let found = columns.iter().zip(ranks).filter(|&(_, &rank)| rank > 0);
        found
            .map(|(&column, &rank)| (column, value(rank)))
            .collect()
    };
    words.chunks_exact(2 * count).map(of_row).collect()
}

/// The value that `ranked` made an integer of.
fn value(rank: u32) -> f32 {
    let flipped = match rank >> 31 {
        1 => 0x8000_0000,
        _ => 0xffff_ffff,
    };
    f32::from_bits(rank ^ flipped)
}
