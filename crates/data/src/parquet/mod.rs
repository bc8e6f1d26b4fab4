//! Parquet files as the Hugging Face Hub has them for images: a column of encoded images and one of labels.
//!
//! This reads what such files use: columns that are not repeated, of numbers or byte arrays, plain or by a dictionary, as
//! they are or compressed by Snappy, gzip or Zstandard. Anything else is an error that names it. Callers pass bytes: first
//! [`footer_length`] and [`Footer::parse`] of a file's end, then [`PageHeader::parse`] and [`Page::decode`] of pages.

mod footer;
mod levels;
mod page;
mod thrift;

pub use footer::{Chunk, Column, Footer, Kind, footer_length};
pub use page::{Page, PageHeader, PageKind};

/// What is wrong with a file, in words.
pub type Wrong = String;
