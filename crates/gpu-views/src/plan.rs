//! Operations as the kernels compute them: one resampling, then colour operations in stages.
//!
//! Crops, one resize and all flips become one resampling: colour operations and blur commute with a flip. What follows is
//! split into stages where it depends on the whole view (contrast) or on neighbouring pixels (blur).

use parallax_views::{ExtendedBox, Op};

use crate::error::ViewError;

/// The widest blur that a tile's margin holds: two taps on each side of the centre one.
pub(crate) const MAX_REACH: u32 = 2;

/// Resampling along one axis: `from` inputs become `to` outputs, of which a range is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Axis {
    /// Inputs: the length of the crop before the resize.
    pub from: u32,
    /// Outputs of the resize.
    pub to: u32,
    /// First output kept.
    pub start: u32,
    /// Number of outputs kept.
    pub len: u32,
    /// Whether the kept outputs are reversed.
    pub mirrored: bool,
}

/// An operation on the colour of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Blend with black.
    Brightness(f32),
    /// Blend with the mean luma of the stage's input.
    Contrast(f32),
    /// Blend with the pixel's luma.
    Saturation(f32),
    /// Hue shift in steps of 1/255 of a full turn, 0 to 255.
    Hue(u32),
    /// Luma in all channels.
    Grayscale,
    /// Inversion of values at or above a threshold.
    Solarize(u32),
}

/// What is computed in one launch from the whole views that the launch before left.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stage {
    /// Colour steps before the blur. Only the first one can be a contrast.
    pub before: Vec<Step>,
    /// Weights of the box passes.
    pub blur: Option<ExtendedBox>,
    /// Colour steps after the blur.
    pub after: Vec<Step>,
}

/// One view of one image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// First column of the crop.
    pub left: u32,
    /// First row of the crop.
    pub top: u32,
    /// Along rows.
    pub horizontal: Axis,
    /// Down columns.
    pub vertical: Axis,
    /// Colour steps right after the resampling.
    pub first: Vec<Step>,
    /// Everything else.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// Plans the operations for an image of `width` x `height` pixels.
    pub fn new(width: u32, height: u32, ops: &[Op]) -> Result<Self, ViewError> {
        let whole = |side: u32| Axis {
            from: side,
            to: side,
            start: 0,
            len: side,
            mirrored: false,
        };
        let mut plan = Self {
            left: 0,
            top: 0,
            horizontal: whole(width),
            vertical: whole(height),
            first: Vec::new(),
            stages: Vec::new(),
        };
        let mut size = (width, height);
        let (mut resized, mut coloured) = (None, None);
        for op in ops {
            let after = op.check(size)?;
            let refuse = |after: Option<&'static str>| match after {
                Some(after) => Err(ViewError::Order {
                    op: op.name(),
                    after,
                }),
                None => Ok(()),
            };
            match *op {
                // A crop or resize that changes nothing is allowed anywhere.
                Op::Crop { .. } | Op::Resize { .. } if after == size => {}
                Op::Crop {
                    left,
                    top,
                    width,
                    height,
                } => {
                    refuse(coloured)?;
                    plan.crop((left, top), (width, height), resized.is_some());
                }
                Op::Resize { width, height } => {
                    refuse(coloured.or(resized))?;
                    refuse(plan.horizontal.mirrored.then_some("hflip"))?;
                    resized = Some(op.name());
                    plan.horizontal.to = width;
                    plan.horizontal.len = width;
                    plan.vertical.to = height;
                    plan.vertical.len = height;
                }
                Op::Hflip {} => plan.horizontal.mirrored = !plan.horizontal.mirrored,
                Op::Blur { sigma } => {
                    coloured = Some(op.name());
                    plan.blur(sigma)?;
                }
                _ => {
                    coloured = Some(op.name());
                    plan.colour(op);
                }
            }
            size = after;
        }
        Ok(plan)
    }

    fn crop(&mut self, at: (u32, u32), size: (u32, u32), resized: bool) {
        // After a flip the crop counts from the other end.
        let left = match self.horizontal.mirrored {
            true => self.horizontal.len - at.0 - size.0,
            false => at.0,
        };
        let axes = [
            (&mut self.horizontal, &mut self.left, left, size.0),
            (&mut self.vertical, &mut self.top, at.1, size.1),
        ];
        for (axis, origin, first, len) in axes {
            axis.len = len;
            if resized {
                axis.start += first;
            } else {
                *origin += first;
                (axis.from, axis.to) = (len, len);
            }
        }
    }

    fn blur(&mut self, sigma: f64) -> Result<(), ViewError> {
        let weights = ExtendedBox::for_sigma(sigma as f32);
        if weights.radius >= MAX_REACH as usize {
            return Err(ViewError::Blur { sigma });
        }
        if self.stages.last().is_none_or(|stage| stage.blur.is_some()) {
            self.stages.push(Stage::default());
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.blur = Some(weights);
        }
        Ok(())
    }

    fn colour(&mut self, op: &Op) {
        let step = match *op {
            Op::Brightness { factor } => Step::Brightness(factor as f32),
            Op::Contrast { factor } => Step::Contrast(factor as f32),
            Op::Saturation { factor } => Step::Saturation(factor as f32),
            // Truncated toward zero, then modulo 256.
            Op::Hue { delta } => Step::Hue(u32::from((255.0 * delta) as i32 as u8)),
            Op::Grayscale {} => Step::Grayscale,
            Op::Solarize { threshold } => Step::Solarize(u32::from(threshold)),
            Op::Crop { .. } | Op::Resize { .. } | Op::Hflip {} | Op::Blur { .. } => return,
        };
        if matches!(step, Step::Contrast(_)) {
            self.stages.push(Stage::default());
        }
        match self.stages.last_mut() {
            None => self.first.push(step),
            Some(stage) if stage.blur.is_some() => stage.after.push(step),
            Some(stage) => stage.before.push(step),
        }
    }

    /// Width and height of the view in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.horizontal.len, self.vertical.len)
    }
}
