//! Element types that tensors have in files.

use half::{bf16, f16};

/// How one value is stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::Bf16 | Element::I16 => 2,
            Element::I8 | Element::U8 | Element::Bool => 1,
        }
    }

    /// Whether values are whole numbers: counters, labels, masks.
    pub fn is_integer(self) -> bool {
        !matches!(
            self,
            Element::F64 | Element::F32 | Element::F16 | Element::Bf16
        )
    }

    /// One value after the other. F64 and whole numbers beyond 2^24 are rounded to the nearest f32; a rest of
    /// less than one value is left out.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Element::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Element::F32 => each(bytes, f32::from_le_bytes),
            Element::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Element::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Element::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Element::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Element::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Element::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Element::U8 => each(bytes, |b| f32::from(u8::from_le_bytes(b))),
            Element::Bool => each(bytes, |[b]| f32::from(u8::from(b != 0))),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|bytes| value(*bytes)).collect()
}
