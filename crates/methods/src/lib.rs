//! The self-supervised and supervised methods: from the views of a batch to a loss, with target network and queue.
//!
//! A method is one file that reads like its equations, and one row of the registry in [`MethodKind`].

mod bn;
mod byol;
mod config;
mod ema;
mod kind;
mod loss;
mod method;
mod moco;
mod moco_v2_plus;
mod queue;
mod siamese;
mod supervised;

pub use bn::{BnConfig, BnKind, Pass};
pub use byol::Byol;
pub use config::{Heads, MethodConfig};
pub use ema::ema_update;
pub use kind::{Defaults, MethodKind, MethodSpec, PageRecipe};
pub use loss::{byol_loss, cross_entropy, info_nce, normalize, one_hot};
pub use method::{Method, Output, Parts, PartsMut, Views};
pub use moco::Moco;
pub use moco_v2_plus::MocoV2Plus;
pub use queue::Queue;
pub use siamese::{Query, Siamese};
pub use supervised::Supervised;
