//! What a representation is worth: kNN, linear evaluation, collapse.
//!
//! Probes always run on the CPU, on features that the caller read from its device: the same features give
//! the same figures natively and in a browser.

mod collapse;
mod features;
mod knn;
mod linear;
mod scatter;

pub use collapse::embedding_std;
pub use features::{Features, ProbeError};
pub use knn::{KNN_NEIGHBOURS, KNN_TEMPERATURE, knn_accuracy};
pub use linear::linear_accuracy;
pub use scatter::principal_plane;
