//! Sampling laws: from a law and a stream of random numbers to the explicit operations of one view (methods.md 1.3).

use crate::op::Op;
use crate::pipeline::ViewKey;
use crate::rng::{Draws, Stream};

/// How a view is sampled: a square cut from the picture, then steps in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// Which square.
    pub frame: Frame,
    /// What follows.
    pub steps: &'static [Step],
}

/// Where a view's square comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame {
    /// A random crop, resized.
    Random {
        /// The smallest area of the crop, as a share of the picture's; the largest is 1.
        min_area: f64,
    },
    /// The middle of the resized picture, as [`eval_ops`] has it.
    Centre,
}

/// A step that is taken with probability `p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Horizontal flip.
    Flip {
        /// Probability.
        p: f64,
    },
    /// Brightness, contrast, saturation and hue in random order. Factors are uniform in [1 - x, 1 + x], the hue shift
    /// in [-x, x].
    Jitter {
        /// Probability.
        p: f64,
        /// Half-width of the brightness factor.
        brightness: f64,
        /// Half-width of the contrast factor.
        contrast: f64,
        /// Half-width of the saturation factor.
        saturation: f64,
        /// Half-width of the hue shift, in turns.
        hue: f64,
    },
    /// Grayscale.
    Grayscale {
        /// Probability.
        p: f64,
    },
    /// Gaussian blur, its sigma uniform in [0.1, 2] pixels.
    Blur {
        /// Probability.
        p: f64,
    },
    /// Solarize from 128 on.
    Solarize {
        /// Probability.
        p: f64,
    },
}

/// Width over height of a crop lies between these.
const MIN_ASPECT: f64 = 3.0 / 4.0;
const MAX_ASPECT: f64 = 4.0 / 3.0;
/// How often a crop that fits is looked for.
const ATTEMPTS: u32 = 10;
/// The range of the blur's sigma, in pixels.
const SIGMA: (f64, f64) = (0.1, 2.0);
/// From which value solarize inverts.
const THRESHOLD: u16 = 128;

impl Law {
    /// The operations of one view of a picture of `width` x `height` pixels.
    ///
    /// The draws are taken in the order of this file. What a decision that falls against a step would have needed is
    /// not drawn.
    pub fn draw(&self, width: u32, height: u32, size: u32, key: ViewKey) -> Vec<Op> {
        let mut draws = Draws::new(key.seed, Stream::View, key.epoch, key.sample, key.view);
        let mut ops = Vec::with_capacity(10);
        match self.frame {
            Frame::Random { min_area } => {
                ops.push(random_crop(width, height, min_area, &mut draws));
                ops.push(Op::Resize {
                    width: size,
                    height: size,
                });
            }
            Frame::Centre => ops.extend(eval_ops(width, height, size)),
        }
        for step in self.steps {
            step.draw(&mut draws, &mut ops);
        }
        ops
    }
}

impl Step {
    fn draw(&self, draws: &mut Draws, ops: &mut Vec<Op>) {
        match *self {
            Step::Flip { p } => {
                if draws.unit() < p {
                    ops.push(Op::Hflip {});
                }
            }
            Step::Grayscale { p } => {
                if draws.unit() < p {
                    ops.push(Op::Grayscale {});
                }
            }
            Step::Jitter {
                p,
                brightness,
                contrast,
                saturation,
                hue,
            } => {
                if draws.unit() <= p {
                    jitter([brightness, contrast, saturation, hue], draws, ops);
                }
            }
            Step::Blur { p } => {
                if draws.unit() <= p {
                    ops.push(Op::Blur {
                        sigma: draws.uniform(SIGMA.0, SIGMA.1),
                    });
                }
            }
            Step::Solarize { p } => {
                if draws.unit() <= p {
                    ops.push(Op::Solarize {
                        threshold: THRESHOLD,
                    });
                }
            }
        }
    }
}

/// All four operations in random order: the order is drawn first, then the four values.
fn jitter([brightness, contrast, saturation, hue]: [f64; 4], draws: &mut Draws, ops: &mut Vec<Op>) {
    let mut order = [0, 1, 2, 3];
    draws.shuffle(&mut order);
    let mut factor = |x: f64| draws.uniform((1.0 - x).max(0.0), 1.0 + x);
    let four = [
        Op::Brightness {
            factor: factor(brightness),
        },
        Op::Contrast {
            factor: factor(contrast),
        },
        Op::Saturation {
            factor: factor(saturation),
        },
        Op::Hue {
            delta: draws.uniform(-hue, hue),
        },
    ];
    ops.extend(order.map(|i: usize| four[i].clone()));
}

/// A crop of random area and aspect; after ten that do not fit, the largest central one of an allowed aspect.
fn random_crop(width: u32, height: u32, min_area: f64, draws: &mut Draws) -> Op {
    let (full_width, full_height) = (f64::from(width), f64::from(height));
    for _ in 0..ATTEMPTS {
        let area = full_width * full_height * draws.uniform(min_area, 1.0);
        let aspect = libm::exp(draws.uniform(libm::log(MIN_ASPECT), libm::log(MAX_ASPECT)));
        let w = (area * aspect).sqrt().round_ties_even();
        let h = (area / aspect).sqrt().round_ties_even();
        if 0.0 < w && w <= full_width && 0.0 < h && h <= full_height {
            let (w, h) = (w as u32, h as u32);
            // Both ends inclusive; the row is drawn first.
            let top = draws.below((height - h).saturating_add(1));
            let left = draws.below((width - w).saturating_add(1));
            return Op::Crop {
                left,
                top,
                width: w,
                height: h,
            };
        }
    }
    let (mut w, mut h) = (width, height);
    let aspect = full_width / full_height;
    if aspect < MIN_ASPECT {
        h = (full_width / MIN_ASPECT).round_ties_even() as u32;
    } else if aspect > MAX_ASPECT {
        w = (full_height * MAX_ASPECT).round_ties_even() as u32;
    }
    // Rounding does not take a side beyond the picture's: the bound it is rounded from lies at or below an integer.
    Op::Crop {
        left: width.saturating_sub(w) / 2,
        top: height.saturating_sub(h) / 2,
        width: w,
        height: h,
    }
}

/// The operations that make the evaluation view: the short side to `size * 256 / 224` pixels, then the central square
/// of `size` (methods.md 1.4).
///
/// For `size` 224 that is the usual "resize 256, centre crop 224". A picture that already has `size` x `size` pixels is
/// taken as it is: evaluation on CIFAR neither enlarges nor crops.
pub fn eval_ops(width: u32, height: u32, size: u32) -> Vec<Op> {
    if (width, height) == (size, size) {
        return Vec::new();
    }
    // size * 256 / 224 = size * 8 / 7 to the nearest integer; sevenths have no ties.
    let target = ((u64::from(size) * 16 + 7) / 14) as u32;
    let short = width.min(height);
    let (mut resized, mut ops) = ((width, height), Vec::new());
    if short != target {
        let scaled = |side: u32| {
            let side = u64::from(target) * u64::from(side) / u64::from(short.max(1));
            u32::try_from(side).unwrap_or(u32::MAX)
        };
        resized = (scaled(width), scaled(height));
        ops.push(Op::Resize {
            width: resized.0,
            height: resized.1,
        });
    }
    let start = |side: u32| (f64::from(side.saturating_sub(size)) / 2.0).round_ties_even() as u32;
    ops.push(Op::Crop {
        left: start(resized.0),
        top: start(resized.1),
        width: size,
        height: size,
    });
    ops
}
