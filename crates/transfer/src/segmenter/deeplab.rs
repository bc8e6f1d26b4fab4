//! DeepLabV3: a dilated backbone, spatial pyramid pooling and a classifier of each pixel of the map.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_boxes::Size;
use parallax_kernels::{PixelLabels, hard_pixels, resize_bilinear};
use parallax_nets::{
    BatchNorm, Conv2d, ConvConfig, Init, Mode, OutputStride, ResNet, ResNetConfig, StageConfig,
};
use parallax_train::{RecipeError, read_figures};
use parallax_views::Image;

use crate::error::TransferError;
use crate::images::Images;
use crate::recipe::{PoolKind, SegmenterSection, TransferRecipe};
use crate::run::{Loss, Losses, TransferModel};
use crate::sampling::Ranking;
use crate::segmenter::aspp::Aspp;
use crate::segmenter::labelled::{Labelled, labels};

/// Factors of the dilation in the blocks of the last stage.
const MULTI_GRID: [usize; 3] = [1, 2, 4];

/// DeepLabV3. Its fields name its tensors: [`to_detectron2`](crate::to_detectron2) gives detectron2's names.
#[derive(Module, Debug)]
pub struct Segmenter {
    backbone: ResNet,
    sem_seg_head: SegmentationHead,
}

/// What follows the backbone.
#[derive(Module, Debug)]
pub struct SegmentationHead {
    aspp: Aspp,
    predictor: Conv2d,
}

/// What is not learned of a segmenter.
#[derive(Clone, Debug)]
pub struct SegmenterPlan {
    /// The recipe.
    pub recipe: TransferRecipe,
    /// Pixels of an image between neighbouring pixels of the map.
    pub stride: usize,
    /// Height and width of the pooling window on the map; `None` for all of it.
    pub window: Option<[usize; 2]>,
}

impl SegmenterPlan {
    fn section(&self) -> Result<&SegmenterSection, RecipeError> {
        let section = self.recipe.segmenter.as_ref();
        section.ok_or_else(not_a_segmenter)
    }
}

fn not_a_segmenter() -> RecipeError {
    RecipeError::Value {
        key: "segmenter".to_string(),
        reason: "is missing: this recipe is not a segmenter's".to_string(),
    }
}

/// A training pass.
pub struct SegmenterPass {
    /// Normalised and padded images, `[images, 3, height, width]`.
    pub images: Tensor<4>,
    /// The map of the last stage, `[images, height, width, channels]`.
    pub features: Tensor<4>,
    /// The output of spatial pyramid pooling, `[images, height, width, channels]`.
    pub aspp: Tensor<4>,
    /// The logits of the map's pixels, `[images, height, width, classes]`.
    pub logits: Tensor<4>,
    /// The loss, with its graph.
    pub losses: Losses,
}

/// The output of the network.
struct Forward {
    features: Tensor<4>,
    aspp: Tensor<4>,
    logits: Tensor<4>,
}

impl Segmenter {
    /// Randomly initialised (methods.md 7.9). `device` is one with autodiff for training.
    ///
    /// # Errors
    /// When the recipe is not a segmenter's, or its crop is not a multiple of the network's stride.
    pub fn new(
        recipe: &TransferRecipe,
        device: &Device,
    ) -> Result<(Self, SegmenterPlan), RecipeError> {
        let section = recipe.segmenter.as_ref().ok_or_else(not_a_segmenter)?;
        let (arch, stem, width) = (recipe.model.arch, recipe.model.stem, recipe.width());
        let mut stages = OutputStride::X16.stages();
        let last = arch.stages() - 1;
        stages[last] = StageConfig::dilated(2).multi_grid(MULTI_GRID);
        let strides = stages[..=last].iter().map(|stage| stage.stride);
        let stride = stem.stride() * strides.product::<usize>();
        let crop = section.crop.map(|side| side as usize);
        if crop.iter().any(|side| !side.is_multiple_of(stride)) {
            return Err(RecipeError::Value {
                key: "segmenter.crop".to_string(),
                reason: format!("must be multiples of {stride}, the stride of the feature map"),
            });
        }
        let init = &mut Init::new(recipe.run.seed, device);
        let config = ResNetConfig {
            width,
            stages,
            ..ResNetConfig::new(arch, stem)
        };
        let backbone = ResNet::new(&config, init);
        let (channels, classes) = (section.channels, recipe.model.classes);
        let aspp = Aspp::new(init, arch.features(width), channels);
        let weight = init.normal([classes, channels, 1, 1], 0.001);
        let predictor = Conv2d::of(init, ConvConfig::new(channels, classes, 1).bias(), weight);
        let plan = SegmenterPlan {
            recipe: recipe.clone(),
            stride,
            window: match section.pool {
                PoolKind::Window => Some(crop.map(|side| side / stride)),
                PoolKind::Global => None,
            },
        };
        let sem_seg_head = SegmentationHead { aspp, predictor };
        Ok((
            Self {
                backbone,
                sem_seg_head,
            },
            plan,
        ))
    }

