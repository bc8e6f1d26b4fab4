//! Label taxonomies: classes in groups (methods.md 8.2).
//!
//! A [`Grouping`] is a map of class names to groups, made by hand or by a [`Scheme`] from the hypernyms of [`WordNet`] 3.0.
//! [`Grouped`] is a source whose images are supervised by their group, while their class stays known.

mod error;
mod grouped;
mod grouping;
mod scheme;
mod tree;
mod wordnet;

pub use error::TaxonomyError;
pub use grouped::Grouped;
pub use grouping::{Group, Grouping};
pub use scheme::Scheme;
pub use tree::{Row, rows};
pub use wordnet::{Index, Synset, WordNet, parse_wnids};
