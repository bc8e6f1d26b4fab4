//! From a batch to tensors on a device.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use parallax_views::Image;

use crate::batch::{Chunk, ViewBatch};
use crate::error::ViewError;
use crate::ops::{Launch, ViewOps};

/// Whether a device has kernels for views. Elsewhere the CPU engine computes them (`parallax_views`).
pub fn runs_on(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// 32-bit words on a device.
type Words = Tensor<1, Int>;

/// Hands words over to the device.
fn upload(data: TensorData, device: &Device) -> Words {
    Tensor::from_data(data, (device, DType::U32))
}

/// The views of a chunk between two launches.
struct InFlight {
    /// A colour a word.
    pixels: Words,
    /// Sums of luma, by tile.
    sums: Words,
    encoded: Words,
    launch: Launch,
    /// See [`Encoded::stages`](crate::encode::Encoded::stages).
    stages: Vec<u32>,
    /// Images of the chunk.
    count: usize,
    /// Index in the batch of the chunk's first image.
    first: usize,
}

impl InFlight {
    /// Uploads a chunk and launches crop, resize and flip.
    fn begin(
        chunk: Chunk,
        views: usize,
        size: (u32, u32),
        device: &Device,
    ) -> Result<Self, ViewError> {
        if !runs_on(device) {
            return Err(ViewError::NoGpu);
        }
        let source_words = [chunk.source.len() / 4];
        let source = TensorData::try_from_bytes_vec(chunk.source, source_words, DType::U32);
        let source = source.map_err(|error| ViewError::Device(error.to_string()))?;
        let words = chunk.encoded.words;
        let encoded_words = [words.len()];
        let encoded = upload(TensorData::new(words, encoded_words), device);
        let views = (chunk.count * views) as u32;
        let launch = Launch {
            size,
            views,
            headers: 0,
            first: 0,
            count: views,
            out_first: 0,
        };
        let (pixels, sums) = Dispatch::views_resample(
            upload(source, device).into_dispatch(),
            encoded.clone().into_dispatch(),
            chunk.encoded.row_blocks,
            launch,
        );
        Ok(Self {
            pixels: Tensor::from_dispatch(pixels),
            sums: Tensor::from_dispatch(sums),
            encoded,
            launch,
            stages: chunk.encoded.stages,
            count: chunk.count,
            first: chunk.first,
        })
    }

    /// Launches the stage whose headers are there.
    fn stage(&mut self, headers: u32) {
        self.launch.headers = headers;
        let (pixels, sums) = Dispatch::views_stage(
            self.pixels.clone().into_dispatch(),
            self.sums.clone().into_dispatch(),
            self.encoded.clone().into_dispatch(),
            self.launch,
        );
        self.pixels = Tensor::from_dispatch(pixels);
        self.sums = Tensor::from_dispatch(sums);
    }

    /// Launches the last stage of one view of all images, which writes into `out`.
    fn finish(&self, view: usize, headers: u32, out: Tensor<4>) -> Tensor<4> {
        let launch = Launch {
            headers,
            first: (view * self.count) as u32,
            count: self.count as u32,
            out_first: self.first as u32,
            ..self.launch
        };
        Tensor::from_dispatch(Dispatch::views_finish(
            self.pixels.clone().into_dispatch(),
            self.sums.clone().into_dispatch(),
            self.encoded.clone().into_dispatch(),
            out.into_dispatch(),
            launch,
        ))
    }
}

impl ViewBatch {
    /// Computes the views: for each a tensor `[images, 3, height, width]`, normalised (methods.md 1.4), bit for bit the
    /// CPU's. Pixels are handed over to the device without a copy on the host.
    ///
    /// # Errors
    /// When the device has no kernels for views.
    pub fn normalized(self, device: &Device) -> Result<Vec<Tensor<4>>, ViewError> {
        let (width, height) = self.size;
        let shape = [self.images, 3, height as usize, width as usize];
        let mut outs: Vec<Tensor<4>> = (0..self.views)
            .map(|_| Tensor::empty(shape, device))
            .collect();
        for chunk in self.chunks {
            let mut views = InFlight::begin(chunk, self.views, self.size, device)?;
            let stages = std::mem::take(&mut views.stages);
            let Some((last, stages)) = stages.split_last() else {
                continue;
            };
            for headers in stages {
                views.stage(*headers);
            }
            let finished = outs.into_iter().enumerate();
            let finished = finished.map(|(view, out)| views.finish(view, *last, out));
            outs = finished.collect();
        }
        Ok(outs)
    }

    /// Computes the views and reads their pixels back: for each image its views.
    ///
    /// # Errors
    /// When the device has no kernels for views, or fails.
    pub async fn pixels(self, device: &Device) -> Result<Vec<Vec<Image>>, ViewError> {
        let (width, height) = self.size;
        let mut images = Vec::with_capacity(self.images);
        for chunk in self.chunks {
            let mut views = InFlight::begin(chunk, self.views, self.size, device)?;
            for headers in std::mem::take(&mut views.stages) {
                views.stage(headers);
            }
            let count = views.count;
            let data = views.pixels.into_data_async().await;
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
            for number in 0..count {
                let of_image = views.iter().skip(number).step_by(count);
                images.push(of_image.map(|words| unpack(words)).collect());
            }
        }
        Ok(images)
    }
}
