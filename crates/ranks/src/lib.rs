//! What the processes of a distributed run exchange.
//!
//! A rank is one process with one device. A host implements [`Exchange`]; [`Ranks`] is the handle by which a run uses it, and
//! adds in the order of ranks whatever it sums, so that results depend neither on the host's algorithm nor on timing.
//!
//! ```
//! use parallax_ranks::Ranks;
//!
//! let gradient = Ranks::ONE.sum(vec![1.0f32, 2.0])?; // of one rank: nothing to add
//! assert_eq!((Ranks::ONE.size(), gradient), (1, vec![1.0, 2.0]));
//! # Ok::<(), parallax_ranks::RanksError>(())
//! ```

mod error;
mod exchange;
mod ranks;
pub mod threads;

pub use error::RanksError;
pub use exchange::{Exchange, Traffic};
pub use ranks::{Ranks, Summand};