    /// Images `[images, 3, height, width]` to logits at the map's size.
    fn forward(
        &mut self,
        plan: &SegmenterPlan,
        images: Tensor<4>,
        mode: Mode,
    ) -> Result<Forward, TransferError> {
        let [_, _, height, width] = images.dims();
        let maps = self.backbone.stages(images, mode);
        let features = maps.into_iter().last().ok_or_else(|| {
            TransferError::Size(format!("images of {height} x {width} have no feature map"))
        })?;
        let SegmentationHead { aspp, predictor } = &mut self.sem_seg_head;
        let aspp = aspp.forward(features.clone(), plan.window, mode)?;
        Ok(Forward {
            logits: predictor.forward(aspp.clone()),
            features,
            aspp,
        })
    }

    /// A training pass of a batch.
    ///
    /// # Errors
    /// When labels do not fit their image or the model, or the images do not fit the network's stride or its pooling window.
    pub fn pass(
        &mut self,
        plan: &SegmenterPlan,
        batch: &[Labelled],
        mode: Mode,
        device: &Device,
    ) -> Result<SegmenterPass, TransferError> {
        let section = plan.section()?;
        let pictures: Vec<&Image> = batch.iter().map(|example| &example.image).collect();
        let images = Images::of(&pictures, 1, device);
        let size = images.padded();
        let [height, width] = size;
        let stride = plan.stride;
        if height * width == 0 || size.iter().any(|side| !side.is_multiple_of(stride)) {
            return Err(TransferError::Size(format!(
                "a batch of {height} x {width} pixels; height and width must be multiples of {stride}, the stride of the \
                 feature map"
            )));
        }
        let labels = labels(batch, size, plan.recipe.model.classes)?;
        let Forward {
            features,
            aspp,
            logits,
        } = self.forward(plan, images.values.clone(), mode)?;
        // Each device takes the hardest pixels of its own images.
        let groups = plan.recipe.run.devices;
        let each = batch.len() / groups;
        let losses = (0..groups).map(|group| {
            let own = logits.clone().narrow(0, group * each, each);
            let labels = part(&labels, group * each, each);
            hard_pixels(own, labels, stride, section.hard_share)
        });
        let value = Tensor::cat(losses.collect(), 0).mean();
        Ok(SegmenterPass {
            images: images.values,
            features,
            aspp,
            logits,
            losses: Losses {
                named: vec![Loss {
                    name: "loss_sem_seg",
                    value,
                }],
                counts: Vec::new(),
                proposals: Vec::new(),
            },
        })
    }

    /// The logits of an image at the size `output`, `[1, height, width, classes]`. `self` is a segmenter without graph.
    ///
    /// # Errors
    /// When the image does not fit the pooling window.
    pub fn logits(
        &mut self,
        plan: &SegmenterPlan,
        image: &Image,
        output: Size,
        device: &Device,
    ) -> Result<Tensor<4>, TransferError> {
        let images = Images::of(&[image], 1, device);
        let [height, width] = images.padded();
        let logits = self.forward(plan, images.values, Mode::Eval)?.logits;
        let [_, rows, columns, _] = logits.dims();
        // As detectron2: to the padded image, of which the image is cut out, and from there to the result.
        let full = resize_bilinear(logits, [rows * plan.stride, columns * plan.stride]);
        let own = full.narrow(1, 0, height).narrow(2, 0, width);
        match output.map(|side| side as usize) {
            size if size == [height, width] => Ok(own),
            size => Ok(resize_bilinear(own, size)),
        }
    }

    /// The class of each pixel of an image at the size `output`, row by row. `self` is a segmenter without graph.
    ///
    /// # Errors
    /// As [`Segmenter::logits`], and when the device fails.
    pub async fn segment(
        &mut self,
        plan: &SegmenterPlan,
        image: &Image,
        output: Size,
        device: &Device,
    ) -> Result<Vec<u8>, TransferError> {
        let classes = self.logits(plan, image, output, device)?.argmax(3);
        let pixels = output.map(|side| side as usize).iter().product::<usize>();
        let classes = read_figures(classes.float().reshape([pixels])).await?;
        Ok(classes.into_iter().map(|class| class as u8).collect())
    }
}

/// The labels of some images of a batch.
fn part(labels: &PixelLabels, first: usize, count: usize) -> PixelLabels {
    let pixels = labels.size[0] * labels.size[1];
    PixelLabels {
        values: labels.values[first * pixels..(first + count) * pixels].to_vec(),
        batch: count,
        ..*labels
    }
}

impl TransferModel for Segmenter {
    type Batch = Vec<Labelled>;
    type Plan = SegmenterPlan;

    async fn losses(
        &mut self,
        plan: &SegmenterPlan,
        batch: &Vec<Labelled>,
        _ranking: Ranking,
        mode: Mode,
        device: &Device,
    ) -> Result<Losses, TransferError> {
        Ok(self.pass(plan, batch, mode, device)?.losses)
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = self.backbone.batch_norms();
        norms.extend(self.sem_seg_head.aspp.batch_norms());
        norms
    }
}
