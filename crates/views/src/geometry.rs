//! Augmentation of images whose annotation has a place: resize to a shortest edge, crop, flip (methods.md 7.2, 7.9).
//!
//! [`Geometry`] draws a list of [`Op`]s. Pixels follow it by [`Canvas`](crate::Canvas), boxes and polygons by [`Moved`],
//! label maps by [`move_labels`].

use parallax_rng::{Draws, Stream};

use crate::error::OpError;
use crate::op::Op;
use crate::policy::ViewKey;

/// How an image with boxes, polygons or a label map is changed: resize, crop, flip, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Lengths of the shorter side in pixels, each at least 1, of which one is drawn; an empty list keeps the size.
    pub short: Vec<u32>,
    /// The longer side is at most this many pixels; the shorter one becomes shorter then.
    pub longest: u32,
    /// Width and height of a crop at a random place; a side that is shorter than that stays whole.
    pub crop: Option<(u32, u32)>,
    /// Probability of a horizontal flip.
    pub flip: f64,
}

impl Geometry {
    /// The operations for an image of this width and height: a pure function of its arguments.
    pub fn draw(&self, key: ViewKey, (width, height): (u32, u32)) -> Vec<Op> {
        let mut draws = Draws::new(key.seed, Stream::View, key.epoch, key.sample, key.view);
        let mut ops = Vec::new();
        let mut size = (width, height);
        let drawn = draws.below(self.short.len() as u32) as usize;
        if let Some(&short) = self.short.get(drawn) {
            size = shortest_edge(size, short, self.longest);
        }
        if size != (width, height) {
            let (width, height) = size;
            ops.push(Op::Resize { width, height });
        }
        if let Some(crop) = self.crop {
            let (width, height) = (crop.0.clamp(1, size.0), crop.1.clamp(1, size.1));
            let top = draws.below(size.1 - height + 1);
            let left = draws.below(size.0 - width + 1);
            if (width, height) != size {
                ops.push(Op::Crop {
                    left,
                    top,
                    width,
                    height,
                });
            }
        }
        if draws.unit() < self.flip {
            ops.push(Op::Hflip {});
        }
        ops
    }
}

/// Width and height after a resize of the shorter side to `short`, or of the longer one to `longest` where it would be
/// longer; each at least 1.
pub fn shortest_edge((width, height): (u32, u32), short: u32, longest: u32) -> (u32, u32) {
    let (w, h) = (f64::from(width), f64::from(height));
    let scale = f64::from(short) / w.min(h);
    // The product of the shorter side would not always be exact.
    let (mut new_w, mut new_h) = match height < width {
        true => (scale * w, f64::from(short)),
        false => (f64::from(short), scale * h),
    };
    if new_w.max(new_h) > f64::from(longest) {
        let scale = f64::from(longest) / new_w.max(new_h);
        (new_w, new_h) = (new_w * scale, new_h * scale);
    }
    let rounded = |side: f64| ((side + 0.5) as u32).max(1);
    (rounded(new_w), rounded(new_h))
}

/// What operations do to coordinates: continuous ones, from the upper left corner of the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    steps: Vec<Step>,
    /// Width and height of the result.
    pub size: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Scale([f64; 2]),
    Shift([f64; 2]),
    Mirror(f64),
}

impl Moved {
    /// By operations on an image of this width and height. Those on colours change no place.
    ///
    /// # Errors
    /// When an operation does not fit.
    pub fn by(ops: &[Op], mut size: (u32, u32)) -> Result<Self, OpError> {
        let mut steps = Vec::new();
        for op in ops {
            let after = op.check(size)?;
            match *op {
                Op::Resize { width, height } => {
                    let ratio = |new: u32, old: u32| f64::from(new) / f64::from(old);
                    steps.push(Step::Scale([ratio(width, size.0), ratio(height, size.1)]));
                }
                Op::Crop { left, top, .. } => {
                    steps.push(Step::Shift([f64::from(left), f64::from(top)]));
                }
                Op::Hflip {} => steps.push(Step::Mirror(f64::from(size.0))),
                _ => {}
            }
            size = after;
        }
        Ok(Self { steps, size })
    }

