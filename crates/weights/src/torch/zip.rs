//! Archives as PyTorch writes them: entries stored as they are, never compressed.

use crc32fast::hash;

const LOCAL: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
/// Where tensors begin: at a multiple of this, so that they can be mapped into memory.
const ALIGNMENT: usize = 64;

/// Whether these are the first bytes of an archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL.to_le_bytes())
}

/// Names and contents of the entries.
///
/// # Errors
/// The reason as text: truncated, compressed, damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let (mut at, count) = directory(bytes)?;
    let mut entries = Vec::new();
    let mut left = bytes.len();
    for _ in 0..count {
        if u32_at(bytes, at)? != ENTRY {
            return Err("the archive's list of contents is damaged".to_string());
        }
        let lengths = [28, 30, 32].map(|offset| u16_at(bytes, at + offset));
        let [name, extra, comment] = lengths;
        let (name, extra, comment) = (name?.into(), usize::from(extra?), usize::from(comment?));
        let title = std::str::from_utf8(slice(bytes, at + 46, name)?)
            .map_err(|_| "an entry of the archive has a name that is not UTF-8".to_string())?;
        if u16_at(bytes, at + 10)? != 0 {
            return Err(format!(
                "entry '{title}' of the archive is compressed, which PyTorch never does; unpack it and pack it \
                 with `zip -0`"
            ));
        }
        let wide = Wide::read(bytes, at, slice(bytes, at + 46 + name, extra)?)?;
        let content = content(bytes, wide.offset, wide.size)?;
        // Entries must not overlap: reading each of many overlapping ones would take unbounded time.
        left = left.checked_sub(wide.size).ok_or_else(cut_off)?;
        if hash(content) != u32_at(bytes, at + 16)? {
            return Err(format!(
                "entry '{title}' of the archive is damaged: its checksum is another"
            ));
        }
        entries.push((title, content));
        at = at + 46 + name + extra + comment;
    }
    Ok(entries)
}

/// Where the list of contents begins and how many entries it has.
fn directory(bytes: &[u8]) -> Result<(usize, u64), String> {
    const SIZE: usize = 22;
    let cut = || "the archive's end is missing".to_string();
    let last = bytes.len().checked_sub(SIZE).ok_or_else(cut)?;
    // The end may be followed by a comment of 64 KiB at most.
    let end = (last.saturating_sub(usize::from(u16::MAX))..=last)
        .rev()
        .find(|at| u32_at(bytes, *at) == Ok(END))
        .ok_or_else(cut)?;
    if let Some(locator) = end.checked_sub(20)
        && u32_at(bytes, locator)? == LOCATOR_64
    {
        let end = size(u64_at(bytes, locator + 8)?)?;
        if u32_at(bytes, end)? != END_64 {
            return Err("the archive's list of contents is damaged".to_string());
        }
        return Ok((size(u64_at(bytes, end + 48)?)?, u64_at(bytes, end + 32)?));
    }
    let start = size(u32_at(bytes, end + 16)?.into())?;
    Ok((start, u16_at(bytes, end + 10)?.into()))
}

/// Size and place of an entry, of 32 or 64 bits.
struct Wide {
    size: usize,
    offset: usize,
}

impl Wide {
    fn read(bytes: &[u8], entry: usize, mut extra: &[u8]) -> Result<Self, String> {
        let mut packed: u64 = u32_at(bytes, entry + 20)?.into();
        let mut unpacked: u64 = u32_at(bytes, entry + 24)?.into();
        let mut offset: u64 = u32_at(bytes, entry + 42)?.into();
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let field = slice(extra, 4, length)?;
            if id == 1 {
                // Only those that do not fit 32 bits are in the field, in this order.
                let mut at = 0;
                for value in [&mut unpacked, &mut packed, &mut offset] {
                    if *value == u64::from(u32::MAX) {
                        *value = u64_at(field, at)?;
                        at += 8;
                    }
                }
            }
            extra = &extra[4 + length..];
        }
        if packed != unpacked {
            return Err("the archive's list of contents is damaged".to_string());
        }
        Ok(Self {
            size: size(unpacked)?,
            offset: size(offset)?,
        })
    }
}

