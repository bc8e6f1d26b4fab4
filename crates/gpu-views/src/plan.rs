//! A list of operations as the kernels take it: where pixels come from, then colours in stages.
//!
//! Crops, one resize and all flips become one movement of pixels: every operation on colours treats left and right
//! alike, so a flip may move across it. What follows is cut where it must wait for the whole image (contrast) or
//! for neighbours (blur).

use parallax_views::{ExtendedBox, Op};

use crate::error::ViewError;

/// The widest blur: two taps beside the middle one, the outer one weighing less.
pub(crate) const MAX_REACH: u32 = 2;

/// One axis of the movement: which of `from` inputs make the outputs, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Axis {
    /// Inputs, those of the crop.
    pub from: u32,
    /// Outputs of the resize.
    pub to: u32,
    /// First output kept.
    pub start: u32,
    /// Outputs kept.
    pub len: u32,
    /// Whether they are taken from the end.
    pub mirrored: bool,
}

/// An operation on the colour of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Blend with black.
    Brightness(f32),
    /// Blend with the mean grey of the stage's input.
    Contrast(f32),
    /// Blend with the pixel's grey.
    Saturation(f32),
    /// Shift of the hue, in steps of 1/255 of a turn, from 0 to 255.
    Hue(u32),
    /// Luma in all channels.
    Grayscale,
    /// Inversion from a value on.
    Solarize(u32),
}

/// What a stage computes from the whole image that the stage before left.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stage {
    /// On colours, before the blur. A contrast can only be the first.
    pub before: Vec<Step>,
    /// Weights of the three box passes.
    pub blur: Option<ExtendedBox>,
    /// On colours, after the blur.
    pub after: Vec<Step>,
}

/// One view of one image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// First column of the crop.
    pub left: u32,
    /// First row of the crop.
    pub top: u32,
    /// Columns.
    pub along: Axis,
    /// Rows.
    pub down: Axis,
    /// On colours, right after the movement.
    pub first: Vec<Step>,
    /// The rest.
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
            along: whole(width),
            down: whole(height),
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
                // What changes nothing may stand anywhere.
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
                    refuse(plan.along.mirrored.then_some("hflip"))?;
                    resized = Some(op.name());
                    plan.along.to = width;
                    plan.along.len = width;
                    plan.down.to = height;
                    plan.down.len = height;
                }
                Op::Hflip {} => plan.along.mirrored = !plan.along.mirrored,
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
        // A mirrored image is cropped from its other end.
        let left = match self.along.mirrored {
            true => self.along.len - at.0 - size.0,
            false => at.0,
        };
        let axes = [
            (&mut self.along, &mut self.left, left, size.0),
            (&mut self.down, &mut self.top, at.1, size.1),
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
            // Toward zero, then wrapped at 256.
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

    /// The view's columns and rows.
    pub fn size(&self) -> (u32, u32) {
        (self.along.len, self.down.len)
    }
}
