//! Crop and horizontal flip.

use crate::image::Image;

/// The rectangle of `width` x `height` pixels whose first pixel is (`left`, `top`); it must lie inside the picture.
pub fn crop(image: &Image, left: u32, top: u32, width: u32, height: u32) -> Image {
    let stride = image.width as usize * 3;
    let (start, length) = (left as usize * 3, width as usize * 3);
    let mut data = Vec::with_capacity(length * height as usize);
    for row in image
        .data
        .chunks_exact(stride)
        .skip(top as usize)
        .take(height as usize)
    {
        data.extend_from_slice(&row[start..start + length]);
    }
    Image {
        width,
        height,
        data,
    }
}

/// Mirrors the picture left to right.
pub fn hflip(image: &mut Image) {
    for row in image.data.chunks_exact_mut(image.width as usize * 3) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}
