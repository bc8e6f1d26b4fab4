//! Features of images by a frozen encoder.

mod extract;
mod stream;

pub use self::stream::{Images, Stream};
