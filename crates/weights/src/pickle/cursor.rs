//! Reading from a pickle's bytes, never past their end.

use super::PickleError;

/// A place in the bytes.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// An error at this place.
    pub fn broken(&self, reason: impl Into<String>) -> PickleError {
        PickleError::Broken {
            at: self.at,
            reason: reason.into(),
        }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest
            .get(..length)
            .ok_or_else(|| self.broken("it ends in the middle"))?;
        self.at += length;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| self.broken("it ends in the middle"))
    }

    pub fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn length4(&mut self) -> Result<usize, PickleError> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.broken("a length without end"))
    }

    pub fn length8(&mut self) -> Result<usize, PickleError> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.broken("a length without end"))
    }

    pub fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| self.broken("a line without end"))?;
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.broken("text that is not UTF-8"))
    }

    pub fn index(&mut self) -> Result<u32, PickleError> {
        let line = self.line()?;
        line.parse()
            .map_err(|_| self.broken("a bad place in the memo"))
    }
}
