//! Detection of truncated JPEG files.
//!
//! The decoder fills the missing part of a truncated file with grey and reports success. Such an image must not be trained
//! on, so the segments are walked to the end-of-image marker before decoding.

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// Walks the segments of a JPEG file up to its end-of-image marker. Trailing bytes are ignored.
pub(crate) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    if bytes.get(..2) != Some(&[0xFF, SOI]) {
        return Err("it does not start like a JPEG file".into());
    }
    let mut at = 2;
    loop {
        let (marker, after) = next_marker(bytes, at).ok_or_else(|| ended(bytes))?;
        at = match marker {
            EOI => return Ok(()),
            // Restart markers, TEM and a repeated start of image have no length.
            0x01 | 0xD0..=0xD8 => after,
            _ => {
                let end = skip_segment(bytes, after).ok_or_else(|| ended(bytes))?;
                if marker == SOS {
                    skip_entropy_coded(bytes, end)
                } else {
                    end
                }
            }
        };
    }
}

fn ended(bytes: &[u8]) -> String {
    format!(
        "the file ends after {} bytes, before the image does",
        bytes.len()
    )
}

/// The next marker at or after `at`, and the offset after it. Stray bytes between segments are skipped, as in other decoders.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        let byte = *bytes.get(at)?;
        let next = *bytes.get(at + 1)?;
        if byte == 0xFF && next != 0x00 && next != 0xFF {
            return Some((next, at + 2));
        }
        at += 1;
    }
}

/// The offset after the segment whose length field is at `at`.
fn skip_segment(bytes: &[u8], at: usize) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let end = at + length.max(2);
    (end <= bytes.len()).then_some(end)
}

/// The offset of the first marker after the entropy-coded data of a scan, other than a restart marker.
fn skip_entropy_coded(bytes: &[u8], mut at: usize) -> usize {
    while let (Some(&byte), Some(&next)) = (bytes.get(at), bytes.get(at + 1)) {
        if byte == 0xFF && !matches!(next, 0x00 | 0xD0..=0xD7 | 0xFF) {
            return at;
        }
        at += 1;
    }
    bytes.len()
}