/// The bytes of an entry behind its local header.
fn content(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    if u32_at(bytes, at)? != LOCAL {
        return Err("the archive's list of contents is damaged".to_string());
    }
    let name = usize::from(u16_at(bytes, at + 26)?);
    let extra = usize::from(u16_at(bytes, at + 28)?);
    slice(bytes, at + 30 + name + extra, length)
}

fn size(value: u64) -> Result<usize, String> {
    // Half of the range is left for the sums of offsets.
    usize::try_from(value)
        .ok()
        .filter(|value| *value < usize::MAX / 2)
        .ok_or_else(cut_off)
}

fn cut_off() -> String {
    "the archive is cut off or damaged".to_string()
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    let end = at.checked_add(length).ok_or_else(cut_off)?;
    bytes.get(at..end).ok_or_else(cut_off)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    let field = slice(bytes, at, 2)?;
    field
        .try_into()
        .map(u16::from_le_bytes)
        .map_err(|_| cut_off())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    let field = slice(bytes, at, 4)?;
    field
        .try_into()
        .map(u32::from_le_bytes)
        .map_err(|_| cut_off())
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    let field = slice(bytes, at, 8)?;
    field
        .try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| cut_off())
}

/// Builds an archive.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Archive {
    /// Adds an entry.
    ///
    /// # Errors
    /// When the archive would need more than 4 GiB or 65,535 entries.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), String> {
        let too_big = || "more than 4 GiB do not fit this format".to_string();
        let offset = u32::try_from(self.bytes.len()).map_err(|_| too_big())?;
        let length = u32::try_from(content.len()).map_err(|_| too_big())?;
        let title = u16::try_from(name.len()).map_err(|_| too_big())?;
        self.count = self.count.checked_add(1).ok_or_else(too_big)?;
        // The padding is an extra field, as PyTorch's own: two letters, its length, anything.
        let start = self.bytes.len() + 30 + name.len() + 4;
        let padding = start.next_multiple_of(ALIGNMENT) - start;

        // Version 2.0, no flags, stored, no time, the first day that the format knows.
        let mut shared = Vec::with_capacity(26);
        for field in [20u16, 0, 0, 0, 0x21] {
            shared.extend_from_slice(&field.to_le_bytes());
        }
        for field in [hash(content), length, length] {
            shared.extend_from_slice(&field.to_le_bytes());
        }
        shared.extend_from_slice(&title.to_le_bytes());

        self.bytes.extend_from_slice(&LOCAL.to_le_bytes());
        self.bytes.extend_from_slice(&shared);
        self.bytes
            .extend_from_slice(&(padding as u16 + 4).to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"FB");
        self.bytes
            .extend_from_slice(&(padding as u16).to_le_bytes());
        self.bytes.resize(self.bytes.len() + padding, b'Z');
        self.bytes.extend_from_slice(content);

        self.directory.extend_from_slice(&ENTRY.to_le_bytes());
        self.directory.extend_from_slice(&20u16.to_le_bytes());
        self.directory.extend_from_slice(&shared);
        // No extra field, no comment, the first disk, no attributes.
        self.directory.extend_from_slice(&[0; 12]);
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        Ok(())
    }

    /// The archive with its list of contents.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn finish(mut self) -> Result<Vec<u8>, String> {
        let too_big = |_| "more than 4 GiB do not fit this format".to_string();
        let start = u32::try_from(self.bytes.len()).map_err(too_big)?;
        let length = u32::try_from(self.directory.len()).map_err(too_big)?;
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(&END.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        for _ in 0..2 {
            self.bytes.extend_from_slice(&self.count.to_le_bytes());
        }
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&start.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        Ok(self.bytes)
    }
}
