//! Augmentation policies: from a policy and random numbers to the operations of a view (methods.md 1.3).

use std::borrow::Cow;

use parallax_rng::{Draws, Stream};
use serde::{Deserialize, Serialize};

use crate::error::PolicyError;
use crate::op::{MAX_SIGMA, Op};

/// Which view of which sample. Together with the policy, the image's size and the view's size it determines the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewKey {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The index of the sample in its data set.
    pub sample: u32,
    /// The index of the view, from 0.
    pub view: u16,
}

/// How a view is sampled: a square crop of the image, then steps in order.
///
/// In JSON: `{"crop":{"kind":"random-crop","area":[0.2,1.0],"aspect":[0.75,1.3333333333333333]},"steps":[{"step":"flip","p":0.5}]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The part of the image that the view shows.
    #[serde(alias = "frame")]
    pub crop: CropSpec,
    /// The steps that follow.
    #[cfg_attr(feature = "typescript", tsify(type = "Step[]"))]
    pub steps: Cow<'static, [Step]>,
}

/// The part of an image that a view shows. Ranges are (minimum, maximum).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CropSpec {
    /// A random crop, resized to the square ("random resized crop").
    RandomCrop {
        /// Area as a fraction of the image's, in (0, 1]; uniform.
        area: (f64, f64),
        /// Aspect ratio (width / height), positive; log-uniform.
        aspect: (f64, f64),
    },
    // With braces serde refuses unknown keys here as well.
    /// The central square of evaluation ([`eval_ops`]), without randomness.
    Central {},
}

/// A step that is applied with probability `p`. Ranges are (minimum, maximum).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
#[serde(tag = "step", rename_all = "lowercase", deny_unknown_fields)]
pub enum Step {
    /// Horizontal flip.
    Flip {
        /// Probability.
        p: f64,
    },
    /// Color jitter: brightness, contrast, saturation and hue in random order. Factors are uniform in
    /// [max(0, 1 - x), 1 + x], the hue shift in [-x, x].
    Jitter {
        /// Probability.
        p: f64,
        /// Half-width of the brightness factor.
        brightness: f64,
        /// Half-width of the contrast factor.
        contrast: f64,
        /// Half-width of the saturation factor.
        saturation: f64,
        /// Half-width of the hue shift in full turns, at most 0.5.
        hue: f64,
    },
    /// Grayscale.
    Grayscale {
        /// Probability.
        p: f64,
    },
    /// Gaussian blur.
    Blur {
        /// Probability.
        p: f64,
        /// Standard deviation in pixels; uniform.
        sigma: (f64, f64),
    },
    /// Solarize.
    Solarize {
        /// Probability.
        p: f64,
        /// Values at or above it are inverted; 0 to 256.
        threshold: u16,
    },
}

/// How many random crops are tried before the central one is taken.
const ATTEMPTS: u32 = 10;

impl Policy {
    /// The operations of a view of `size` x `size` pixels of an image of `width` x `height` pixels.
    ///
    /// The order of draws is that of this file. A step that is not applied draws no parameters.
    ///
    /// ```
    /// use parallax_views::{Op, Pipeline, ViewKey};
    ///
    /// let policy = Pipeline::MocoV2.policy(1);
    /// let key = ViewKey { seed: 0, epoch: 0, sample: 7, view: 1 };
    /// let ops = policy.draw(500, 375, 224, key);
    /// assert!(matches!(ops[..2], [Op::Crop { .. }, Op::Resize { width: 224, height: 224 }]));
    /// assert_eq!(ops, policy.draw(500, 375, 224, key));
    /// ```
    pub fn draw(&self, width: u32, height: u32, size: u32, key: ViewKey) -> Vec<Op> {
        let mut draws = Draws::new(key.seed, Stream::View, key.epoch, key.sample, key.view);
        let mut ops = Vec::with_capacity(10);
        match self.crop {
            CropSpec::RandomCrop { area, aspect } => {
                ops.push(random_crop(width, height, area, aspect, &mut draws));
                ops.push(Op::Resize {
                    width: size,
                    height: size,
                });
            }
            CropSpec::Central {} => ops.extend(eval_ops(width, height, size)),
        }
        for step in self.steps.iter() {
            step.draw(&mut draws, &mut ops);
        }
        ops
    }

