//! Images as they are written into shards.

use std::collections::VecDeque;

use parallax_data::{DataError, Source, decode, encode_jpeg};
use parallax_views::{Image, Op};
use rayon::prelude::*;

use super::Pack;
use crate::data::Listing;

/// Images that are read and encoded at once.
const CHUNK: usize = 256;

/// An image as it is written, or why it cannot be read.
pub type Encoded = Result<(Vec<u8>, &'static str), DataError>;

/// Images in their order, encoded ahead by all threads.
pub struct Ready<'a> {
    pub listed: &'a Listing,
    pub source: &'a dyn Source,
    resize: Option<u32>,
    quality: u8,
    /// The image after those that are encoded.
    end: usize,
    encoded: VecDeque<Encoded>,
}

impl<'a> Ready<'a> {
    /// From the image `next` on.
    pub fn new(listed: &'a Listing, next: usize, arguments: &Pack) -> Self {
        Self {
            listed,
            source: listed.source(),
            resize: arguments.resize,
            quality: arguments.quality,
            end: next,
            encoded: VecDeque::new(),
        }
    }

    /// Gives back the image that was taken last.
    pub fn put_back(&mut self, content: Vec<u8>, extension: &'static str) {
        self.encoded.push_front(Ok((content, extension)));
    }

    /// The next image; `None` behind the last.
    pub fn next(&mut self) -> Option<Encoded> {
        if self.encoded.is_empty() {
            let chunk = self.end..self.source.len().min(self.end + CHUNK);
            self.end = chunk.end;
            let encoded: Vec<Encoded> = chunk
                .into_par_iter()
                .map(|index| self.encode(index))
                .collect();
            self.encoded = encoded.into();
        }
        self.encoded.pop_front()
    }

    /// The bytes of an image with the extension of their format.
    fn encode(&self, index: usize) -> Encoded {
        let name = match self.listed {
            Listing::Files(files) => files.image_name(index),
            _ => format!("{} {index}", self.source.name()),
        };
        if let Some(side) = self.resize {
            let image = self.source.image(index)?;
            return resized(&image, side, self.quality, &name).map(|bytes| (bytes, "jpg"));
        }
        let Listing::Files(files) = self.listed else {
            return png(self.source.image(index)?.as_ref(), &name).map(|bytes| (bytes, "png"));
        };
        let bytes = files.bytes(index)?;
        match extension(&bytes) {
            Some(extension) => Ok((bytes, extension)),
            // The decoder says what is wrong with it.
            None => decode(&bytes, &name).map(|_| (bytes, "jpg")),
        }
    }
}

/// The extension of a file by its first bytes.
fn extension(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("jpg"),
        [0x89, b'P', b'N', b'G', ..] => Some("png"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("webp"),
        _ => None,
    }
}

/// With the given shorter side, as torchvision's `Resize` makes it, where the image is larger; as JPEG.
fn resized(image: &Image, side: u32, quality: u8, name: &str) -> Result<Vec<u8>, DataError> {
    let (width, height) = (image.width, image.height);
    let (short, long) = (width.min(height), width.max(height));
    if short <= side {
        return encode_jpeg(image, quality, name);
    }
    let long = (u64::from(side) * u64::from(long) / u64::from(short)) as u32;
    let (width, height) = match width <= height {
        true => (side, long),
        false => (long, side),
    };
    let small = Op::Resize { width, height }.apply(image);
    let small = small.map_err(|error| DataError::Encode {
        name: name.to_string(),
        reason: error.to_string(),
    })?;
    encode_jpeg(&small, quality, name)
}

fn png(image: &Image, name: &str) -> Result<Vec<u8>, DataError> {
    crate::png::encode(image).map_err(|error| DataError::Encode {
        name: name.to_string(),
        reason: format!("{error:#}"),
    })
}
