//! Evaluation of pre-trained encoders with labels: linear evaluation (methods.md 5.2) and fine-tuning (methods.md 5.3).
//!
//! Nothing here opens a file, starts a thread or reads a clock. [`LinearEvalConfig`] describes a linear evaluation,
//! [`LinearEval`] takes its steps on the features that a [`FrozenEncoder`] or a [`FeatureLoader`] gives, and
//! [`Driver`](parallax_train::Driver) says when to evaluate, save and end it.

mod config;
mod error;
mod feature_loader;
mod frozen;
mod history;
mod linear_eval;
mod metrics;
mod predict;
mod preset;
mod score;

pub use config::{Augment, LinearEvalConfig};
pub use error::EvalError;
pub use feature_loader::FeatureLoader;
pub use frozen::FrozenEncoder;
pub use history::{History, Point};
pub use linear_eval::{
    CLASSIFIER_FILE, ClassifierNorms, ClassifierReport, HISTORY_FILE, LinearEval,
};
pub use metrics::{ACCURACY, BEST_TOP1, TOP1, TOP5, WEIGHT_NORM};
pub use predict::predict;
pub use preset::{Decay, Preset, PresetSpec};
pub use score::{Scores, score};