    /// A point.
    pub fn point(&self, point: [f64; 2]) -> [f64; 2] {
        self.steps.iter().fold(point, |[x, y], step| match *step {
            Step::Scale([across, down]) => [x * across, y * down],
            Step::Shift([left, top]) => [x - left, y - top],
            Step::Mirror(width) => [width - x, y],
        })
    }

    /// A box x1, y1, x2, y2, clipped to the result.
    pub fn corners(&self, [x1, y1, x2, y2]: [f64; 4]) -> [f64; 4] {
        let ([ax, ay], [bx, by]) = (self.point([x1, y1]), self.point([x2, y2]));
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        [
            ax.min(bx).max(0.0).min(width),
            ay.min(by).max(0.0).min(height),
            ax.max(bx).max(0.0).min(width),
            ay.max(by).max(0.0).min(height),
        ]
    }

    /// A polygon x, y, x, y, ...; it is not clipped.
    pub fn polygon(&self, points: &[f64]) -> Vec<f64> {
        let pairs = points.chunks_exact(2);
        pairs
            .flat_map(|pair| self.point([pair[0], pair[1]]))
            .collect()
    }
}

/// Whether a box has sides that a detector can learn: longer than 1e-5 pixels, in f32.
pub fn has_sides([x1, y1, x2, y2]: [f32; 4]) -> bool {
    x2 - x1 > 1e-5 && y2 - y1 > 1e-5
}

/// The label map of an image of this width and height after operations: an id a pixel, row by row. A resize takes the
/// nearest id, as Pillow does. Operations on colours change nothing.
///
/// # Errors
/// When an operation does not fit, or the number of ids is not that of the pixels.
pub fn move_labels(
    ops: &[Op],
    mut size: (u32, u32),
    ids: &[u8],
) -> Result<((u32, u32), Vec<u8>), OpError> {
    let expected = u64::from(size.0) * u64::from(size.1);
    if ids.len() as u64 != expected {
        return Err(OpError::ImageLength {
            width: size.0,
            height: size.1,
            expected,
            found: ids.len(),
        });
    }
    let mut ids = ids.to_vec();
    for op in ops {
        let after = op.check(size)?;
        let (columns, rows): (Vec<usize>, Vec<usize>) = match *op {
            Op::Resize { width, height } => (nearest(size.0, width), nearest(size.1, height)),
            Op::Crop { left, top, .. } => {
                let range = |from: u32, length: u32| {
                    (from as usize..from as usize + length as usize).collect()
                };
                (range(left, after.0), range(top, after.1))
            }
            Op::Hflip {} => (
                (0..size.0 as usize).rev().collect(),
                (0..size.1 as usize).collect(),
            ),
            _ => continue,
        };
        let old = size.0 as usize;
        let row = |&y: &usize| {
            let row = &ids[y * old..(y + 1) * old];
            columns.iter().map(|&x| row[x])
        };
        ids = rows.iter().flat_map(row).collect();
        size = after;
    }
    Ok((size, ids))
}

