//! Evaluation of pre-trained encoders with labels: linear evaluation (methods.md 5.2) and fine-tuning (methods.md 5.3).
//!
//! Nothing here opens a file, starts a thread or reads a clock. [`LinearEvalConfig`] describes a linear evaluation,
//! [`LinearEval`] takes its steps on features that [`view_features`] or a [`FeatureLoader`] give, and
//! [`Driver`](parallax_train::Driver) says when to evaluate, save and end it. [`FineTune`] is a supervised
//! [`Run`](parallax_train::Run) from given weights.

mod config;
mod error;
mod feature_loader;
mod fine_tune;
mod history;
mod linear_eval;
mod metrics;
mod predict;
mod score;
mod view_features;

pub use config::LinearEvalConfig;
pub use error::EvalError;
pub use feature_loader::FeatureLoader;
pub use fine_tune::{FineTune, FineTuneConfig};
pub use history::{HISTORY_FILE, History, Point};
pub use linear_eval::{CLASSIFIER_FILE, ClassifierNorms, ClassifierReport, LinearEval};
pub use metrics::{ACCURACY, BEST_TOP1, LINEAR_EVAL, LINEAR_EVAL_TOP5, TOP1, TOP5};
pub use parallax_train::{Augment, Decay, Preset, PresetSpec};
pub use predict::predict;
pub use score::{Scores, score};
pub use view_features::view_features;
