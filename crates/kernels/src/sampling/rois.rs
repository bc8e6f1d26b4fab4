//! The taps of RoIAlign (methods.md 7.3).

use super::{Sampling, Taps};

/// A region of interest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roi {
    /// Its image in the batch.
    pub image: usize,
    /// x1, y1, x2, y2 in pixels of the network's input. They may lie outside of the image.
    pub corners: [f32; 4],
}

/// How RoIAlign samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// Pixels of the feature map for one of the network's input, such as 1/16.
    pub scale: f32,
    /// Height and width of the result, 1 or more.
    pub output: usize,
    /// Samples of a bin along each axis; 0 for as many as the bin has pixels, rounded up.
    pub sampling_ratio: usize,
    /// Whether pixel centres lie at half-integers. Otherwise they lie at integers, and RoIs have a side of 1 at least.
    pub aligned: bool,
}

impl RoiAlign {
    /// As detectors use it: aligned, with as many samples as a bin has pixels.
    pub fn new(scale: f32, output: usize) -> Self {
        Self {
            scale,
            output,
            sampling_ratio: 0,
            aligned: true,
        }
    }
}

/// Samples of a bin along an axis that are still listed one by one: more than any feature map has pixels.
const MOST_SAMPLES: f32 = 65_536.0;

impl Sampling {
    /// The map of RoIAlign from `batch` feature maps of `size` (height, width).
    ///
    /// # Panics
    /// When the output is empty, an RoI's image is not in the batch, or a corner is not finite or very far outside.
    pub fn of_rois(batch: usize, size: [usize; 2], rois: &[Roi], options: RoiAlign) -> Self {
        let outputs = options.output;
        assert!(outputs > 0, "RoIAlign with an output of no pixels");
        let mut taps = [(); 2].map(|()| Taps::new(outputs));
        for (number, Roi { image, corners }) in rois.iter().enumerate() {
            assert!(
                *image < batch,
                "RoI {number} is of image {image}, the batch has {batch}"
            );
            for (axis, taps) in taps.iter_mut().enumerate() {
                let ends = [corners[1 - axis], corners[3 - axis]];
                let bins = Bins::new(ends, &options);
                assert!(
                    bins.start.is_finite() && bins.samples <= MOST_SAMPLES,
                    "RoI {number} is not finite or too large: {corners:?}"
                );
                bins.list(outputs, size[axis], taps);
            }
        }
        Self {
            batch,
            size,
            output: [outputs; 2],
            images: rois.iter().map(|roi| roi.image as u32).collect(),
            taps,
            shared: false,
        }
    }
}

/// The bins of an RoI along one axis, in pixels of the feature map. Every operation is rounded to f32 by itself, in the order
/// of torchvision's, so that no sample is counted or clamped otherwise.
struct Bins {
    start: f32,
    side: f32,
    /// Of a bin. Zero or less if it has none.
    samples: f32,
}

impl Bins {
    fn new(ends: [f32; 2], options: &RoiAlign) -> Self {
        let offset = if options.aligned { 0.5 } else { 0.0 };
        let [start, end] = ends.map(|end| end * options.scale - offset);
        let extent = end - start;
        let extent = if options.aligned {
            extent
        } else {
            extent.max(1.0)
        };
        let side = extent / options.output as f32;
        let samples = match options.sampling_ratio {
            0 => side.ceil(),
            ratio => ratio as f32,
        };
        Self {
            start,
            side,
            samples,
        }
    }

    /// Lists the taps of all bins on an axis of `size` pixels.
    fn list(&self, outputs: usize, size: usize, taps: &mut Taps) {
        // A NaN is zero samples.
        let samples = self.samples.max(0.0) as usize;
        for bin in 0..outputs {
            for sample in 0..samples {
                let begin = self.start + bin as f32 * self.side;
                let within = (sample as f32 + 0.5) * self.side / self.samples;
                let at = begin + within;
                if at < -1.0 || at > size as f32 {
                    continue;
                }
                let at = at.max(0.0);
                let low = at as usize;
                if low >= size - 1 {
                    taps.add(size - 1, 1.0 / self.samples);
                    continue;
                }
                let weight = at - low as f32;
                taps.add(low, (1.0 - weight) / self.samples);
                taps.add(low + 1, weight / self.samples);
            }
            taps.end();
        }
    }
}