    /// Checks that views can be drawn and computed.
    ///
    /// # Errors
    /// When a parameter is out of range, or the minimum of a range exceeds its maximum.
    pub fn check(&self) -> Result<(), PolicyError> {
        if let CropSpec::RandomCrop { area, aspect } = self.crop {
            check_range("crop area", area, (f64::MIN_POSITIVE, 1.0))?;
            check_range("crop aspect", aspect, (1e-3, 1e3))?;
        }
        self.steps.iter().try_for_each(Step::check)
    }
}

/// Checks that a value lies between two limits, which NaN does not.
fn check_value(what: &'static str, value: f64, (min, max): (f64, f64)) -> Result<(), PolicyError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::Value {
        what,
        value,
        min,
        max,
    })
}

fn check_range(
    what: &'static str,
    (least, most): (f64, f64),
    limits: (f64, f64),
) -> Result<(), PolicyError> {
    check_value(what, least, limits)?;
    check_value(what, most, limits)?;
    if least <= most {
        return Ok(());
    }
    Err(PolicyError::Order { what, least, most })
}

impl Step {
    fn check(&self) -> Result<(), PolicyError> {
        const SHARE: (f64, f64) = (0.0, 1.0);
        match *self {
            Step::Flip { p } => check_value("flip probability", p, SHARE),
            Step::Grayscale { p } => check_value("grayscale probability", p, SHARE),
            Step::Jitter {
                p,
                brightness,
                contrast,
                saturation,
                hue,
            } => {
                check_value("jitter probability", p, SHARE)?;
                check_value("brightness", brightness, (0.0, 100.0))?;
                check_value("contrast", contrast, (0.0, 100.0))?;
                check_value("saturation", saturation, (0.0, 100.0))?;
                check_value("hue", hue, (0.0, 0.5))
            }
            Step::Blur { p, sigma } => {
                check_value("blur probability", p, SHARE)?;
                check_range("blur sigma", sigma, (0.0, MAX_SIGMA))
            }
            Step::Solarize { p, threshold } => {
                check_value("solarize probability", p, SHARE)?;
                check_value("solarize threshold", f64::from(threshold), (0.0, 256.0))
            }
        }
    }

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
            Step::Blur { p, sigma } => {
                if draws.unit() <= p {
                    ops.push(Op::Blur {
                        sigma: draws.uniform(sigma.0, sigma.1),
                    });
                }
            }
            Step::Solarize { p, threshold } => {
                if draws.unit() <= p {
                    ops.push(Op::Solarize { threshold });
                }
            }
        }
    }
}

/// The four operations in random order. The order is drawn first, then the four parameters.
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

/// A crop of random area and aspect ratio. After ten that do not fit, the largest central crop of a valid aspect ratio.
fn random_crop(
    width: u32,
    height: u32,
    (min_area, max_area): (f64, f64),
    (min_aspect, max_aspect): (f64, f64),
    draws: &mut Draws,
) -> Op {
    let (full_width, full_height) = (f64::from(width), f64::from(height));
    for _ in 0..ATTEMPTS {
        let area = full_width * full_height * draws.uniform(min_area, max_area);
        let aspect = libm::exp(draws.uniform(libm::log(min_aspect), libm::log(max_aspect)));
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
    if aspect < min_aspect {
        h = (full_width / min_aspect).round_ties_even() as u32;
    } else if aspect > max_aspect {
        w = (full_height * max_aspect).round_ties_even() as u32;
    }
    // Extreme aspect ratios can round a side of a small image to zero; no side exceeds the image's.
    let (w, h) = (w.min(width).max(1), h.min(height).max(1));
    Op::Crop {
        left: width.saturating_sub(w) / 2,
        top: height.saturating_sub(h) / 2,
        width: w,
        height: h,
    }
}

/// The operations of the evaluation view: a resize of the short side to `size * 256 / 224` pixels, then a central crop of
/// `size` (methods.md 1.4).
///
/// For `size` 224 these are the usual "resize 256, centre crop 224". An image of `size` x `size` pixels is left unchanged, so
/// that evaluation on CIFAR neither enlarges nor crops.
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
