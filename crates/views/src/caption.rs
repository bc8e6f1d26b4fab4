//! Captions of operations.

use std::fmt;

use crate::op::Op;

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Crop {
                left,
                top,
                width,
                height,
            } => {
                write!(f, "crop {width}×{height} at {left}, {top}")
            }
            Op::Resize { width, height } => write!(f, "resize {width}×{height}"),
            Op::Hflip {} => write!(f, "flip"),
            Op::Brightness { factor } => write!(f, "brightness {factor:.2}"),
            Op::Contrast { factor } => write!(f, "contrast {factor:.2}"),
            Op::Saturation { factor } => write!(f, "saturation {factor:.2}"),
            Op::Hue { delta } => write!(f, "hue {delta:+.3}"),
            Op::Grayscale {} => write!(f, "grayscale"),
            Op::Blur { sigma } => write!(f, "blur σ {sigma:.2}"),
            Op::Solarize { threshold } => write!(f, "solarize {threshold}"),
        }
    }
}
