//! Networks: layers, ResNets and heads, with PyTorch's names and initialisation.
//!
//! Parameter names are torchvision's (`layer1.0.conv1.weight`, `fc.1.running_mean`): the fields of a module name its
//! tensors in weight files, see [`names`]. Activations are channels-last, `[batch, height, width, channels]`.
//!
//! Other networks build on [`ResNet::stages`], which gives the feature map of each stage, and on the layers; the stride and
//! dilation of a stage are set in [`ResNetConfig::stages`].
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use parallax_nets::{Arch, Init, Mode, OutputStride, ResNet, ResNetConfig, Stem};
//!
//! let device = Device::flex();
//! let config = ResNetConfig {
//!     stages: OutputStride::X16.stages(),
//!     ..ResNetConfig::new(Arch::ResNet18, Stem::Imagenet)
//! };
//! let mut network = ResNet::new(&config, &mut Init::new(0, &device));
//! let images = Tensor::<4>::zeros([1, 3, 64, 64], &device);
//! let maps = network.stages(images, Mode::Eval);
//! assert_eq!(maps[3].dims(), [1, 4, 4, 512]);
//! ```

mod batch_norm;
mod block;
mod config;
mod conv;
mod conv_norm;
mod graph;
mod head;
mod init;
mod linear;
pub mod names;
mod packs;
mod resnet;
mod size;

pub use batch_norm::{BN_EPSILON, BN_MOMENTUM, BatchNorm, Mode};
pub use block::{BasicBlock, Block, Bottleneck};
pub use config::{Arch, OutputStride, ResNetConfig, StageConfig, Stem};
pub use conv::{Conv2d, ConvConfig};
pub use conv_norm::ConvNorm;
pub use head::{Head, HeadKind, HeadLayer};
pub use init::Init;
pub use linear::Linear;
pub use resnet::{ResNet, global_average_pool};
pub use size::NetworkSize;
