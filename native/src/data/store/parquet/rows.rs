//! The images of parquet files, page by page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_data::DataError;
use parallax_data::parquet::{Chunk, Column, Page, PageHeader};

use super::{Place, read};
use crate::data::store::firsts::Firsts;
use crate::data::store::held::Held;
use crate::data::store::{Store, unreadable};

/// Pages that are kept decompressed: as many threads may read one after the other.
const PAGES: usize = 16;

/// Where a page is: the file's number and the offset.
type Key = (usize, u64);

/// The images of parquet files.
#[derive(Default)]
pub struct Rows {
    pub firsts: Firsts,
    pub held: Vec<Held>,
    pub columns: Vec<Column>,
    pub pages: Vec<Vec<Place>>,
    /// The pages read last: rows are often read one after the other.
    recent: Mutex<VecDeque<(Key, Arc<Page>)>>,
}

impl Rows {
    fn read(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        let (file, row) = self.firsts.locate(index);
        let places = &self.pages[file];
        let after = places.partition_point(|place| place.first <= row as u64);
        let wrong = |reason: String| unreadable(self.name(index), reason);
        let place = after.checked_sub(1).and_then(|page| places.get(page));
        let place = place.ok_or_else(|| wrong("it is on no page".to_string()))?;
        let page = self.page(file, place).map_err(wrong)?;
        let bytes = page.bytes(row - place.first as usize).ok_or_else(|| {
            wrong(
                "it has no image bytes; images that are links to other places are not read".into(),
            )
        })?;
        Ok(bytes[..bytes.len().min(most)].to_vec())
    }

    fn page(&self, file: usize, place: &Place) -> Result<Arc<Page>, String> {
        if let Some(page) = self.known((file, place.offset)) {
            return Ok(page);
        }
        let dictionary = match place.dictionary {
            Some((offset, size)) => match self.known((file, offset)) {
                Some(page) => Some(page),
                None => Some(self.decoded(file, (offset, size), place.codec, None)?),
            },
            None => None,
        };
        self.decoded(
            file,
            (place.offset, place.size),
            place.codec,
            dictionary.as_deref(),
        )
    }

    fn known(&self, key: Key) -> Option<Arc<Page>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let found = recent.iter().find(|(known, _)| *known == key);
        found.map(|(_, page)| Arc::clone(page))
    }

    /// Reads a page and remembers it.
    fn decoded(
        &self,
        file: usize,
        (offset, size): (u64, u64),
        codec: u8,
        dictionary: Option<&Page>,
    ) -> Result<Arc<Page>, String> {
        let bytes = read(&self.held[file], file, offset, size)?;
        let header = PageHeader::parse(&bytes)?;
        let header = header.ok_or_else(|| "it ends in the middle of a page".to_string())?;
        let chunk = Chunk {
            offset,
            size,
            codec,
            values: 0,
        };
        let page = Page::decode(
            &header,
            &bytes[header.length..],
            &self.columns[file],
            &chunk,
            dictionary,
        )?;
        let page = Arc::new(page);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= PAGES {
            recent.pop_front();
        }
        recent.push_back(((file, offset), Arc::clone(&page)));
        Ok(page)
    }
}

impl Store for Rows {
    fn len(&self) -> usize {
        self.firsts.len()
    }

    fn name(&self, index: usize) -> String {
        let (file, row) = self.firsts.locate(index);
        format!("{}: row {row}", self.held[file].path.display())
    }

    fn key(&self, index: usize) -> String {
        let (file, row) = self.firsts.locate(index);
        let stem = self.held[file].path.file_stem().unwrap_or_default();
        format!("{}/{row:06}", stem.to_string_lossy())
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, usize::MAX)
    }

    fn start(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, most)
    }
}
