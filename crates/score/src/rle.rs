//! Masks as run lengths in column-major order, as COCO's tools have them.

use parallax_data::coco::Segmentation;

use crate::error::ScoreError;
use crate::polygon;

/// A binary mask: lengths of runs of zeros and ones in turn, zeros first, down each column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    /// Rows in pixels.
    pub height: u32,
    /// Columns in pixels.
    pub width: u32,
    /// The lengths, whose sum is height times width.
    pub counts: Vec<u32>,
}

impl Rle {
    /// Of the positions at which the mask changes its value, ascending; a position that occurs twice changes nothing.
    pub(crate) fn from_changes(height: u32, width: u32, changes: &[u32]) -> Self {
        let end = height * width;
        let (mut counts, mut from) = (Vec::with_capacity(changes.len() + 1), 0);
        let mut at = 0;
        while at < changes.len() && changes[at] < end {
            let same = changes[at..]
                .iter()
                .take_while(|&&c| c == changes[at])
                .count();
            if same % 2 == 1 {
                counts.push(changes[at] - from);
                from = changes[at];
            }
            at += same;
        }
        if from < end || counts.is_empty() {
            counts.push(end - from);
        }
        Self {
            height,
            width,
            counts,
        }
    }

    /// Of a mask, row by row: 0 is outside, anything else inside.
    pub fn encode(mask: &[u8], height: u32, width: u32) -> Self {
        let (rows, columns) = (height as usize, width as usize);
        let (mut changes, mut inside) = (Vec::new(), false);
        for column in 0..columns {
            for row in 0..rows {
                if (mask[row * columns + column] != 0) != inside {
                    inside = !inside;
                    changes.push((column * rows + row) as u32);
                }
            }
        }
        Self::from_changes(height, width, &changes)
    }

    /// The mask, row by row: 0 or 1.
    pub fn decode(&self) -> Vec<u8> {
        let (rows, columns) = (self.height as usize, self.width as usize);
        let mut mask = vec![0; rows * columns];
        for (from, to) in self.runs() {
            for position in from..to {
                mask[position % rows * columns + position / rows] = 1;
            }
        }
        mask
    }

    /// First and last position (exclusive) of each run of ones.
    fn runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        self.counts.chunks(2).filter_map(move |pair| {
            let from = at + pair[0] as usize;
            let length = pair.get(1).copied().unwrap_or(0) as usize;
            at = from + length;
            (length > 0).then_some((from, at))
        })
    }

    /// Pixels inside.
    pub fn area(&self) -> u64 {
        let ones = self.counts.iter().skip(1).step_by(2);
        ones.map(|&count| u64::from(count)).sum()
    }

    /// Pixels that are inside both masks, which have the same size.
    pub fn intersection(&self, other: &Self) -> u64 {
        let (mut ours, mut theirs) = (self.runs().peekable(), other.runs().peekable());
        let mut pixels = 0;
        while let (Some(&(a0, a1)), Some(&(b0, b1))) = (ours.peek(), theirs.peek()) {
            pixels += a1.min(b1).saturating_sub(a0.max(b0)) as u64;
            match a1 < b1 {
                true => ours.next(),
                false => theirs.next(),
            };
        }
        pixels
    }

    /// The pixels that are inside any of the masks, which have the same size.
    pub fn union(masks: &[Self]) -> Option<Self> {
        let first = masks.first()?;
        // +1 where a run begins, -1 where it ends.
        let mut edges: Vec<(usize, i32)> = masks
            .iter()
            .flat_map(Self::runs)
            .flat_map(|(from, to)| [(from, 1), (to, -1)])
            .collect();
        edges.sort_unstable();
        let (mut changes, mut depth, mut at) = (Vec::new(), 0, 0);
        while at < edges.len() {
            let position = edges[at].0;
            let before = depth;
            while at < edges.len() && edges[at].0 == position {
                depth += edges[at].1;
                at += 1;
            }
            if (before > 0) != (depth > 0) {
                changes.push(position as u32);
            }
        }
        Some(Self::from_changes(first.height, first.width, &changes))
    }

    /// The runs as pycocotools writes them: six bits a character from `0` on, the lowest five of them of the number, the
    /// highest one where more follow; from the fourth run on, differences to the run before the last one.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, &count) in self.counts.iter().enumerate() {
            let mut rest = i64::from(count);
            if index > 2 {
                rest -= i64::from(self.counts[index - 2]);
            }
            loop {
                let bits = rest & 0x1f;
                rest >>= 5;
                // The fifth bit is the sign.
                let more = rest != if bits & 0x10 != 0 { -1 } else { 0 };
                let six = bits | if more { 0x20 } else { 0 };
                text.push(char::from(six as u8 + b'0'));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Reads what [`to_text`](Self::to_text) writes.
    ///
    /// # Errors
    /// When the text ends within a number or the lengths do not add up to the mask.
    pub fn from_text(text: &str, height: u32, width: u32) -> Result<Self, String> {
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut shift) = (0i64, 0u32);
        for byte in text.bytes() {
            if !(b'0'..b'0' + 64).contains(&byte) || shift > 35 {
                return Err("its counts are not a compressed run-length string".to_string());
            }
            let six = i64::from(byte - b'0');
            value |= (six & 0x1f) << shift;
            shift += 5;
            if six & 0x20 != 0 {
                continue;
            }
            if six & 0x10 != 0 {
                value |= -1i64 << shift;
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            let count = u32::try_from(value);
            counts.push(count.map_err(|_| format!("its run {} is {value}", counts.len()))?);
            (value, shift) = (0, 0);
        }
        match shift {
            0 => Self::checked(height, width, counts),
            _ => Err("its counts end within a number".to_string()),
        }
    }

    /// With lengths that must add up to the mask.
    ///
    /// # Errors
    /// When they do not.
    pub fn checked(height: u32, width: u32, counts: Vec<u32>) -> Result<Self, String> {
        let sum: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let pixels = u64::from(height) * u64::from(width);
        match sum == pixels && u32::try_from(pixels).is_ok() {
            true => Ok(Self {
                height,
                width,
                counts,
            }),
            false => Err(format!(
                "its runs hold {sum} pixels, its size {height} x {width} has {pixels}"
            )),
        }
    }
}

