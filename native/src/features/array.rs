//! An array inside a file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use anyhow::Result;

/// The type of its values, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    F64,
    I64,
    I32,
    U8,
}

impl Kind {
    const ALL: [Self; 5] = [Self::F32, Self::F64, Self::I64, Self::I32, Self::U8];

    /// Numpy's name.
    pub fn numpy(self) -> &'static str {
        match self {
            Kind::F32 => "<f4",
            Kind::F64 => "<f8",
            Kind::I64 => "<i8",
            Kind::I32 => "<i4",
            Kind::U8 => "|u1",
        }
    }

    /// By numpy's name.
    pub fn of_numpy(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.numpy() == name)
    }

    /// The name in safetensors.
    pub fn safetensors(self) -> &'static str {
        match self {
            Kind::F32 => "F32",
            Kind::F64 => "F64",
            Kind::I64 => "I64",
            Kind::I32 => "I32",
            Kind::U8 => "U8",
        }
    }

    /// By the name in safetensors.
    pub fn of_safetensors(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.safetensors() == name)
    }

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Kind::F64 | Kind::I64 => 8,
            Kind::F32 | Kind::I32 => 4,
            Kind::U8 => 1,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }
}

/// Where an array in C order is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    pub kind: Kind,
    pub shape: Vec<usize>,
    /// Of its first byte.
    pub offset: u64,
}

impl Array {
    /// Values of a row: of the first dimension's entries.
    pub fn columns(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The byte behind the last one.
    pub fn end(&self) -> u64 {
        let values: usize = self.shape.iter().product();
        self.offset + (values * self.kind.size()) as u64
    }

    /// Some rows as f32.
    pub fn floats(&self, file: &mut File, rows: Range<usize>) -> Result<Vec<f32>> {
        let bytes = self.bytes(file, rows)?;
        Ok(match self.kind {
            Kind::F64 => each(&bytes, |value| f64::from_le_bytes(value) as f32),
            _ => each(&bytes, f32::from_le_bytes),
        })
    }

    /// Some rows as i64.
    pub fn integers(&self, file: &mut File, rows: Range<usize>) -> Result<Vec<i64>> {
        let bytes = self.bytes(file, rows)?;
        Ok(match self.kind {
            Kind::U8 => each(&bytes, |[value]| i64::from(value)),
            Kind::I32 => each(&bytes, |value| i64::from(i32::from_le_bytes(value))),
            _ => each(&bytes, i64::from_le_bytes),
        })
    }

    fn bytes(&self, file: &mut File, rows: Range<usize>) -> Result<Vec<u8>> {
        let row = self.columns() * self.kind.size();
        file.seek(SeekFrom::Start(self.offset + (rows.start * row) as u64))?;
        let mut bytes = vec![0; rows.len() * row];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A value of each `N` bytes.
fn each<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|&bytes| value(bytes)).collect()
}
