//! The image as operations hold it: one plane a channel.

use std::ops::Range;

use crate::image::Image;

/// An image in planar layout: `[3, height, width]`.
///
/// Neighbouring bytes belong to neighbouring pixels, so loops over a plane vectorise, and the layout is the one that a
/// network takes.
#[derive(Default)]
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `3 * width * height` bytes.
    pub(crate) data: Vec<u8>,
}

impl Planes {
    /// Sets a new size and leaves the content unspecified.
    pub(crate) fn reshape(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.data.resize(3 * width * height, 0);
    }

    /// The three planes.
    pub(crate) fn channels(&self) -> [&[u8]; 3] {
        let pixels = self.width * self.height;
        let (red, rest) = self.data.split_at(pixels);
        let (green, blue) = rest.split_at(pixels);
        [red, green, blue]
    }

    /// The three planes, mutable.
    pub(crate) fn channels_mut(&mut self) -> [&mut [u8]; 3] {
        let pixels = self.width * self.height;
        let (red, rest) = self.data.split_at_mut(pixels);
        let (green, blue) = rest.split_at_mut(pixels);
        [red, green, blue]
    }

    /// The interleaved image.
    pub(crate) fn to_image(&self) -> Image {
        let mut data = vec![0; self.data.len()];
        let [red, green, blue] = self.channels();
        let (pixels, _) = data.as_chunks_mut::<3>();
        for (((pixel, &r), &g), &b) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
            *pixel = [r, g, b];
        }
        Image {
            width: self.width as u32,
            height: self.height as u32,
            data,
        }
    }
}

/// A non-empty rectangle of an interleaved image.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    data: &'a [u8],
    /// Bytes from one row of the image to the next.
    stride: usize,
    left: usize,
    top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> Window<'a> {
    /// The whole image, whose data fits its sides.
    pub(crate) fn whole(image: &'a Image) -> Self {
        Self {
            data: &image.data,
            stride: 3 * image.width as usize,
            left: 0,
            top: 0,
            width: image.width as usize,
            height: image.height as usize,
        }
    }

    /// A rectangle inside this one, relative to its origin.
    pub(crate) fn crop(self, left: u32, top: u32, width: u32, height: u32) -> Self {
        Self {
            left: self.left + left as usize,
            top: self.top + top as usize,
            width: width as usize,
            height: height as usize,
            ..self
        }
    }

    /// The pixels of some columns of row `y`.
    pub(crate) fn pixels(&self, y: usize, columns: &Range<usize>) -> &'a [[u8; 3]] {
        let row = (self.top + y) * self.stride + 3 * self.left;
        let (pixels, _) = self.data[row + 3 * columns.start..row + 3 * columns.end].as_chunks();
        pixels
    }

    /// Reads the pixels into planes.
    pub(crate) fn read(&self, planes: &mut Planes) {
        planes.reshape(self.width, self.height);
        let width = self.width;
        let [red, green, blue] = planes.channels_mut();
        let rows = red
            .chunks_exact_mut(width)
            .zip(green.chunks_exact_mut(width))
            .zip(blue.chunks_exact_mut(width));
        for (y, ((red, green), blue)) in rows.enumerate() {
            let pixels = self.pixels(y, &(0..width));
            for (((pixel, r), g), b) in pixels.iter().zip(red).zip(green).zip(blue) {
                [*r, *g, *b] = *pixel;
            }
        }
    }
}
