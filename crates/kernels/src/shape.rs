//! Shapes of the operations.

/// The three products of a convolution or a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Input and weight to output.
    Forward,
    /// The output's gradient and weight to the input's gradient.
    GradInput,
    /// Input and the output's gradient to the weight's gradient.
    GradWeight,
}

impl Product {
    /// In the order of a step.
    pub const ALL: [Self; 3] = [Self::Forward, Self::GradInput, Self::GradWeight];

    /// `forward`, `input gradient` or `weight gradient`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::GradInput => "input gradient",
            Self::GradWeight => "weight gradient",
        }
    }
}

/// A 2-D convolution. Pairs are height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Input pixels between neighbouring outputs.
    pub stride: [usize; 2],
    /// Zeros on each side of the input.
    pub padding: [usize; 2],
    /// Input pixels between neighbouring taps.
    pub dilation: [usize; 2],
}

impl ConvShape {
    /// Height and width of the output; zero where the kernel does not fit.
    pub fn out_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let extent = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = self.size[axis] + 2 * self.padding[axis];
            match padded.checked_sub(extent) {
                Some(rest) => rest / self.stride[axis] + 1,
                None => 0,
            }
        })
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.size[0] * self.size[1] * self.inputs
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.out_size();
        self.batch * height * width * self.outputs
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.inputs * self.kernel[0] * self.kernel[1]
    }
}

/// A linear layer, or the similarity of a batch with keys: then `outputs` is the number of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Rows of the input.
    pub batch: usize,
    /// Input features.
    pub inputs: usize,
    /// Output features, the rows of the weight.
    pub outputs: usize,
}

impl LinearShape {
    /// The layer as a 1x1 convolution over images of one pixel.
    pub fn as_convolution(&self) -> ConvShape {
        ConvShape {
            batch: self.batch,
            size: [1, 1],
            inputs: self.inputs,
            outputs: self.outputs,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
        }
    }
}

/// A 2-D max-pool with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Input pixels between neighbouring outputs.
    pub stride: usize,
    /// Padding on each side, which is never the maximum.
    pub padding: usize,
}

impl PoolShape {
    /// Height and width of the output; zero where the kernel does not fit.
    pub fn out_size(&self) -> [usize; 2] {
        self.size.map(|side| {
            let rest = (side + 2 * self.padding).checked_sub(self.kernel);
            rest.map_or(0, |rest| rest / self.stride + 1)
        })
    }
}
