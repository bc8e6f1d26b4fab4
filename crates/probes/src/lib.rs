//! Evaluation of representations: kNN, linear probe, collapse.
//!
//! Probes run on the CPU, on features that the caller read from its device: the same features give the same values
//! natively and in a browser. [`Search`] also takes a GPU.

mod attention;
mod blocks;
mod collapse;
mod confusion;
mod evaluator;
mod features;
mod kind;
mod knn;
mod linear;
mod metric;
mod nearest;
mod neighbours;
mod predict;
mod scatter;

pub use attention::{agreement, attention};
pub use collapse::{EMBEDDING_STD, embedding_std};
pub use confusion::{Confusion, ConfusionError};
pub use evaluator::Evaluator;
pub use features::{Features, ProbeError, labelled};
pub use kind::{EvaluatorKind, evaluate, evaluate_on};
pub use knn::{KNN, Knn, TopAccuracy, knn_accuracy};
pub use linear::{LINEAR, Linear, linear_accuracy};
pub use metric::{Format, Metric, Metrics};
pub use nearest::Neighbour;
pub use neighbours::{Queries, Search};
pub use scatter::principal_plane;