/// The index of the old pixel that each new one takes.
fn nearest(old: u32, new: u32) -> Vec<usize> {
    let step = f64::from(old) / f64::from(new);
    // The coordinate is a running sum: where it should be a whole number, products would fall on the other side of it.
    let mut at = step * 0.5;
    (0..new)
        .map(|_| {
            let index = (at as usize).min(old as usize - 1);
            at += step;
            index
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(sample: u32) -> ViewKey {
        ViewKey {
            seed: 7,
            epoch: 2,
            sample,
            view: 0,
        }
    }

    #[test]
    fn the_longer_side_is_bounded() {
        assert_eq!(shortest_edge((640, 480), 800, 1333), (1067, 800));
        assert_eq!(shortest_edge((480, 640), 800, 1333), (800, 1067));
        assert_eq!(shortest_edge((500, 375), 800, 1333), (1067, 800));
        assert_eq!(shortest_edge((2000, 500), 800, 1333), (1333, 333));
        assert_eq!(shortest_edge((10_000, 2), 800, 1333), (1333, 1));
        assert_eq!(shortest_edge((1, 1), 1, 1), (1, 1));
    }

    #[test]
    fn draws_depend_on_the_key_and_cover_the_choices() {
        let geometry = Geometry {
            short: vec![30, 40, 50],
            longest: 1000,
            crop: Some((24, 36)),
            flip: 0.5,
        };
        let (mut widths, mut flips, mut lefts) = ([0; 3], 0, std::collections::BTreeSet::new());
        for sample in 0..600 {
            let ops = geometry.draw(key(sample), (60, 80));
            assert_eq!(ops, geometry.draw(key(sample), (60, 80)));
            let [Op::Resize { width, .. }, rest @ ..] = &ops[..] else {
                unreachable!("{ops:?}")
            };
            widths[(*width as usize - 30) / 10] += 1;
            let Op::Crop { left, height, .. } = rest[0] else {
                unreachable!("{ops:?}")
            };
            assert!(left + 24 <= *width && height == 36);
            lefts.insert(left);
            flips += usize::from(rest.len() == 2);
        }
        assert!(
            widths.iter().all(|count| (150..250).contains(count)),
            "{widths:?}"
        );
        assert!((250..350).contains(&flips), "{flips}");
        assert_eq!(lefts.last(), Some(&26));
        // A side that is shorter than the crop stays whole.
        let ops = Geometry {
            short: vec![],
            crop: Some((100, 100)),
            flip: 0.0,
            ..geometry
        };
        assert_eq!(ops.draw(key(0), (60, 80)), []);
    }

    #[test]
    fn places_follow_pixels() {
        // A pixel of its own colour and its box, moved together.
        let (width, height) = (7, 5);
        let mut ids = vec![0; 35];
        ids[2 * 7 + 5] = 9;
        let ops = [
            Op::Crop {
                left: 1,
                top: 1,
                width: 6,
                height: 4,
            },
            Op::Resize {
                width: 12,
                height: 8,
            },
            Op::Hflip {},
            Op::Grayscale {},
        ];
        let moved = Moved::by(&ops, (width, height)).unwrap();
        let corners = moved.corners([5.0, 2.0, 6.0, 3.0]);
        assert_eq!(corners, [2.0, 2.0, 4.0, 4.0]);
        assert_eq!(moved.polygon(&[5.0, 2.0, 6.0, 3.0]), [4.0, 2.0, 2.0, 4.0]);
        let (size, ids) = move_labels(&ops, (width, height), &ids).unwrap();
        assert_eq!(size, (12, 8));
        for (at, id) in ids.iter().enumerate() {
            let (x, y) = (at % 12, at / 12);
            let inside = (2..4).contains(&x) && (2..4).contains(&y);
            assert_eq!(*id == 9, inside, "{x} {y}");
        }
    }

    #[test]
    fn boxes_are_clipped_and_bad_operations_refused() {
        let moved = Moved::by(&[Op::Hflip {}], (10, 10)).unwrap();
        assert_eq!(
            moved.corners([-5.0, 4.0, 3.0, 40.0]),
            [7.0, 4.0, 10.0, 10.0]
        );
        assert_eq!(
            moved.corners([20.0, 4.0, 30.0, 40.0]),
            [0.0, 4.0, 0.0, 10.0]
        );
        let wide = Op::Crop {
            left: 5,
            top: 0,
            width: 6,
            height: 1,
        };
        assert!(Moved::by(std::slice::from_ref(&wide), (10, 10)).is_err());
        assert!(move_labels(&[wide], (10, 10), &[0; 100]).is_err());
        assert!(move_labels(&[], (10, 10), &[0; 99]).is_err());
    }
}
