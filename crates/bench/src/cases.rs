//! What is measured: the operations of a ResNet-18 with the stem for small images, and of the methods' heads.

use parallax_kernels::{ConvShape, LinearShape, PoolShape, Product};
use serde::{Deserialize, Serialize};

use crate::timer::BenchError;

/// Sizes of the CIFAR-10 recipes: hidden units and outputs of a head, keys of a queue.
const HIDDEN: usize = 4096;
const OUT: usize = 256;
const QUEUE: usize = 16_384;

/// The network and its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Channels of the first stage.
    pub width: usize,
    /// Side of an image in pixels.
    pub size: usize,
    /// Images in a batch.
    pub batch: usize,
}

impl Setting {
    pub(crate) fn check(&self) -> Result<(), BenchError> {
        let sizes = [
            (self.width, "the width"),
            (self.size, "the size of an image"),
            (self.batch, "the batch"),
        ];
        match sizes.into_iter().find(|(value, _)| *value == 0) {
            Some((_, name)) => Err(BenchError::Zero(name)),
            None => Ok(()),
        }
    }
}

/// Something to measure, forward and backward.
pub(crate) enum Case {
    Conv(ConvShape),
    /// `[rows, channels]`, with ReLU.
    Norm([usize; 2]),
    Pool(PoolShape),
    /// A layer of a head, or the similarity with a queue, whose weight takes no gradient.
    Linear(LinearShape, Weight),
}

/// What the right operand of a linear product is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Trained,
    Queue,
}

impl Weight {
    /// What is computed with it: a queue takes no gradient.
    pub fn products(self) -> &'static [Product] {
        match self {
            Self::Trained => &Product::ALL,
            Self::Queue => &[Product::Forward, Product::GradInput],
        }
    }
}

impl Case {
    pub fn name(&self) -> String {
        match self {
            Case::Conv(shape) => name(shape),
            Case::Norm([rows, channels]) => format!("norm of {rows} x {channels}"),
            Case::Pool(shape) => format!(
                "pool {0}x{0} of {1} at {2} px /{3}",
                shape.kernel, shape.channels, shape.size[0], shape.stride
            ),
            Case::Linear(shape, Weight::Trained) => {
                format!("linear {} to {}", shape.inputs, shape.outputs)
            }
            Case::Linear(shape, Weight::Queue) => {
                format!("similarity of {} with {}", shape.inputs, shape.outputs)
            }
        }
    }
}

/// `3x3 16 to 32 at 32 px /2`
fn name(shape: &ConvShape) -> String {
    format!(
        "{}x{} {} to {} at {} px /{}",
        shape.kernel[0],
        shape.kernel[1],
        shape.inputs,
        shape.outputs,
        shape.size[0],
        shape.stride[0]
    )
}

/// The different convolutions, with names.
pub fn convolutions(setting: &Setting) -> Vec<(String, ConvShape)> {
    let Setting { width, size, batch } = *setting;
    let shape = |side, inputs, outputs, kernel, stride| ConvShape {
        batch,
        size: [side; 2],
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
    };
    let mut shapes = vec![shape(size, 3, width, 3, 1), shape(size, width, width, 3, 1)];
    for stage in 0..3 {
        let (side, inputs) = (size.div_ceil(1 << stage), width << stage);
        shapes.push(shape(side, inputs, 2 * inputs, 3, 2));
        shapes.push(shape(side, inputs, 2 * inputs, 1, 2));
        shapes.push(shape(side.div_ceil(2), 2 * inputs, 2 * inputs, 3, 1));
    }
    let named = |shape| (name(&shape), shape);
    shapes.into_iter().map(named).collect()
}

/// Everything, in the order of a step.
pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let Setting { width, size, batch } = *setting;
    let mut cases = Vec::new();
    let mut normed = Vec::new();
    for (_, shape) in convolutions(setting) {
        cases.push(Case::Conv(shape));
        let [rows, channels] = [shape.output_len() / shape.outputs, shape.outputs];
        if !normed.contains(&[rows, channels]) {
            normed.push([rows, channels]);
            cases.push(Case::Norm([rows, channels]));
        }
    }
    cases.push(Case::Pool(PoolShape {
        batch,
        size: [size; 2],
        channels: width,
        kernel: 3,
        stride: 2,
        padding: 1,
    }));
    for (inputs, outputs) in [(8 * width, HIDDEN), (HIDDEN, OUT), (OUT, HIDDEN)] {
        let shape = LinearShape {
            batch,
            inputs,
            outputs,
        };
        cases.push(Case::Linear(shape, Weight::Trained));
    }
    let queue = LinearShape {
        batch,
        inputs: OUT,
        outputs: QUEUE,
    };
    cases.push(Case::Linear(queue, Weight::Queue));
    cases
}
