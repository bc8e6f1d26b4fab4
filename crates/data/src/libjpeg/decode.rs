//! Decoding.

use std::ffi::c_ulong;
use std::marker::PhantomData;
use std::{mem, ptr};

use mozjpeg_sys::J_COLOR_SPACE::{JCS_CMYK, JCS_RGB};
use mozjpeg_sys::{
    jpeg_create_decompress, jpeg_decompress_struct, jpeg_destroy_decompress, jpeg_error_mgr,
    jpeg_finish_decompress, jpeg_mem_src, jpeg_read_header, jpeg_read_scanlines,
    jpeg_start_decompress,
};
use parallax_views::Image;

use super::{error_manager, guarded};

/// Width and height, from the header.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), String> {
    guarded(|| Ok(Decoder::new(bytes)?.sides()))
}

/// Decodes a file to RGB, once `accept` has seen its width and height.
pub(crate) fn decode(
    bytes: &[u8],
    accept: impl FnOnce(u32, u32) -> Result<(), String>,
) -> Result<Image, String> {
    guarded(|| {
        let decoder = Decoder::new(bytes)?;
        let (width, height) = decoder.sides();
        accept(width, height)?;
        decoder.rgb()
    })
}

/// Rows that are asked for at once.
const ROWS: usize = 16;

/// A file whose header has been read. On the heap, because libjpeg keeps pointers into it.
struct Decoder<'a> {
    state: Box<jpeg_decompress_struct>,
    _errors: Box<jpeg_error_mgr>,
    _bytes: PhantomData<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    /// Unwinds where the header is not valid: only within [`guarded`].
    fn new(bytes: &'a [u8]) -> Result<Self, String> {
        let length = c_ulong::try_from(bytes.len()).map_err(|error| error.to_string())?;
        let mut errors = error_manager();
        // SAFETY: zero is a valid value of every field, and what `jpeg_create_decompress` starts from.
        let mut state: Box<jpeg_decompress_struct> = Box::new(unsafe { mem::zeroed() });
        state.common.err = ptr::addr_of_mut!(*errors);
        let mut decoder = Self {
            state,
            _errors: errors,
            _bytes: PhantomData,
        };
        let state = decoder.state.as_mut();
        // SAFETY: the error manager is set; `bytes` outlives the decoder, which releases the structure when dropped. The error
        // manager unwinds instead of returning, so that a returned header is a valid one.
        unsafe {
            jpeg_create_decompress(state);
            jpeg_mem_src(state, bytes.as_ptr(), length);
            jpeg_read_header(state, 1);
        }
        match decoder.state.num_components {
            1 | 3 | 4 => Ok(decoder),
            other => Err(format!("it has {other} channels; 1, 3 or 4 can be decoded")),
        }
    }

    fn sides(&self) -> (u32, u32) {
        (self.state.image_width, self.state.image_height)
    }

    /// The pixels. Unwinds where they cannot be decoded: only within [`guarded`].
    fn rgb(mut self) -> Result<Image, String> {
        let channels = self.state.num_components.min(4) as usize;
        let (space, channels) = match channels {
            4 => (JCS_CMYK, 4),
            _ => (JCS_RGB, 3),
        };
        let (width, height) = self.sides();
        let state = self.state.as_mut();
        state.out_color_space = space;
        // SAFETY: the header has been read.
        unsafe { jpeg_start_decompress(state) };
        let stride = width as usize * channels;
        let lines = height as usize;
        if (state.output_width, state.output_height) != (width, height)
            || usize::try_from(state.output_components) != Ok(channels)
        {
            return Err("its size is not that of its header".to_string());
        }
        let mut data = vec![0; stride * lines];
        while state.output_scanline < state.output_height {
            let line = state.output_scanline as usize;
            let rows = data[line * stride..].chunks_exact_mut(stride).take(ROWS);
            let mut pointers = [ptr::null_mut(); ROWS];
            let mut count = 0;
            for (pointer, row) in pointers.iter_mut().zip(rows) {
                *pointer = row.as_mut_ptr();
                count += 1;
            }
            // SAFETY: each of the `count` pointers leads to a row of `output_width * output_components` bytes.
            let read = unsafe { jpeg_read_scanlines(state, pointers.as_mut_ptr(), count) };
            if read == 0 {
                return Err("it ends before its last row".to_string());
            }
        }
        // SAFETY: all rows have been read.
        unsafe { jpeg_finish_decompress(state) };
        Ok(Image {
            width,
            height,
            data: match channels {
                4 => cmyk_to_rgb(data),
                _ => data,
            },
        })
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: also right where creating the structure has failed: its memory manager is null then.
        unsafe { jpeg_destroy_decompress(&mut self.state) };
    }
}

/// As Pillow: values are taken as inverted, as Adobe's programs write them, and mixed by integer products.
fn cmyk_to_rgb(mut data: Vec<u8>) -> Vec<u8> {
    let pixels = data.len() / 4;
    for pixel in 0..pixels {
        let [c, m, y, k] = [0, 1, 2, 3].map(|channel| u32::from(data[4 * pixel + channel]));
        let rgb = [c, m, y].map(|ink| {
            // `k` is already 255 minus the black of Pillow's formula.
            let product = (255 - ink) * k + 128;
            k.saturating_sub(((product >> 8) + product) >> 8) as u8
        });
        data[3 * pixel..3 * pixel + 3].copy_from_slice(&rgb);
    }
    data.truncate(3 * pixels);
    data
}
