//! Thrift's compact protocol, in which parquet's metadata are written.

use super::Wrong;

/// Nesting beyond this is refused.
const DEPTH: usize = 32;

pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Bytes that are read from the front.
pub(super) struct In<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A field of a structure: its number and type.
pub(super) type Field = (i16, u8);

impl<'a> In<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(ended)
    }

    fn varint(&mut self) -> Result<u64, Wrong> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift > 63 {
                return Err("a number of its metadata is too long".to_string());
            }
        }
    }

    /// An integer of any width.
    pub fn int(&mut self) -> Result<i64, Wrong> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number that cannot be negative.
    pub fn size(&mut self) -> Result<u64, Wrong> {
        u64::try_from(self.int()?).map_err(|_| "a size in its metadata is negative".to_string())
    }

    pub fn binary(&mut self) -> Result<&'a [u8], Wrong> {
        let length = usize::try_from(self.varint()?).map_err(|_| ended())?;
        let end = self.at.checked_add(length).ok_or_else(ended)?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(ended)?;
        self.at = end;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<String, Wrong> {
        Ok(String::from_utf8_lossy(self.binary()?).into_owned())
    }

    /// The next field of a structure; `None` at its end. `last` is the number of the one before, 0 at first.
    pub fn field(&mut self, last: &mut i16) -> Result<Option<Field>, Wrong> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => {
                i16::try_from(self.int()?).map_err(|_| "a field has no valid number".to_string())?
            }
            step => last.wrapping_add(i16::from(step)),
        };
        Ok(Some((*last, byte & 0x0F)))
    }

    /// The length and the type of a list.
    pub fn list(&mut self) -> Result<(usize, u8), Wrong> {
        let byte = self.byte()?;
        let length = match byte >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        // Every item takes a byte at least, so that a longer list is damaged.
        let left = self.bytes.len().saturating_sub(self.at) as u64;
        match length <= left {
            true => Ok((length as usize, byte & 0x0F)),
            false => Err(ended()),
        }
    }

    /// A list of structures, each read by `item`.
    pub fn structs<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, Wrong> {
        let (length, kind) = self.list()?;
        if kind != STRUCT && length > 0 {
            return Err("a list of its metadata has other items".to_string());
        }
        (0..length).map(|_| item(self)).collect()
    }

    /// Passes over a value.
    pub fn skip(&mut self, kind: u8) -> Result<(), Wrong> {
        self.pass(kind, DEPTH)
    }

    fn pass(&mut self, kind: u8, depth: usize) -> Result<(), Wrong> {
        if depth == 0 {
            return Err("its metadata are nested too deeply".to_string());
        }
        match kind {
            // Booleans are in the type.
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => {
                self.varint()?;
            }
            7 => self.at += 8,
            BINARY => {
                self.binary()?;
            }
            LIST | 10 => {
                let (length, kind) = self.list()?;
                // In lists a boolean is a byte.
                let kind = if kind <= 2 { 3 } else { kind };
                for _ in 0..length {
                    self.pass(kind, depth - 1)?;
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.pass(kind, depth - 1)?;
                }
            }
            other => {
                return Err(format!(
                    "a value of its metadata has the unknown type {other}"
                ));
            }
        }
        match self.at <= self.bytes.len() {
            true => Ok(()),
            false => Err(ended()),
        }
    }
}

/// The error of metadata that end too early.
pub(super) const ENDED: &str = "its metadata end too early";

fn ended() -> Wrong {
    ENDED.to_string()
}
