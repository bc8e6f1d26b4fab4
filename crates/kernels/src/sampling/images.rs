//! The taps of maps of whole images: interpolation and pooling. All images share them.

use super::{Sampling, Taps};

impl Sampling {
    /// The same taps for all images of a batch.
    fn of_images(batch: usize, size: [usize; 2], taps: [Taps; 2]) -> Self {
        Self {
            batch,
            size,
            output: taps.each_ref().map(|taps| taps.outputs),
            images: (0..batch as u32).collect(),
            taps,
            shared: true,
        }
    }

    /// Bilinear interpolation with pixel centres at half-integers: `steps` are input pixels between neighbouring pixels of
    /// the `output` along each axis.
    pub(crate) fn bilinear(
        batch: usize,
        size: [usize; 2],
        output: [usize; 2],
        steps: [f32; 2],
    ) -> Self {
        let taps = [0, 1].map(|axis| {
            taps(output[axis], |place, taps| {
                let (low, weight) = half_pixel(place, steps[axis], size[axis]);
                taps.add(low, 1.0 - weight);
                if low + 1 < size[axis] {
                    taps.add(low + 1, weight);
                }
            })
        });
        Self::of_images(batch, size, taps)
    }

    /// Every pixel four times.
    pub(crate) fn twice(batch: usize, size: [usize; 2]) -> Self {
        let taps = size.map(|side| taps(2 * side, |place, taps| taps.add(place / 2, 1.0)));
        Self::of_images(batch, size, taps)
    }

    /// Means over windows of `kernel` pixels along an axis (0 is the rows' place), one window for each place inside.
    pub(crate) fn means(batch: usize, size: [usize; 2], axis: usize, kernel: usize) -> Self {
        let mut all = size.map(|side| taps(side, |place, taps| taps.add(place, 1.0)));
        all[axis] = taps(size[axis] + 1 - kernel, |place, taps| {
            (place..place + kernel).for_each(|at| taps.add(at, 1.0 / kernel as f32));
        });
        Self::of_images(batch, size, all)
    }
}

/// A list of `count` output pixels.
fn taps(count: usize, of: impl Fn(usize, &mut Taps)) -> Taps {
    let mut taps = Taps::new(count);
    for place in 0..count {
        of(place, &mut taps);
        taps.end();
    }
    taps
}

/// Where the centre of an output pixel lies on an axis of `size` input pixels: the pixel at or before it, and the weight of
/// the next one, in f32 as PyTorch's `interpolate` computes them. `step` is input pixels between neighbouring output pixels.
pub(crate) fn half_pixel(place: usize, step: f32, size: usize) -> (usize, f32) {
    let at = (step * (place as f32 + 0.5) - 0.5).max(0.0);
    let low = (at as usize).min(size - 1);
    match low + 1 < size {
        true => (low, (at - low as f32).clamp(0.0, 1.0)),
        false => (low, 0.0),
    }
}
