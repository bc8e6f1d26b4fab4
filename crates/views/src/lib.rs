//! From one example to its augmented views: sampling laws and exact pixels.

mod image;

pub use image::Image;
