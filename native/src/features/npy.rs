//! Headers of numpy's array files (format 1.0 and later).

use anyhow::{Result, bail};

use super::array::{Array, Kind};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The header of an array in C order, which its values follow.
pub fn header(kind: Kind, shape: &[usize]) -> Vec<u8> {
    let shape: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let descr = kind.numpy();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version, length, text, newline: a multiple of 64 bytes.
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 11;
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend(((padded + 1) as u16).to_le_bytes());
    header.extend(format!("{text:padded$}\n").as_bytes());
    header
}

/// Reads a header from the first bytes of a file.
pub fn read(bytes: &[u8]) -> Result<Array> {
    let cut = || anyhow::anyhow!("the header is cut off");
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        bail!("it is not an array of numpy");
    };
    let version = *rest.first().ok_or_else(cut)?;
    let (size, begin) = match version {
        1 => {
            let size = rest.get(2..4).ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes([size[0], size[1]])), 10)
        }
        _ => {
            let size = rest.get(2..6).ok_or_else(cut)?;
            let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
            (size as usize, 12)
        }
    };
    let text = bytes.get(begin..begin + size).ok_or_else(cut)?;
    let text = String::from_utf8_lossy(text);
    let field = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let quoted = |text: &str| Some(text.strip_prefix('\'')?.split_once('\'')?.0.to_string());
    let Some(descr) = field("descr").and_then(quoted) else {
        bail!("it has several fields: save a plain array");
    };
    let Some(kind) = Kind::of_numpy(&descr) else {
        bail!(
            "it holds values of numpy's {descr}: save them as float32 or float64, labels as int64"
        );
    };
    if field("fortran_order").is_some_and(|order| order.starts_with("True")) {
        bail!("it is in Fortran order: save numpy.ascontiguousarray of it");
    }
    let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let shape = shape.map(|(sides, _)| sides.split(',').map(str::trim).filter(|s| !s.is_empty()));
    let shape: Option<Vec<usize>> = shape.and_then(|sides| sides.map(|s| s.parse().ok()).collect());
    Ok(Array {
        kind,
        shape: shape.ok_or_else(|| anyhow::anyhow!("it has no shape"))?,
        offset: (begin + size) as u64,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for shape in [vec![3], vec![1_281_167, 2048]] {
            let header = header(Kind::F32, &shape);
            assert!(header.len().is_multiple_of(64) && header.ends_with(b"\n"));
            let array = read(&header).unwrap();
            assert_eq!((array.kind, &array.shape), (Kind::F32, &shape));
            assert_eq!(array.offset, header.len() as u64);
        }
        assert!(read(b"\x93NUMPY\x01\x00\xff").is_err());
        assert!(read(b"PK").is_err());
    }
}
