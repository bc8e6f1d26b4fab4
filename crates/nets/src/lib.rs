//! Networks: layers, ResNets and heads, with the names and the initialisation of PyTorch.
//!
//! Parameter names follow torchvision (`layer1.0.conv1.weight`, `fc.1.running_mean`), because a field's
//! name is its place in a weight file: see [`names`].

mod block;
mod head;
mod init;
mod layers;
pub mod names;
mod resnet;
mod size;

pub use block::{BasicBlock, Block, Bottleneck};
pub use head::{Head, HeadKind, HeadLayer};
pub use init::Init;
pub use layers::{BN_EPSILON, BN_MOMENTUM, BatchNorm, Conv2d, Linear, Mode};
pub use resnet::{Arch, ResNet, ResNetConfig, Stem};
pub use size::NetworkSize;
