//! What the ranks of a run share in a step: gradients, the figures and keys of the whole batch, running statistics.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData, Transaction};
use half::f16;
use parallax_kernels::gather_rows;
use parallax_methods::PartsMut;
use parallax_nets::names::{self, Map, Visit, is_buffer};
use parallax_ranks::{Ranks, RanksError};

use crate::classifier::ClassifierPass;
use crate::error::RunError;
use crate::gradient_dtype::GradientDtype;
use crate::gradients::ParamGradients;
use crate::run::Run;

/// Values of a bucket: gradients travel in buckets, which bounds the memory for them.
const BUCKET: usize = 4 << 20;

/// What the sums of f16 gradients may reach at most, less than the largest f16.
const LARGEST: f32 = 32768.0;

impl ParamGradients {
    /// Replaces every gradient by its sum over all ranks, added in rank order.
    ///
    /// # Errors
    /// When the device fails or another rank has ended.
    pub(crate) async fn share(
        &mut self,
        ranks: Ranks,
        dtype: GradientDtype,
        device: &Device,
    ) -> Result<(), RunError> {
        if ranks.is_one() {
            return Ok(());
        }
        let tensors = std::mem::take(&mut self.0);
        let (names, tensors): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        let sums = summed(tensors, ranks, dtype, device).await?;
        self.0 = names.into_iter().zip(sums).collect();
        Ok(())
    }
}

