//! From a batch to tensors on a device.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use parallax_views::Image;

use crate::batch::{Part, ViewBatch};
use crate::error::ViewError;
use crate::ops::{Launch, ViewOps};

/// Whether a device makes views by kernels. Where it does not, the CPU engine does (`parallax_views`).
pub fn runs_on(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// Words on a device.
type Words = Tensor<1, Int>;

fn upload(words: &[u32], device: &Device) -> Words {
    let data = TensorData::new(words.to_vec(), [words.len()]);
    Tensor::from_data(data, (device, DType::U32))
}

/// A part on its way through the stages.
struct Moving {
    pixels: Words,
    sums: Words,
    program: Words,
    launch: Launch,
}

impl Moving {
    fn stage(&mut self) {
        let (pixels, sums) = Dispatch::views_stage(
            self.pixels.clone().into_dispatch(),
            self.sums.clone().into_dispatch(),
            self.program.clone().into_dispatch(),
            self.launch,
        );
        self.pixels = Tensor::from_dispatch(pixels);
        self.sums = Tensor::from_dispatch(sums);
    }
}

impl ViewBatch {
    /// Makes the views: for each a tensor `[images, 3, height, width]`, normalised (methods.md 1.4), equal to the
    /// CPU's to the last bit.
    ///
    /// # Errors
    /// When the device computes no kernels.
    pub fn normalized(&self, device: &Device) -> Result<Vec<Tensor<4>>, ViewError> {
        let (width, height) = self.size;
        let shape = [self.images, 3, height as usize, width as usize];
        let empty = || Tensor::<4>::empty(shape, device);
        let mut outs: Vec<Tensor<4>> = (0..self.views).map(|_| empty()).collect();
        for part in &self.parts {
            let mut moving = self.begin(part, device)?;
            let Some((last, stages)) = part.stages.split_last() else {
                continue;
            };
            for heads in stages {
                moving.launch.heads = *heads;
                moving.stage();
            }
            moving.launch.heads = *last;
            for (view, out) in outs.iter_mut().enumerate() {
                let launch = Launch {
                    first: (view * part.count) as u32,
                    count: part.count as u32,
                    out_first: part.first as u32,
                    ..moving.launch
                };
                let finished = Dispatch::views_finish(
                    moving.pixels.clone().into_dispatch(),
                    moving.sums.clone().into_dispatch(),
                    moving.program.clone().into_dispatch(),
                    out.clone().into_dispatch(),
                    launch,
                );
                *out = Tensor::from_dispatch(finished);
            }
        }
        Ok(outs)
    }

    /// Makes the views and reads their pixels back: for each image its views.
    ///
    /// # Errors
    /// When the device computes no kernels, or fails.
    pub async fn pixels(&self, device: &Device) -> Result<Vec<Vec<Image>>, ViewError> {
        let (width, height) = self.size;
        let mut images = Vec::with_capacity(self.images);
        for part in &self.parts {
            let mut moving = self.begin(part, device)?;
            for heads in &part.stages {
                moving.launch.heads = *heads;
                moving.stage();
            }
            let data = moving.pixels.into_data_async().await;
            let data = data.map_err(|error| ViewError::Device(format!("{error:?}")))?;
            let words: Vec<u32> = data
                .try_to_vec()
                .map_err(|error| ViewError::Device(format!("{error:?}")))?;
            let views: Vec<&[u32]> = words.chunks(width as usize * height as usize).collect();
            let unpack = |words: &[u32]| Image {
                width,
                height,
                data: words
                    .iter()
                    .flat_map(|word| [*word as u8, (word >> 8) as u8, (word >> 16) as u8])
                    .collect(),
            };
            for image in 0..part.count {
                let of_image = views.iter().skip(image).step_by(part.count);
                images.push(of_image.map(|words| unpack(words)).collect());
            }
        }
        Ok(images)
    }

    fn begin(&self, part: &Part, device: &Device) -> Result<Moving, ViewError> {
        if !runs_on(device) {
            return Err(ViewError::NoGpu);
        }
        let program = upload(&part.program, device);
        let views = (part.count * self.views) as u32;
        let launch = Launch {
            size: self.size,
            views,
            heads: 0,
            first: 0,
            count: views,
            out_first: 0,
        };
        let (pixels, sums) = Dispatch::views_resample(
            upload(&part.source, device).into_dispatch(),
            program.clone().into_dispatch(),
            part.pieces,
            launch,
        );
        Ok(Moving {
            pixels: Tensor::from_dispatch(pixels),
            sums: Tensor::from_dispatch(sums),
            program,
            launch,
        })
    }
}
