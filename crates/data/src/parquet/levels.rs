//! Small numbers in runs and in packed bits, as definition levels and places in a dictionary are written.

use super::Wrong;

/// The first `count` numbers of `width` bits each.
///
/// # Errors
/// When the bytes end before.
pub(super) fn numbers(bytes: &[u8], width: u8, count: usize) -> Result<Vec<u32>, Wrong> {
    if width > 32 {
        return Err(format!("numbers of {width} bits"));
    }
    if width == 0 {
        return Ok(vec![0; count]);
    }
    let ended = || "a page ends in the middle of its levels".to_string();
    let (mut found, mut at) = (Vec::with_capacity(count.min(1 << 20)), 0);
    while found.len() < count {
        let (head, length) = varint(&bytes[at.min(bytes.len())..]).ok_or_else(ended)?;
        at += length;
        let left = count - found.len();
        if head & 1 == 0 {
            let bytes_each = usize::from(width).div_ceil(8);
            let value = bytes.get(at..at + bytes_each).ok_or_else(ended)?;
            let value = value
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u32::from(byte));
            at += bytes_each;
            let run = usize::try_from(head >> 1).unwrap_or(usize::MAX);
            if run == 0 {
                return Err(ended());
            }
            found.resize(found.len() + run.min(left), value);
        } else {
            let groups = usize::try_from(head >> 1).map_err(|_| ended())?;
            let size = groups.checked_mul(usize::from(width)).ok_or_else(ended)?;
            // The last group may be cut where its padding would be.
            let packed = &bytes[at.min(bytes.len())..at.saturating_add(size).min(bytes.len())];
            let run = left.min(groups.saturating_mul(8));
            if run == 0 || packed.len() * 8 < run * usize::from(width) {
                return Err(ended());
            }
            found.extend((0..run).map(|index| unpacked(packed, index * usize::from(width), width)));
            at = at.saturating_add(size);
        }
    }
    Ok(found)
}

/// The number of `width` bits from the bit `from` on, lowest bit first.
fn unpacked(bytes: &[u8], from: usize, width: u8) -> u32 {
    let mut value = 0u64;
    let first = from / 8;
    for (place, byte) in bytes[first..].iter().take(5).enumerate() {
        value |= u64::from(*byte) << (8 * place);
    }
    ((value >> (from % 8)) & ((1 << width) - 1)) as u32
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (place, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F).checked_shl(7 * place as u32)?;
        if byte < 0x80 {
            return Some((value, place + 1));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::numbers;

    #[test]
    fn runs_and_packed_bits() {
        // The example of the format's description: 0 to 7 in 3 bits each.
        let packed = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(numbers(&packed, 3, 8).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(&packed, 3, 2).unwrap(), [0, 1]);
        assert_eq!(
            numbers(&[10, 7, 4, 0], 2, 7).unwrap(),
            [7, 7, 7, 7, 7, 0, 0]
        );
        assert_eq!(numbers(&[4, 1, 2], 12, 2).unwrap(), [513, 513]);
        assert_eq!(numbers(&[], 0, 3).unwrap(), [0; 3]);
        for damaged in [&[][..], &[0x80], &[3, 1], &[4], &[0, 1], &[1]] {
            assert!(numbers(damaged, 9, 5).is_err(), "{damaged:?}");
        }
    }
}