/// The mask of a segmentation in an image of this size. `of` says in errors whose it is.
///
/// # Errors
/// When run lengths are damaged or of another size, or a polygon has an odd number of coordinates or fewer than three points.
pub fn mask(
    segmentation: &Segmentation,
    height: u32,
    width: u32,
    of: impl Fn() -> String,
) -> Result<Rle, ScoreError> {
    let wrong = |reason: String| ScoreError::Mask { of: of(), reason };
    let (size, rle) = match segmentation {
        Segmentation::Polygons(polygons) => {
            let masks: Result<Vec<Rle>, String> = polygons
                .iter()
                .map(|points| polygon::rasterize(points, height, width))
                .collect();
            let united = Rle::union(&masks.map_err(wrong)?);
            return united.ok_or_else(|| wrong("its list of polygons is empty".to_string()));
        }
        Segmentation::Runs { size, counts } => {
            (size, Rle::checked(size[0], size[1], counts.clone()))
        }
        Segmentation::Compressed { size, counts } => {
            (size, Rle::from_text(counts, size[0], size[1]))
        }
    };
    match *size == [height, width] {
        true => rle.map_err(wrong),
        false => Err(wrong(format!(
            "its mask has {} x {} pixels, its image {height} x {width} (height x width)",
            size[0], size[1]
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A mask of five rows and seven columns from the bits of a number.
    fn bits(seed: u64) -> Vec<u8> {
        let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..35).map(|at| (mixed >> at & 1) as u8).collect()
    }

    #[test]
    fn masks_survive_encoding_and_text() {
        for seed in 0..500 {
            let mask = bits(seed);
            let rle = Rle::encode(&mask, 5, 7);
            assert_eq!(rle.decode(), mask);
            assert_eq!(
                rle.area(),
                mask.iter().filter(|&&bit| bit == 1).count() as u64
            );
            let text = rle.to_text();
            assert_eq!(Rle::from_text(&text, 5, 7).unwrap(), rle);
        }
    }

    #[test]
    fn unions_and_intersections_are_those_of_the_pixels() {
        for seed in 0..500 {
            let masks = [bits(seed), bits(seed + 9000), bits(seed * 3 + 77)];
            let rles = masks.each_ref().map(|mask| Rle::encode(mask, 5, 7));
            let any: Vec<u8> = (0..35)
                .map(|at| masks.iter().map(|mask| mask[at]).max().unwrap())
                .collect();
            assert_eq!(Rle::union(&rles).unwrap(), Rle::encode(&any, 5, 7));
            let both = (0..35).filter(|&at| masks[0][at] + masks[1][at] == 2);
            assert_eq!(rles[0].intersection(&rles[1]), both.count() as u64);
        }
    }

    #[test]
    fn damaged_texts_are_errors() {
        let text = Rle::encode(&bits(5), 5, 7).to_text();
        assert!(Rle::from_text(&text, 5, 8).unwrap_err().contains("40"));
        assert!(Rle::from_text("\u{7f}", 5, 7).is_err());
        assert!(
            Rle::from_text("P", 5, 7)
                .unwrap_err()
                .contains("end within")
        );
    }
}