/// The sums of vectors over all ranks. All are read from the device at once.
async fn summed(
    tensors: Vec<Tensor<1>>,
    ranks: Ranks,
    dtype: GradientDtype,
    device: &Device,
) -> Result<Vec<Tensor<1>>, RunError> {
    let Vectors {
        lengths,
        double,
        mut read,
    } = Vectors::read(tensors).await?;
    let mut sums = Vec::with_capacity(lengths.len());
    let mut rest = lengths.as_slice();
    while !rest.is_empty() {
        let mut values = 0;
        let fits = |&&length: &&usize| {
            values += length;
            values <= BUCKET
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let own: Vec<TensorData> = read.drain(..count).collect();
        let lengths = &rest[..count];
        rest = &rest[count..];
        let uploaded = match (double, dtype) {
            (true, _) => parts(&ranks.sum(joined::<f64>(own))?, lengths, device),
            (false, GradientDtype::F32) => parts(&ranks.sum(joined::<f32>(own))?, lengths, device),
            (false, GradientDtype::F16) => {
                let own = own.into_iter().map(|data| joined::<f32>(vec![data]));
                parts(&summed_f16(own.collect(), ranks)?, lengths, device)
            }
        };
        sums.extend(uploaded);
    }
    Ok(sums)
}

/// Vectors in host memory.
struct Vectors {
    lengths: Vec<usize>,
    /// Whether they are in f64, and not in f32.
    double: bool,
    read: Vec<TensorData>,
}

impl Vectors {
    /// Reads all from the device at once.
    async fn read(tensors: Vec<Tensor<1>>) -> Result<Self, RunError> {
        let lengths = tensors.iter().map(|tensor| tensor.dims()[0]).collect();
        let double = tensors
            .first()
            .is_some_and(|first| first.dtype() == DType::F64);
        let read = tensors
            .into_iter()
            .fold(Transaction::default(), Transaction::register);
        Ok(Self {
            lengths,
            double,
            read: read.execute_async().await.map_err(RunError::of_device)?,
        })
    }
}

/// The values of several tensors, one behind the other.
fn joined<T: burn::tensor::Element>(data: Vec<TensorData>) -> Vec<T> {
    let mut values = Vec::with_capacity(data.iter().map(TensorData::num_elements).sum());
    for data in data {
        values.extend_from_slice(data.as_slice::<T>().unwrap_or_default());
    }
    values
}

/// Vectors of these lengths on the device.
fn parts<T: burn::tensor::Element>(
    values: &[T],
    lengths: &[usize],
    device: &Device,
) -> Vec<Tensor<1>> {
    let mut rest = values;
    let part = |&length: &usize| {
        let (own, others) = rest.split_at(length);
        rest = others;
        Tensor::from_data(TensorData::new(own.to_vec(), [length]), device)
    };
    lengths.iter().map(part).collect()
}

/// Sums that travel in f16, each vector with a power of two of its own.
fn summed_f16(own: Vec<Vec<f32>>, ranks: Ranks) -> Result<Vec<f32>, RanksError> {
    let largest = |values: &Vec<f32>| values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let largest: Vec<f32> = own.iter().map(largest).collect();
    let all = ranks.gather(&largest)?;
    let scale = |number: usize| {
        let largest = (0..ranks.size()).map(|rank| all[rank * largest.len() + number]);
        let bound = largest.sum::<f32>();
        match bound > 0.0 && bound.is_finite() {
            true => (LARGEST / bound).log2().floor().clamp(-120.0, 120.0).exp2(),
            false => 1.0,
        }
    };
    let scales: Vec<f32> = (0..own.len()).map(scale).collect();
    let scaled = own.iter().zip(&scales);
    let packed = scaled.flat_map(|(values, scale)| values.iter().map(move |value| value * scale));
    let packed: Vec<u16> = packed.map(|value| f16::from_f32(value).to_bits()).collect();
    let unpack = |bits| f16::from_bits(bits).to_f32();
    let sums = ranks.sum_as(packed, unpack, |sum| f16::from_f32(sum).to_bits())?;
    let scales = own.iter().zip(scales);
    let scales = scales.flat_map(|(values, scale)| std::iter::repeat_n(scale, values.len()));
    Ok(sums
        .into_iter()
        .zip(scales)
        .map(|(sum, scale)| unpack(sum) / scale)
        .collect())
}

impl ClassifierPass {
    /// The pass on the batch of all ranks, from those on their parts.
    ///
    /// # Errors
    /// When the device fails or another rank has ended.
    pub(crate) async fn share(self, ranks: Ranks, device: &Device) -> Result<Self, RunError> {
        if ranks.is_one() {
            return Ok(self);
        }
        let gradients = summed(self.gradients.into(), ranks, GradientDtype::F32, device).await?;
        let share = 1.0 / ranks.size() as f64;
        let mut gradients = gradients.into_iter().map(|gradient| gradient * share);
        let mut next = || {
            let missing = || RunError::Device("the classifier has no gradient".to_string());
            gradients.next().ok_or_else(missing)
        };
        Ok(Self {
            loss: gather_rows(self.loss, ranks).mean(),
            accuracy: gather_rows(self.accuracy, ranks).mean(),
            gradients: [next()?, next()?],
        })
    }
}

impl Run {
    /// Gives every rank the running statistics of rank 0. Those of SyncBN are the same everywhere already.
    ///
    /// # Errors
    /// When the device fails or another rank has ended.
    pub(crate) async fn share_statistics(&mut self) -> Result<(), RunError> {
        let ranks = self.ranks;
        if ranks.is_one() || self.recipe.synchronises() {
            return Ok(());
        }
        let PartsMut { online, target, .. } = self.method.parts_mut();
        *online = with_first_statistics(online.clone(), ranks).await?;
        if let Some(target) = target {
            *target = with_first_statistics(target.clone(), ranks).await?;
        }
        Ok(())
    }
}

/// A network with the running statistics that rank 0 has.
async fn with_first_statistics<M: Module>(network: M, ranks: Ranks) -> Result<M, RunError> {
    struct Read(Vec<(String, Tensor<1>)>);
    impl Visit for Read {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            if is_buffer(name) {
                let count = tensor.dims().iter().product::<usize>();
                let flat = tensor.without_autodiff().reshape([count]);
                self.0.push((name.to_string(), flat));
            }
        }
    }
    struct Write(BTreeMap<String, Tensor<1>>);
    impl Map for Write {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
            match self.0.remove(name) {
                Some(next) if tensor.is_autodiff() => {
                    Tensor::from_inner(next.reshape(tensor.dims()))
                }
                Some(next) => next.reshape(tensor.dims()),
                None => tensor,
            }
        }
    }
    let mut read = Read(Vec::new());
    names::visit(&network, &mut read);
    let (names, tensors): (Vec<_>, Vec<_>) = read.0.into_iter().unzip();
    let Some(device) = tensors.first().map(Tensor::device) else {
        return Ok(network);
    };
    let Vectors {
        lengths,
        double,
        read,
    } = Vectors::read(tensors).await?;
    let of_first = match double {
        true => {
            let mut values = joined::<f64>(read);
            ranks.broadcast(&mut values)?;
            parts(&values, &lengths, &device)
        }
        false => {
            let mut values = joined::<f32>(read);
            ranks.broadcast(&mut values)?;
            parts(&values, &lengths, &device)
        }
    };
    if ranks.is_first() {
        return Ok(network);
    }
    let mut write = Write(names.into_iter().zip(of_first).collect());
    Ok(names::map(network, &mut write))
}
