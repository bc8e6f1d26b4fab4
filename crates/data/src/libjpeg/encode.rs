//! Encoding.

use std::ffi::{c_int, c_ulong, c_void};
use std::{mem, ptr, slice};

use mozjpeg_sys::J_COLOR_SPACE::JCS_RGB;
use mozjpeg_sys::J_INT_PARAM::JINT_COMPRESS_PROFILE;
use mozjpeg_sys::JINT_COMPRESS_PROFILE_VALUE::JCP_FASTEST;
use mozjpeg_sys::{
    jpeg_c_set_int_param, jpeg_compress_struct, jpeg_create_compress, jpeg_destroy_compress,
    jpeg_error_mgr, jpeg_finish_compress, jpeg_mem_dest, jpeg_set_defaults, jpeg_set_quality,
    jpeg_start_compress, jpeg_write_scanlines,
};
use parallax_views::Image;

use super::{error_manager, guarded};
use crate::error::DataError;

/// The longest side of a JPEG file.
const MAX_SIDE: u32 = 65_500;

/// Encodes an image as a baseline JPEG file with halved chroma (4:2:0), byte for byte as Pillow's `save(quality=...)` does.
/// `quality` is from 1 to 100; `name` is for errors.
///
/// # Errors
/// When the image is empty, longer than 65,500 pixels, or its data does not match its sides.
pub fn encode_jpeg(image: &Image, quality: u8, name: &str) -> Result<Vec<u8>, DataError> {
    let Image { width, height, .. } = *image;
    let sides = 1..=MAX_SIDE;
    let bytes = 3 * width as usize * height as usize;
    let encoded = match sides.contains(&width) && sides.contains(&height) {
        false => Err(format!("it is {width} x {height} pixels")),
        true if image.data.len() != bytes => {
            Err(format!("it has {} bytes, not {bytes}", image.data.len()))
        }
        true => guarded(|| Ok(Encoder::new(image, quality).written())),
    };
    encoded.map_err(|reason| DataError::Encode {
        name: name.into(),
        reason,
    })
}

/// On the heap, because libjpeg keeps pointers into it.
struct Encoder<'a> {
    state: Box<jpeg_compress_struct>,
    _errors: Box<jpeg_error_mgr>,
    /// The file so far: memory of libjpeg.
    out: Box<(*mut u8, c_ulong)>,
    image: &'a Image,
}

impl<'a> Encoder<'a> {
    fn new(image: &'a Image, quality: u8) -> Self {
        let mut errors = error_manager();
        // SAFETY: zero is a valid value of every field, and what `jpeg_create_compress` starts from.
        let mut state: Box<jpeg_compress_struct> = Box::new(unsafe { mem::zeroed() });
        state.common.err = ptr::addr_of_mut!(*errors);
        let mut encoder = Self {
            state,
            _errors: errors,
            out: Box::new((ptr::null_mut(), 0)),
            image,
        };
        let state = encoder.state.as_mut();
        // SAFETY: the error manager is set, and the places of the result are on the heap beside the structure.
        unsafe {
            jpeg_create_compress(state);
            jpeg_mem_dest(state, &mut encoder.out.0, &mut encoder.out.1);
            state.image_width = image.width;
            state.image_height = image.height;
            state.input_components = 3;
            state.in_color_space = JCS_RGB;
            jpeg_c_set_int_param(state, JINT_COMPRESS_PROFILE, JCP_FASTEST as c_int);
            jpeg_set_defaults(state);
            jpeg_set_quality(state, c_int::from(quality), 1);
        }
        encoder
    }

    /// The file. Unwinds where it cannot be written: only within [`guarded`].
    fn written(mut self) -> Vec<u8> {
        let state = self.state.as_mut();
        let stride = 3 * self.image.width as usize;
        // SAFETY: every row has `image_width * input_components` bytes. Once it has finished, libjpeg has written the result to
        // memory of malloc, and leaves freeing it to its caller. Before that the pointer may be an old one, so that after an
        // error nothing is freed.
        unsafe {
            jpeg_start_compress(state, 1);
            for row in self.image.data.chunks_exact(stride) {
                jpeg_write_scanlines(state, &row.as_ptr(), 1);
            }
            jpeg_finish_compress(state);
            let (start, length) = *self.out;
            let file = slice::from_raw_parts(start, length as usize).to_vec();
            free(start.cast());
            file
        }
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        // SAFETY: also right where creating the structure has failed: its memory manager is null then.
        unsafe { jpeg_destroy_compress(&mut self.state) };
    }
}

unsafe extern "C" {
    fn free(memory: *mut c_void);
}
