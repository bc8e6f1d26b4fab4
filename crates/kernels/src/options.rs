//! Options of the operations.

/// What follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The identity.
    None,
    /// `max(x, 0)`
    Relu,
}

/// Stride, padding and dilation of a convolution, the same for height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Input pixels between neighbouring outputs, 1 or more.
    pub stride: usize,
    /// Zeros on each side of the input.
    pub padding: usize,
    /// Input pixels between neighbouring taps of the kernel, 1 or more.
    pub dilation: usize,
}

impl Default for ConvOptions {
    /// Stride 1, no padding, dilation 1.
    fn default() -> Self {
        Self {
            stride: 1,
            padding: 0,
            dilation: 1,
        }
    }
}

/// Hyperparameters of one SGD step, as in PyTorch's `torch.optim.SGD` (methods.md 4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// Learning rate.
    pub learning_rate: f64,
    /// Momentum: the factor of the previous velocity.
    pub momentum: f64,
    /// L2 penalty: the factor of the weight that is added to its gradient.
    pub weight_decay: f64,
    /// Nesterov momentum.
    pub nesterov: bool,
}

/// How the statistics of a batch change the running ones (methods.md 2.1):
/// `running <- (1 - momentum) running + momentum batch`, where the batch's variance is multiplied by `correction`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunningUpdate {
    /// The weight of the batch.
    pub momentum: f64,
    /// Makes the biased variance of `n` values the unbiased one, `n / (n - 1)`; 1 keeps it.
    pub correction: f64,
}

/// Hyperparameters of one LARS step (methods.md 4.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LarsOptions {
    /// Learning rate.
    pub learning_rate: f64,
    /// Momentum: the factor of the previous velocity.
    pub momentum: f64,
    /// L2 penalty; with 0 there is no trust ratio.
    pub weight_decay: f64,
    /// The trust coefficient.
    pub eta: f64,
}
