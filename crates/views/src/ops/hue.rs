//! The hue shift, through 8-bit HSV and back (methods.md 1.4).
//!
//! The widths matter: a value that the reference stores as f32 is rounded to f32 here, and a product with one of its
//! double constants is taken in f64.

/// Shifts the hue by `delta` of a full turn.
///
/// The shift is cut to whole steps of 1/255 of a turn but wraps at 256: that is what the reference does. Even a shift
/// of 0 loses a little, by the 8-bit round trip.
pub fn hue(data: &mut [u8], delta: f64) {
    let shift = (255.0 * delta) as i32 as u8; // toward zero, then wrapped
    let mut sextants = [(0u8, 0f32); 256];
    for (h, entry) in (0..=255u8).zip(sextants.iter_mut()) {
        *entry = sextant(h);
    }
    let (pixels, _) = data.as_chunks_mut::<3>();
    for pixel in pixels {
        let [h, s, v] = rgb_to_hsv(*pixel);
        *pixel = hsv_to_rgb(sextants[usize::from(h.wrapping_add(shift))], s, v);
    }
}

/// Hue, saturation and value, each in 0..=255.
#[inline]
pub fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let max = r.max(g).max(b);
    let min = r.min(g).min(b);
    if max == min {
        return [0, 0, max];
    }
    let range = f32::from(max - min);
    let saturation = range / f32::from(max);
    // Distances from the largest channel, in units of the range.
    let rc = f32::from(max - r) / range;
    let gc = f32::from(max - g) / range;
    let bc = f32::from(max - b) / range;
    let sextant = if r == max {
        bc - gc
    } else if g == max {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    // In [5/6, 11/6]: taking off 1 where it fits is the exact remainder.
    let turn = f64::from(sextant) / 6.0 + 1.0;
    let turn = (if turn >= 1.0 { turn - 1.0 } else { turn }) as f32;
    [
        (f64::from(turn) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        max,
    ]
}

/// Which of the six sextants a hue lies in, and how far into it (0 to 1).
fn sextant(h: u8) -> (u8, f32) {
    let position = f64::from(h) * 6.0 / 255.0;
    let index = position.floor();
    (index as u8 % 6, (position - index) as f32)
}

/// The colour of a hue given as its sextant, at a saturation and a value in 0..=255.
#[inline]
fn hsv_to_rgb((index, f): (u8, f32), s: u8, v: u8) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let value = f64::from(v);
    let s = (f64::from(s) / 255.0) as f32;
    let p = round(value * (1.0 - f64::from(s)));
    let q = round(value * (1.0 - f64::from(s * f)));
    let t = round(value * (1.0 - f64::from(s) * (1.0 - f64::from(f))));
    match index {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

/// To the nearest integer, halves up, for values in 0..=255.
///
/// Adding a half and cutting differs from a true rounding only just below 0.5, where the sum rounds up to 1. No
/// colour leads there; the tests try them all.
#[inline]
fn round(x: f64) -> u8 {
    (x + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_right_for_every_colour() {
        for h in 0..=255 {
            let (_, f) = sextant(h);
            for s in 1..=255u8 {
                let s = (f64::from(s) / 255.0) as f32;
                for v in 0..=255u8 {
                    let v = f64::from(v);
                    for x in [
                        v * (1.0 - f64::from(s)),
                        v * (1.0 - f64::from(s * f)),
                        v * (1.0 - f64::from(s) * (1.0 - f64::from(f))),
                    ] {
                        assert_eq!(f64::from(round(x)), x.round());
                    }
                }
            }
        }
    }
}
