//! Objects and classes of pixels, drawn on their image.

mod classes;
mod objects;

use parallax_views::Image;

pub use classes::classes;
pub use objects::{Shape, objects};

/// Images are enlarged by whole factors until their longer side has so many pixels, so that text can be read.
const LONGEST: u32 = 480;

fn factor(image: &Image) -> u32 {
    LONGEST.div_ceil(image.width.max(image.height).max(1))
}

fn enlarged(image: &Image, scale: u32) -> Image {
    let (width, height) = (image.width * scale, image.height * scale);
    let mut data = Vec::with_capacity(3 * (width * height) as usize);
    for y in 0..height {
        for x in 0..width {
            let at = 3 * (y / scale * image.width + x / scale) as usize;
            data.extend_from_slice(&image.data[at..at + 3]);
        }
    }
    Image {
        width,
        height,
        data,
    }
}

/// Blends a colour over the pixels that have one; `of` takes a pixel's place in the image before it was enlarged.
fn tint(canvas: &mut Image, scale: u32, weight: u32, of: impl Fn(usize) -> Option<[u8; 3]>) {
    let width = canvas.width;
    for (at, pixel) in canvas.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at as u32 % width / scale, at as u32 / width / scale);
        if let Some(colour) = of((y * (width / scale) + x) as usize) {
            for (value, colour) in pixel.iter_mut().zip(colour) {
                *value =
                    ((u32::from(*value) * (256 - weight) + u32::from(colour) * weight) / 256) as u8;
            }
        }
    }
}

fn fill(canvas: &mut Image, [left, top, right, bottom]: [u32; 4], colour: [u8; 3]) {
    for y in top..bottom.min(canvas.height) {
        for x in left..right.min(canvas.width) {
            let at = 3 * (y * canvas.width + x) as usize;
            canvas.data[at..at + 3].copy_from_slice(&colour);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn grey(width: u32, height: u32) -> Image {
        Image {
            width,
            height,
            data: vec![128; 3 * (width * height) as usize],
        }
    }

    pub fn pixel(image: &Image, x: u32, y: u32) -> [u8; 3] {
        let at = 3 * (y * image.width + x) as usize;
        [image.data[at], image.data[at + 1], image.data[at + 2]]
    }
}
