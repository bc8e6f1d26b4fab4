//! Every plain object that crosses between Rust and JavaScript, and the messages of the page's workers.
//!
//! The TypeScript declarations in `parallax_web.d.ts` are generated from these types. Large arrays are typed arrays that
//! JavaScript owns.

mod augment;
mod bench;
mod detect;
mod evaluate;
mod run;
mod train;

use js_sys::Uint8Array;
use parallax_views::Image;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

pub use augment::*;
pub use bench::*;
pub use detect::*;
pub use evaluate::*;
pub use run::*;
pub use train::*;

/// A device that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The graphics adapter, through WebGPU.
    Webgpu,
    /// One core, by WebAssembly SIMD.
    Cpu,
}

/// An image with alpha, as a canvas takes it.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct Pixels {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Four bytes a pixel, row by row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array")]
    pub rgba: Uint8Array,
}

impl From<&Image> for Pixels {
    fn from(image: &Image) -> Self {
        let (pixels, _) = image.data.as_chunks::<3>();
        let rgba: Vec<u8> = pixels
            .iter()
            .flat_map(|[r, g, b]| [*r, *g, *b, 255])
            .collect();
        Self {
            width: image.width,
            height: image.height,
            rgba: Uint8Array::from(rgba.as_slice()),
        }
    }
}
