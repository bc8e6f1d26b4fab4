//! Pages: some values of a column, compressed.

use std::io::Read as _;
use std::ops::Range;
use std::sync::Arc;

use super::thrift::{ENDED, In};
use super::{Chunk, Column, Kind, Wrong, levels};

/// The most bytes of a page once it is decompressed.
const MAX_PAGE: usize = 1 << 29;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Values, in the first form of the format.
    Data,
    /// Values, in the second form.
    Data2 {
        /// Bytes of levels before the values, which are not compressed.
        levels: usize,
        /// Whether the values are compressed.
        compressed: bool,
    },
    /// The distinct values of the chunk's pages.
    Dictionary,
    /// Anything else.
    Other,
}

/// The header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// What it holds.
    pub kind: PageKind,
    /// Bytes of the header.
    pub length: usize,
    /// Bytes of the page after its header.
    pub size: usize,
    /// The same, decompressed.
    pub full: usize,
    /// Number of values, nulls included.
    pub values: usize,
    /// How values are written, as the format numbers it.
    encoding: i64,
}

impl PageHeader {
    /// Reads the header that `bytes` begin with; `Ok(None)` where they end before it does.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Wrong> {
        match Self::read(bytes) {
            Ok(header) => Ok(Some(header)),
            Err(wrong) if wrong == ENDED => Ok(None),
            Err(wrong) => Err(wrong),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        let mut input = In::new(bytes);
        let mut header = Self {
            kind: PageKind::Other,
            length: 0,
            size: 0,
            full: 0,
            values: 0,
            encoding: 0,
        };
        let mut last = 0;
        while let Some((number, kind)) = input.field(&mut last)? {
            match number {
                1 => {
                    header.kind = match input.int()? {
                        0 => PageKind::Data,
                        2 => PageKind::Dictionary,
                        3 => PageKind::Data2 {
                            levels: 0,
                            compressed: true,
                        },
                        _ => PageKind::Other,
                    }
                }
                2 => header.full = size(&mut input)?,
                3 => header.size = size(&mut input)?,
                5 | 7 | 8 => header.values_of(number, &mut input)?,
                _ => input.skip(kind)?,
            }
        }
        header.length = input.position();
        Ok(header)
    }

    /// The header of values or of a dictionary within a page's.
    fn values_of(&mut self, which: i16, input: &mut In) -> Result<(), Wrong> {
        let (mut last, mut before, mut packed) = (0, 0, true);
        while let Some((number, kind)) = input.field(&mut last)? {
            match (which, number) {
                (_, 1) => self.values = size(input)?,
                (5 | 7, 2) | (8, 4) => self.encoding = input.int()?,
                (8, 5 | 6) => before += size(input)?,
                // A boolean's value is its type: 1 is true.
                (8, 7) => packed = kind == 1,
                _ => input.skip(kind)?,
            }
        }
        if let PageKind::Data2 { levels, compressed } = &mut self.kind {
            (*levels, *compressed) = (before, packed);
        }
        Ok(())
    }
}

fn size(input: &mut In) -> Result<usize, Wrong> {
    let size = usize::try_from(input.size()?).unwrap_or(usize::MAX);
    match size <= MAX_PAGE {
        true => Ok(size),
        false => Err(format!("a page of {size} bytes")),
    }
}

/// The values of a page.
#[derive(Clone, Debug)]
pub enum Page {
    /// Numbers; `None` is null.
    Numbers(Vec<Option<i64>>),
    /// Byte arrays.
    Bytes {
        /// All of them.
        data: Arc<Vec<u8>>,
        /// Where each one is; `None` is null.
        places: Vec<Option<Range<u32>>>,
    },
}

