//! The register tiles that all products are made of: `P` rows of `V` vectors of sums, held in registers.
//!
//! [`gather`] sums over the channels of `P` pixels, [`outer`] over pixels for `P` neighbouring channels; [`product`] and
//! [`outer_in_order`] do the same for operands at regular strides. Each broadcast value of one operand is multiplied with `V`
//! vectors of the other, which is packed, so nothing is ever summed across a vector.
#![expect(
    unsafe_code,
    reason = "bounds checks for each element would double the time of the innermost loops"
)]

mod fma;
mod gather;
mod ordered;
mod planes;
mod size;
mod vectors;

pub use self::gather::{Pixels, Segment, gather, outer};
pub use self::ordered::{outer_in_order, product};
pub use self::planes::{load_planes, store_planes};
pub use self::size::{FEW, Tiled, rows, tiled};
pub use self::vectors::{load, put, store, take};
