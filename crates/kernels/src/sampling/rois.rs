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

/// Where RoIAlign samples an RoI along one axis: pixels of the network's input, from its first column's or row's edge. The samples
/// of an RoI are all pairs of those of both axes.
#[derive(Clone, Debug, PartialEq)]
pub struct RoiAxis {
    /// The edges of the bins, one more than there are bins.
    pub edges: Vec<f32>,
    /// The samples, bin by bin, as many in each.
    pub samples: Vec<f32>,
}

impl RoiAlign {
    /// Columns and rows that an RoI is sampled at, for showing them. Samples beyond the map's edge, which RoIAlign clamps or
    /// leaves out, are where they would be.
    pub fn axes(&self, corners: [f32; 4]) -> [RoiAxis; 2] {
        [0, 1].map(|axis| {
            let bins = Bins::new([corners[axis], corners[axis + 2]], self);
            let offset = if self.aligned { 0.5 } else { 0.0 };
            let pixel = |at: f32| (at + offset) / self.scale;
            let edges = (0..=self.output).map(|bin| pixel(bins.begin(bin)));
            let samples = (0..self.output)
                .flat_map(|bin| (0..bins.count()).map(move |sample| (bin, sample)))
                .map(|(bin, sample)| pixel(bins.at(bin, sample)));
            RoiAxis {
                edges: edges.collect(),
                samples: samples.collect(),
            }
        })
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

    /// Samples of a bin.
    fn count(&self) -> usize {
        // A NaN is zero samples.
        self.samples.max(0.0) as usize
    }

    /// Where a bin begins.
    fn begin(&self, bin: usize) -> f32 {
        self.start + bin as f32 * self.side
    }

    /// Where a sample of a bin lies.
    fn at(&self, bin: usize, sample: usize) -> f32 {
        let within = (sample as f32 + 0.5) * self.side / self.samples;
        self.begin(bin) + within
    }

    /// Lists the taps of all bins on an axis of `size` pixels.
    fn list(&self, outputs: usize, size: usize, taps: &mut Taps) {
        for bin in 0..outputs {
            for sample in 0..self.count() {
                let at = self.at(bin, sample);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_evenly_within_the_roi() {
        let align = RoiAlign::new(1.0 / 16.0, 7);
        // Bins of 28 and 3 pixels: two samples of 1.75 pixels of the map, and one.
        let [x, y] = align.axes([40.0, 10.0, 236.0, 31.0]);
        assert_eq!(x.edges[0], 40.0);
        assert_eq!(x.edges[7], 236.0);
        assert_eq!(x.samples[..4], [47.0, 61.0, 75.0, 89.0]);
        assert_eq!((x.samples.len(), y.samples.len()), (14, 7));
        assert_eq!(y.samples[0], 11.5);
    }
}