impl Page {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Page::Numbers(values) => values.len(),
            Page::Bytes { places, .. } => places.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A byte array; `None` where it is null or there is none.
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        let Page::Bytes { data, places } = self else {
            return None;
        };
        let place = places.get(index)?.clone()?;
        data.get(place.start as usize..place.end as usize)
    }

    /// A number; `None` where it is null or there is none.
    pub fn number(&self, index: usize) -> Option<i64> {
        match self {
            Page::Numbers(values) => values.get(index).copied().flatten(),
            Page::Bytes { .. } => None,
        }
    }

    /// Decodes a page of a column from the bytes after its header. Of a chunk whose first page is a dictionary, the other
    /// pages need it.
    ///
    /// # Errors
    /// When it is damaged, or written in a way that is not read here.
    pub fn decode(
        header: &PageHeader,
        bytes: &[u8],
        column: &Column,
        chunk: &Chunk,
        dictionary: Option<&Page>,
    ) -> Result<Self, Wrong> {
        if column.repeated {
            return Err(format!("column {} holds lists", column.name()));
        }
        let ended = || "a page ends too early".to_string();
        let bytes = bytes.get(..header.size).ok_or_else(ended)?;
        let count = header.values;
        let (present, values) = match header.kind {
            PageKind::Dictionary => {
                let values = decompressed(bytes, chunk.codec, header.full)?;
                (vec![true; count], values)
            }
            PageKind::Data => {
                let mut values = decompressed(bytes, chunk.codec, header.full)?;
                let mut present = vec![true; count];
                if column.optional > 0 {
                    let length = values.get(..4).ok_or_else(ended)?;
                    let length: [u8; 4] = length.try_into().map_err(|_| ended())?;
                    let end = 4usize
                        .checked_add(u32::from_le_bytes(length) as usize)
                        .ok_or_else(ended)?;
                    let levels = values.get(4..end).ok_or_else(ended)?;
                    present = defined(levels, column, count)?;
                    values.drain(..end);
                }
                (present, values)
            }
            PageKind::Data2 { levels, compressed } => {
                let (before, rest) = bytes.split_at_checked(levels).ok_or_else(ended)?;
                let present = match column.optional {
                    0 => vec![true; count],
                    _ => defined(before, column, count)?,
                };
                let full = header.full.checked_sub(levels).ok_or_else(ended)?;
                let codec = if compressed { chunk.codec } else { 0 };
                (present, decompressed(rest, codec, full)?)
            }
            PageKind::Other => return Err("a page that holds no values".to_string()),
        };
        match (header.encoding, header.kind) {
            // A dictionary is plain, also where it is called PLAIN_DICTIONARY.
            (0, _) | (2, PageKind::Dictionary) => plain(values, &present, column.kind),
            (2 | 8, _) => by_dictionary(&values, &present, dictionary),
            (other, _) => Err(format!(
                "column {} is written in {}; write the file with plain or dictionary encoding",
                column.name(),
                encoding(other)
            )),
        }
    }
}

/// Which values are not null.
fn defined(levels: &[u8], column: &Column, count: usize) -> Result<Vec<bool>, Wrong> {
    let most = u32::from(column.optional);
    let width = (u32::BITS - most.leading_zeros()) as u8;
    let levels = levels::numbers(levels, width, count)?;
    Ok(levels.into_iter().map(|level| level == most).collect())
}

fn plain(data: Vec<u8>, present: &[bool], kind: Kind) -> Result<Page, Wrong> {
    let ended = || "a page ends in the middle of its values".to_string();
    let mut at = 0usize;
    let mut numbers = |width: usize| {
        let each = present.iter().map(|present| {
            if !present {
                return Ok(None);
            }
            let bytes = data.get(at..at + width).ok_or_else(ended)?;
            at += width;
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(bytes);
            let value = i64::from_le_bytes(wide);
            Ok(Some(match width {
                4 => i64::from(value as i32),
                _ => value,
            }))
        });
        each.collect::<Result<Vec<_>, Wrong>>().map(Page::Numbers)
    };
    match kind {
        Kind::Int32 => numbers(4),
        Kind::Int64 => numbers(8),
        Kind::Other => Err("values that are neither numbers nor bytes".to_string()),
        Kind::Bytes => {
            let mut places = Vec::with_capacity(present.len());
            for &present in present {
                if !present {
                    places.push(None);
                    continue;
                }
                let length = data.get(at..at + 4).ok_or_else(ended)?;
                let length: [u8; 4] = length.try_into().map_err(|_| ended())?;
                let start = at + 4;
                let end = start + u32::from_le_bytes(length) as usize;
                if end > data.len() {
                    return Err(ended());
                }
                places.push(Some(start as u32..end as u32));
                at = end;
            }
            let data = Arc::new(data);
            Ok(Page::Bytes { data, places })
        }
    }
}

