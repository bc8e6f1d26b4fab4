//! Separable resampling on a GPU: an invocation computes a few channels of an output pixel, and in the gradient of an input
//! pixel, which gathers from the regions that have taps on it in their order. No atomics, so that sums have one order.

use burn::backend::ops::FloatTensorOps as _;
use burn::tensor::TensorData;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::linear_launch;
use super::tensors::{self, empty};
use super::tile::load_width;
use crate::sampling::{Sampling, Transposed};

/// Where the lists of taps along an axis begin.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct TapLists {
    starts: u32,
    index: u32,
    /// In the weights.
    weight: u32,
}

#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Sizes {
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    /// Vectors of a pixel.
    across: u32,
    /// Vectors that the launch writes.
    len: u32,
    /// 1 where each region has a list of its own, 0 where all have the first.
    own_lists: u32,
}

/// `words` begin with the image of each region.
#[cube(launch_unchecked)]
fn sample_regions<N: Size>(
    x: &[Vector<f32, N>],
    words: &[u32],
    weights: &[f32],
    out: &mut [Vector<f32, N>],
    p: &Sizes,
    rows: &TapLists,
    columns: &TapLists,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let pixel = at / p.across;
    let vector = at - pixel * p.across;
    let line = pixel / p.out_x;
    let region = line / p.out_y;
    let list = region * p.own_lists;
    let row = rows.starts + list * p.out_y + line - region * p.out_y;
    let column = columns.starts + list * p.out_x + pixel - line * p.out_x;
    let image = words[region as usize] * p.size_y;
    let begin = words[column as usize];
    let end = words[column as usize + 1];
    let mut sum = Vector::<f32, N>::new(0.0f32);
    for i in words[row as usize]..words[row as usize + 1] {
        let y = (image + words[(rows.index + i) as usize]) * p.size_x;
        let mut line = Vector::<f32, N>::new(0.0f32);
        for j in begin..end {
            let from = (y + words[(columns.index + j) as usize]) * p.across + vector;
            line += x[from as usize] * Vector::new(weights[(columns.weight + j) as usize]);
        }
        sum += line * Vector::new(weights[(rows.weight + i) as usize]);
    }
    out[at as usize] = sum;
}

/// Where the lists of reached output pixels along an axis begin.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct ReachedLists {
    /// First input pixel of each list.
    first: u32,
    /// One past its last.
    end: u32,
    /// Where each list begins in the starts.
    lists: u32,
    starts: u32,
    index: u32,
    /// In the weights.
    weight: u32,
}

/// `words` begin with where the regions of each row of each image begin, and those `regions`.
#[cube(launch_unchecked)]
fn gather_regions<N: Size>(
    grad: &[Vector<f32, N>],
    words: &[u32],
    weights: &[f32],
    input: &mut [Vector<f32, N>],
    p: &Sizes,
    regions: u32,
    rows: &ReachedLists,
    columns: &ReachedLists,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let pixel = at / p.across;
    let vector = at - pixel * p.across;
    let line = pixel / p.size_x;
    let x = pixel - line * p.size_x;
    let y = line % p.size_y;
    let mut sum = Vector::<f32, N>::new(0.0f32);
    for place in words[line as usize]..words[line as usize + 1] {
        let region = words[(regions + place) as usize];
        let list = region * p.own_lists;
        let first = words[(columns.first + list) as usize];
        if x >= first && x < words[(columns.end + list) as usize] {
            let column = columns.starts + words[(columns.lists + list) as usize] + x - first;
            let begin = words[column as usize];
            let end = words[column as usize + 1];
            let top = words[(rows.first + list) as usize];
            let row = rows.starts + words[(rows.lists + list) as usize] + y - top;
            for i in words[row as usize]..words[row as usize + 1] {
                let from = (region * p.out_y + words[(rows.index + i) as usize]) * p.out_x;
                let mut line = Vector::<f32, N>::new(0.0f32);
                for j in begin..end {
                    let from = (from + words[(columns.index + j) as usize]) * p.across + vector;
                    let weight = weights[(columns.weight + j) as usize];
                    line += grad[from as usize] * Vector::new(weight);
                }
                sum += line * Vector::new(weights[(rows.weight + i) as usize]);
            }
        }
    }
    input[at as usize] = sum;
}

/// Lists in one buffer.
#[derive(Default)]
struct Words(Vec<u32>);

