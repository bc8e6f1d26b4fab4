//! Data types of tensors in files.

use half::{bf16, f16};

/// The data type of one value, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DType {
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

impl DType {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::Bf16 | DType::I16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether values are integers or booleans: counters, labels, masks.
    pub fn is_integer(self) -> bool {
        !matches!(self, DType::F64 | DType::F32 | DType::F16 | DType::Bf16)
    }

    /// Converts the values to f32. F64 and integers beyond 2^24 are rounded to the nearest; trailing bytes of less than a
    /// value are ignored.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            DType::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            DType::F32 => each(bytes, f32::from_le_bytes),
            DType::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            DType::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            DType::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            DType::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            DType::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            DType::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            DType::U8 => each(bytes, |b| f32::from(u8::from_le_bytes(b))),
            DType::Bool => each(bytes, |[b]| f32::from(u8::from(b != 0))),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|bytes| value(*bytes)).collect()
}