fn by_dictionary(data: &[u8], present: &[bool], dictionary: Option<&Page>) -> Result<Page, Wrong> {
    let dictionary =
        dictionary.ok_or_else(|| "a page needs a dictionary that is not there".to_string())?;
    let count = present.iter().filter(|present| **present).count();
    let places = match data.split_first() {
        Some((&width, places)) => levels::numbers(places, width, count)?,
        None if count == 0 => Vec::new(),
        None => return Err("a page ends too early".to_string()),
    };
    if let Some(place) = places
        .iter()
        .find(|place| **place as usize >= dictionary.len())
    {
        return Err(format!(
            "value {place} of a dictionary of {}",
            dictionary.len()
        ));
    }
    let mut places = places.into_iter();
    let each = present.iter().map(|present| match present {
        true => places.next(),
        false => None,
    });
    Ok(match dictionary {
        Page::Numbers(values) => Page::Numbers(each.map(|place| values[place? as usize]).collect()),
        Page::Bytes {
            data,
            places: known,
        } => Page::Bytes {
            data: Arc::clone(data),
            places: each.map(|place| known[place? as usize].clone()).collect(),
        },
    })
}

/// Decompresses to exactly `full` bytes.
fn decompressed(bytes: &[u8], codec: u8, full: usize) -> Result<Vec<u8>, Wrong> {
    let wrong = |error: &dyn std::fmt::Display| format!("a page cannot be decompressed: {error}");
    let data = match codec {
        0 => bytes.to_vec(),
        1 => {
            let length = snap::raw::decompress_len(bytes).map_err(|error| wrong(&error))?;
            if length != full {
                return Err(wrong(&format!("it has {length} bytes, not {full}")));
            }
            let mut decoder = snap::raw::Decoder::new();
            decoder
                .decompress_vec(bytes)
                .map_err(|error| wrong(&error))?
        }
        2 => {
            let mut data = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes)
                .take(full as u64 + 1)
                .read_to_end(&mut data)
                .map_err(|error| wrong(&error))?;
            data
        }
        6 => {
            let mut data = Vec::new();
            ruzstd::decoding::StreamingDecoder::new(bytes)
                .map_err(|error| wrong(&error))?
                .take(full as u64 + 1)
                .read_to_end(&mut data)
                .map_err(|error| wrong(&error))?;
            data
        }
        other => {
            return Err(format!(
                "it is compressed by {}; write it with Snappy, gzip, Zstandard or none",
                ["", "", "", "LZO", "Brotli", "LZ4", "", "LZ4"]
                    .get(usize::from(other))
                    .unwrap_or(&"an unknown method")
            ));
        }
    };
    match data.len() == full {
        true => Ok(data),
        false => Err(wrong(&format!("it has {} bytes, not {full}", data.len()))),
    }
}

fn encoding(number: i64) -> String {
    match number {
        5 => "DELTA_BINARY_PACKED".to_string(),
        6 => "DELTA_LENGTH_BYTE_ARRAY".to_string(),
        7 => "DELTA_BYTE_ARRAY".to_string(),
        9 => "BYTE_STREAM_SPLIT".to_string(),
        other => format!("encoding {other}"),
    }
}