impl Words {
    /// Appends a list and says where it begins.
    fn put(&mut self, list: impl IntoIterator<Item = u32>) -> u32 {
        let begin = self.0.len() as u32;
        self.0.extend(list);
        begin
    }
}

/// The weights of both axes in one buffer.
fn upload_weights([rows, columns]: [&[f32]; 2], like: &CubeTensor) -> CubeTensor {
    let mut weights = [rows, columns].concat();
    if weights.is_empty() {
        // A binding has a size, although no list reads it.
        weights.push(0.0);
    }
    let length = [weights.len()];
    CubeBackend::float_from_data(TensorData::new(weights, length), &like.device)
}

fn sizes(sampling: &Sampling, across: usize, vectors: usize) -> SizesLaunch {
    SizesLaunch::new(
        sampling.size[0] as u32,
        sampling.size[1] as u32,
        sampling.output[0] as u32,
        sampling.output[1] as u32,
        across as u32,
        vectors as u32,
        u32::from(!sampling.shared),
    )
}

/// See [`crate::ops::Kernels::sample`].
pub(crate) fn sample(x: CubeTensor, sampling: &Sampling) -> CubeTensor {
    let x = into_contiguous(x);
    let channels = x.meta.shape()[3];
    let ([height, width], width_of_loads) = (sampling.output, load_width(channels));
    let pixels = sampling.regions() * height * width;
    let across = channels / width_of_loads;
    let mut words = Words::default();
    words.put(sampling.images.iter().copied());
    let [rows, columns] = &sampling.taps;
    let mut lists = |taps: &crate::sampling::Taps, weight: usize| {
        TapListsLaunch::new(
            words.put(taps.starts.iter().copied()),
            words.put(taps.index.iter().copied()),
            weight as u32,
        )
    };
    let (row_lists, column_lists) = (lists(rows, 0), lists(columns, rows.weight.len()));
    let words = tensors::words(words.0, &x);
    let weights = upload_weights([&rows.weight, &columns.weight], &x);
    let out = empty(&x, vec![sampling.regions(), height, width, channels]);
    let client = x.client.clone();
    let (workgroups, size) = linear_launch(pixels * across);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: stores stay behind `at < len`; every tap is a pixel of an image.
    unsafe {
        sample_regions::launch_unchecked(
            &client,
            workgroups,
            size,
            width_of_loads,
            x.into_buffer_arg(),
            words.into_buffer_arg(),
            weights.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            sizes(sampling, across, pixels * across),
            row_lists,
            column_lists,
        );
    }
    out
}

/// See [`crate::ops::Kernels::sample_grad`].
pub(crate) fn sample_grad(grad: CubeTensor, sampling: &Sampling) -> CubeTensor {
    let grad = into_contiguous(grad);
    let channels = grad.meta.shape()[3];
    let ([height, width], width_of_loads) = (sampling.size, load_width(channels));
    let pixels = sampling.batch * height * width;
    let across = channels / width_of_loads;
    let transposed = Transposed::new(sampling);
    let mut words = Words::default();
    words.put(transposed.starts.iter().copied());
    let regions = words.put(transposed.regions.iter().copied());
    let [rows, columns] = &transposed.reached;
    let mut lists = |reached: &crate::sampling::Reached, weight: usize| {
        let ends = || reached.support.iter().map(|support| support.end as u32);
        ReachedListsLaunch::new(
            words.put(reached.support.iter().map(|support| support.start as u32)),
            words.put(ends()),
            words.put(reached.lists.iter().copied()),
            words.put(reached.starts.iter().copied()),
            words.put(reached.index.iter().copied()),
            weight as u32,
        )
    };
    let (row_lists, column_lists) = (lists(rows, 0), lists(columns, rows.weight.len()));
    let words = tensors::words(words.0, &grad);
    let weights = upload_weights([&rows.weight, &columns.weight], &grad);
    let input = empty(&grad, vec![sampling.batch, height, width, channels]);
    let client = grad.client.clone();
    let (workgroups, size) = linear_launch(pixels * across);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: stores stay behind `at < len`; every entry is a pixel of a region, and a region of a row has that row.
    unsafe {
        gather_regions::launch_unchecked(
            &client,
            workgroups,
            size,
            width_of_loads,
            grad.into_buffer_arg(),
            words.into_buffer_arg(),
            weights.into_buffer_arg(),
            input.clone().into_buffer_arg(),
            sizes(sampling, across, pixels * across),
            regions,
            row_lists,
            column_lists,
        );
    }
    input
}
