//! Augmentation policies: from a policy and a stream of random numbers to the explicit operations of one view (methods.md 1.3).

use std::borrow::Cow;

use parallax_rng::{Draws, Stream};
use serde::{Deserialize, Serialize};

use crate::error::PolicyError;
use crate::op::{MAX_SIGMA, Op};
use crate::pipeline::ViewKey;

/// How a view is sampled: a square of the image, then steps in order.
///
/// As JSON: `{"crop":{"kind":"random-crop","area":[0.2,1.0],"aspect":[0.75,1.3333333333333333]},"steps":[{"step":"flip","p":0.5}]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What of the image the view shows.
    #[serde(alias = "frame")]
    pub crop: CropSpec,
    /// What follows.
    pub steps: Cow<'static, [Step]>,
}

/// What of an image a view shows. Ranges are (least, most).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CropSpec {
    /// A random part, resized to the square.
    RandomCrop {
        /// The part's area, as a share of the image's, in (0, 1].
        area: (f64, f64),
        /// The part's width over its height, positive; uniform in its logarithm.
        aspect: (f64, f64),
    },
    // The braces make serde refuse unknown keys here too.
    /// The central square of evaluation ([`eval_ops`]): nothing is drawn.
    Central {},
}

/// A step that is taken with probability `p`. Ranges are (least, most).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase", deny_unknown_fields)]
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
        /// Half-width of the hue shift, in turns, at most 0.5.
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
        /// The standard deviation in pixels, uniform.
        sigma: (f64, f64),
    },
    /// Solarize.
    Solarize {
        /// Probability.
        p: f64,
        /// The value from which on values are inverted, 0 to 256.
        threshold: u16,
    },
}

/// How often a crop that fits is looked for.
const ATTEMPTS: u32 = 10;

impl Policy {
    /// The operations of one view of an image of `width` x `height` pixels.
    ///
    /// The draws are taken in the order of this file. What a decision that falls against a step would have needed is
    /// not drawn.
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

    /// Refuses numbers whose views could not be drawn or computed.
    ///
    /// # Errors
    /// When a number is out of its range, or the least of a range is above its most.
    pub fn check(&self) -> Result<(), PolicyError> {
        if let CropSpec::RandomCrop { area, aspect } = self.crop {
            check_range("crop area", area, (f64::MIN_POSITIVE, 1.0))?;
            check_range("crop aspect", aspect, (1e-3, 1e3))?;
        }
        self.steps.iter().try_for_each(Step::check)
    }
}

/// That a value lies in (least, most); not a number lies nowhere.
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
    // Extreme aspects round a side of a small image to nothing, and no side goes beyond the image's.
    let (w, h) = (w.min(width).max(1), h.min(height).max(1));
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
/// For `size` 224 that is the usual "resize 256, centre crop 224". An image that already has `size` x `size` pixels is
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
