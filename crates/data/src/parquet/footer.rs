//! The footer of a file: its columns, and where their chunks are.

use super::Wrong;
use super::thrift::In;

/// The first and the last four bytes of a file.
const MAGIC: &[u8; 4] = b"PAR1";

/// The bytes of a footer, from the last eight bytes of its file: the footer lies directly before them.
///
/// # Errors
/// When these are not the last bytes of a parquet file.
pub fn footer_length(end: &[u8; 8]) -> Result<u64, Wrong> {
    let [a, b, c, d, magic @ ..] = *end;
    match &magic {
        MAGIC => Ok(u64::from(u32::from_le_bytes([a, b, c, d]))),
        b"PARE" => Err("it is encrypted".to_string()),
        _ => Err("it does not end as a parquet file does; it may be truncated".to_string()),
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit numbers.
    Int32,
    /// 64-bit numbers.
    Int64,
    /// Byte arrays: images or text.
    Bytes,
    /// Anything else.
    Other,
}

/// A column of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, with those of the groups that it is in: `["image", "bytes"]`.
    pub path: Vec<String>,
    /// Its type.
    pub kind: Kind,
    /// How many of its name's parts may be null.
    pub optional: u8,
    /// Whether it holds lists.
    pub repeated: bool,
}

impl Column {
    /// The name with dots.
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// The pages of a column in one row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where the first page begins.
    pub offset: u64,
    /// Bytes of all pages.
    pub size: u64,
    /// How pages are compressed, as the format numbers it.
    pub codec: u8,
    /// Values of all pages, nulls included.
    pub values: u64,
}

/// The footer of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Number of rows.
    pub rows: u64,
    /// All columns of values.
    pub columns: Vec<Column>,
    /// For each row group its number of rows and the chunk of every column.
    pub groups: Vec<(u64, Vec<Chunk>)>,
    /// Texts that writers add, by key.
    pub metadata: Vec<(String, String)>,
}

impl Footer {
    /// Reads a footer.
    ///
    /// # Errors
    /// When it is damaged, or has parts in other files.
    pub fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let mut input = In::new(bytes);
        let mut footer = Self::default();
        let (mut last, mut elements) = (0, Vec::new());
        while let Some((number, kind)) = input.field(&mut last)? {
            match number {
                2 => elements = input.structs(element)?,
                3 => footer.rows = input.size()?,
                4 => footer.groups = input.structs(group)?,
                5 => footer.metadata = input.structs(key_value)?,
                _ => input.skip(kind)?,
            }
        }
        footer.columns = columns(&elements)?;
        let columns = footer.columns.len();
        if footer
            .groups
            .iter()
            .any(|(_, chunks)| chunks.len() != columns)
        {
            return Err("a row group has another number of columns".to_string());
        }
        match footer.groups.iter().map(|(rows, _)| *rows).sum::<u64>() == footer.rows {
            true => Ok(footer),
            false => Err("its row groups do not add up to its rows".to_string()),
        }
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|(known, _)| known == key);
        found.map(|(_, text)| text.as_str())
    }
}

/// A node of the schema, which is written depth first.
struct Element {
    name: String,
    kind: Option<i64>,
    repetition: i64,
    children: u64,
}

fn element(input: &mut In) -> Result<Element, Wrong> {
    let mut found = Element {
        name: String::new(),
        kind: None,
        repetition: 0,
        children: 0,
    };
    let mut last = 0;
    while let Some((number, kind)) = input.field(&mut last)? {
        match number {
            1 => found.kind = Some(input.int()?),
            3 => found.repetition = input.int()?,
            4 => found.name = input.text()?,
            5 => found.children = input.size()?,
            _ => input.skip(kind)?,
        }
    }
    Ok(found)
}

/// The leaves of the schema.
fn columns(elements: &[Element]) -> Result<Vec<Column>, Wrong> {
    let mut found = Vec::new();
    // Children still to come, name, whether it may be null, whether it repeats: of every group that is open.
    let mut open: Vec<(u64, &Element)> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        while open.last().is_some_and(|(left, _)| *left == 0) {
            open.pop();
        }
        if let Some((left, _)) = open.last_mut() {
            *left -= 1;
        } else if place > 0 {
            return Err("its schema has more parts than its groups".to_string());
        }
        match element.kind {
            Some(kind) if element.children == 0 => {
                // The root is no part of names.
                let above = open.iter().skip(1).map(|(_, group)| *group);
                let path: Vec<&Element> = above.chain([element]).collect();
                let optional = path.iter().filter(|part| part.repetition == 1).count();
                found.push(Column {
                    path: path.iter().map(|part| part.name.clone()).collect(),
                    kind: match kind {
                        1 => Kind::Int32,
                        2 => Kind::Int64,
                        6 => Kind::Bytes,
                        _ => Kind::Other,
                    },
                    optional: u8::try_from(optional)
                        .map_err(|_| "its schema is nested too deeply".to_string())?,
                    repeated: path.iter().any(|part| part.repetition == 2),
                });
            }
            _ => open.push((element.children, element)),
        }
    }
    Ok(found)
}

fn group(input: &mut In) -> Result<(u64, Vec<Chunk>), Wrong> {
    let (mut rows, mut chunks, mut last) = (0, Vec::new(), 0);
    while let Some((number, kind)) = input.field(&mut last)? {
        match number {
            1 => chunks = input.structs(chunk)?,
            3 => rows = input.size()?,
            _ => input.skip(kind)?,
        }
    }
    Ok((rows, chunks))
}

fn chunk(input: &mut In) -> Result<Chunk, Wrong> {
    let (mut found, mut last) = (None, 0);
    while let Some((number, kind)) = input.field(&mut last)? {
        match number {
            1 => return Err("its columns are in other files".to_string()),
            3 => found = Some(chunk_metadata(input)?),
            _ => input.skip(kind)?,
        }
    }
    found.ok_or_else(|| "a column chunk has no metadata".to_string())
}

fn chunk_metadata(input: &mut In) -> Result<Chunk, Wrong> {
    let (mut codec, mut values, mut size, mut data, mut dictionary, mut last) = (0, 0, 0, 0, 0, 0);
    while let Some((number, kind)) = input.field(&mut last)? {
        match number {
            4 => codec = input.size()?,
            5 => values = input.size()?,
            7 => size = input.size()?,
            9 => data = input.size()?,
            11 => dictionary = input.size()?,
            _ => input.skip(kind)?,
        }
    }
    Ok(Chunk {
        // Some writers say 0 where there is no dictionary.
        offset: match dictionary {
            0 => data,
            dictionary => dictionary.min(data),
        },
        size,
        codec: codec.min(255) as u8,
        values,
    })
}

fn key_value(input: &mut In) -> Result<(String, String), Wrong> {
    let (mut pair, mut last) = ((String::new(), String::new()), 0);
    while let Some((number, kind)) = input.field(&mut last)? {
        match number {
            1 => pair.0 = input.text()?,
            2 => pair.1 = input.text()?,
            _ => input.skip(kind)?,
        }
    }
    Ok(pair)
}
