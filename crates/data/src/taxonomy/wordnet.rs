//! The nouns of WordNet 3.0, from its own files `data.noun` and `index.noun` or `index.sense` (wndb(5WN), senseidx(5WN)).

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::error::TaxonomyError;

/// A noun synset by its id, `n` and its offset in `data.noun` in 8 digits: n02084071.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Synset(u32);

impl Synset {
    /// `artifact`.
    pub const ARTIFACT: Self = Self(21_939);

    /// From an offset as the files have it: 8 digits.
    fn of_offset(text: &str) -> Option<Self> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl FromStr for Synset {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let offset = text.strip_prefix('n').ok_or(())?;
        Self::of_offset(offset).ok_or(())
    }
}

impl fmt::Display for Synset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{:08}", self.0)
    }
}

/// Reads a list of synset ids, one a line, the first word of it; empty lines and lines that begin with `#` are left out.
/// `name` is for errors.
///
/// # Errors
/// That name the line: a word that is no synset id, an id that comes twice. When there are fewer than two ids.
pub fn parse_wnids(name: &str, text: &str) -> Result<Vec<Synset>, TaxonomyError> {
    let mut lines: HashMap<Synset, usize> = HashMap::new();
    let mut found = Vec::new();
    for (text, line) in text.lines().zip(1..) {
        let Some(word) = text
            .split_whitespace()
            .next()
            .filter(|word| !word.starts_with('#'))
        else {
            continue;
        };
        let wrong = |reason| TaxonomyError::Line {
            file: name.to_string(),
            line,
            reason,
        };
        let synset: Synset = word.parse().map_err(|()| {
            wrong(format!(
                "'{word}' is not the id of a noun synset, such as n02084071"
            ))
        })?;
        if let Some(first) = lines.insert(synset, line) {
            return Err(wrong(format!(
                "{synset} is in line {first}, too; remove one"
            )));
        }
        found.push(synset);
    }
    if found.len() < 2 {
        let reason = format!("{} synset id(s); write one a line, at least 2", found.len());
        let name = name.to_string();
        return Err(TaxonomyError::Groups { name, reason });
    }
    Ok(found)
}

/// Where the ranks of senses come from.
#[derive(Clone, Copy, Debug)]
pub enum Index<'a> {
    /// The content of `index.noun`.
    Noun(&'a [u8]),
    /// The content of `index.sense`.
    Sense(&'a [u8]),
}

/// A noun synset's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The first lemma, as the file has it: `_` between words.
    lemma: String,
    /// Targets of the pointers `@`; those of instances, `@i`, do not count.
    hypernyms: Vec<Synset>,
}

/// The noun synsets with their hypernyms.
#[derive(Clone, Debug)]
pub struct WordNet {
    entries: HashMap<Synset, Entry>,
    /// The rank of a synset among the senses of a lemma in lower case, from 1.
    ranks: HashMap<(String, Synset), usize>,
}

/// No chain of hypernyms is as long; the longest of WordNet 3.0 has 19 steps.
const LONGEST: usize = 100;

impl WordNet {
    /// Reads the contents of `data.noun` and of an index.
    ///
    /// # Errors
    /// When a header names another version than 3.0, or a line is malformed.
    pub fn parse(data: &[u8], index: Index<'_>) -> Result<Self, TaxonomyError> {
        let entries = lines("data.noun", data, |text| entry(text).map(|one| vec![one]))?;
        let ranks = match index {
            Index::Noun(bytes) => lines("index.noun", bytes, senses)?,
            Index::Sense(bytes) => lines("index.sense", bytes, sense)?,
        };
        Ok(Self { entries, ranks })
    }

    /// Number of synsets.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first lemma of a synset, with spaces between words. The id where it is unknown.
    pub fn name(&self, synset: Synset) -> String {
        let entry = self.entries.get(&synset);
        entry.map_or_else(|| synset.to_string(), |entry| entry.lemma.replace('_', " "))
    }

    /// Checks that every id is a synset.
    ///
    /// # Errors
    /// That counts those that are not.
    pub fn resolve(&self, synsets: &[Synset]) -> Result<(), TaxonomyError> {
        let unknown = synsets.iter().filter(|id| !self.entries.contains_key(id));
        let unknown: Vec<&Synset> = unknown.collect();
        match unknown.first() {
            None => Ok(()),
            Some(first) => Err(TaxonomyError::Unknown {
                count: unknown.len(),
                first: first.to_string(),
            }),
        }
    }

    /// `lemma.n.NN`: the first lemma in lower case and the rank of this sense of it.
    fn sense_name(&self, synset: Synset, entry: &Entry) -> Result<String, TaxonomyError> {
        let lemma = entry.lemma.to_lowercase();
        let key = (lemma, synset);
        match self.ranks.get(&key) {
            Some(rank) => Ok(format!("{}.n.{rank:02}", key.0)),
            None => Err(TaxonomyError::Sense {
                synset: synset.to_string(),
                lemma: key.0,
            }),
        }
    }

    /// The parent of a synset: its hypernym, of several the one whose name `lemma.n.NN` sorts first. `None` for the root.
    ///
    /// # Errors
    /// When a synset is unknown, or the index lacks a sense that has to be compared.
    pub fn parent(&self, synset: Synset) -> Result<Option<Synset>, TaxonomyError> {
        let find = |synset: Synset| {
            let unknown = || TaxonomyError::Unknown {
                count: 1,
                first: synset.to_string(),
            };
            self.entries.get(&synset).ok_or_else(unknown)
        };
        let hypernyms = &find(synset)?.hypernyms;
        if let [] | [_] = hypernyms[..] {
            return Ok(hypernyms.first().copied());
        }
        let mut named = Vec::with_capacity(hypernyms.len());
        for &hypernym in hypernyms {
            named.push((self.sense_name(hypernym, find(hypernym)?)?, hypernym));
        }
        Ok(named.into_iter().min().map(|(_, hypernym)| hypernym))
    }

    /// A synset, its parent, and so on to the root.
    ///
    /// # Errors
    /// As [`WordNet::parent`], or when parents lead in a circle.
    pub fn chain(&self, synset: Synset) -> Result<Vec<Synset>, TaxonomyError> {
        let mut chain = vec![synset];
        let mut last = synset;
        while let Some(parent) = self.parent(last)? {
            if chain.len() > LONGEST {
                let synset = synset.to_string();
                return Err(TaxonomyError::Circle { synset });
            }
            chain.push(parent);
            last = parent;
        }
        Ok(chain)
    }
}

/// Reads the lines of a file into a map. Lines that begin with two spaces are its header, which names the version.
fn lines<K: Eq + std::hash::Hash, V>(
    file: &str,
    bytes: &[u8],
    read: impl Fn(&str) -> Option<Vec<(K, V)>>,
) -> Result<HashMap<K, V>, TaxonomyError> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = HashMap::new();
    for (text, line) in text.lines().zip(1..) {
        if text.starts_with("  ") {
            check_version(text)?;
            continue;
        }
        let wrong = || TaxonomyError::Line {
            file: file.to_string(),
            line,
            reason: format!("not a line of WordNet's {file}: the file is damaged or another one"),
        };
        found.extend(read(text).ok_or_else(wrong)?);
    }
    if found.is_empty() {
        return Err(TaxonomyError::Groups {
            name: file.to_string(),
            reason: "the file is empty".to_string(),
        });
    }
    Ok(found)
}

/// Refuses the header line `WordNet 3.1 Copyright ...`.
fn check_version(header: &str) -> Result<(), TaxonomyError> {
    let words: Vec<&str> = header.split_whitespace().collect();
    let named = words
        .windows(3)
        .find(|words| words[0] == "WordNet" && words[2].eq_ignore_ascii_case("copyright"));
    match named {
        Some([_, version, _]) if *version != "3.0" => Err(TaxonomyError::Version {
            found: (*version).to_string(),
        }),
        _ => Ok(()),
    }
}

/// A line of `data.noun`: offset, lexicographer file, `n`, word count in hexadecimal, words with lexical ids, pointer count,
/// pointers (symbol, offset, part of speech, source and target).
fn entry(text: &str) -> Option<(Synset, Entry)> {
    let text = text.split(" | ").next().unwrap_or(text);
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let synset = Synset::of_offset(fields.first()?)?;
    if *fields.get(2)? != "n" {
        return None;
    }
    let words = usize::from_str_radix(fields.get(3)?, 16).ok()?;
    let pointers = 4 + 2 * words;
    let count: usize = fields.get(pointers)?.parse().ok()?;
    let pointers = fields.get(pointers + 1..pointers + 1 + 4 * count)?;
    let hypernyms = pointers
        .chunks_exact(4)
        .filter(|pointer| pointer[0] == "@")
        .map(|pointer| Synset::of_offset(pointer[1]));
    let entry = Entry {
        lemma: (*fields.get(4)?).to_string(),
        hypernyms: hypernyms.collect::<Option<_>>()?,
    };
    Some((synset, entry))
}

type Ranks = Vec<((String, Synset), usize)>;

/// A line of `index.noun`: lemma, `n`, synset count, pointer symbols, two counts, offsets in the order of senses.
fn senses(text: &str) -> Option<Ranks> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let (lemma, count) = (fields.first()?, fields.get(2)?.parse::<usize>().ok()?);
    let offsets = fields.get(fields.len().checked_sub(count)?..)?;
    if *fields.get(1)? != "n" || fields.len() < count + 6 {
        return None;
    }
    let rank = |(offset, rank): (&&str, usize)| {
        Some((((*lemma).to_string(), Synset::of_offset(offset)?), rank))
    };
    offsets.iter().zip(1..).map(rank).collect()
}

/// A line of `index.sense`: `lemma%type:...`, offset, rank, count. Type 1 is nouns; other lines give nothing.
fn sense(text: &str) -> Option<Ranks> {
    let mut fields = text.split_ascii_whitespace();
    let (lemma, key) = fields.next()?.rsplit_once('%')?;
    if !key.starts_with("1:") {
        return Some(Vec::new());
    }
    let synset = Synset::of_offset(fields.next()?)?;
    let rank = fields.next()?.parse().ok()?;
    Some(vec![((lemma.to_string(), synset), rank)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DATA: &str = "  1 This software and database\n  14 WordNet 3.0 Copyright 2006 by Princeton University.\n\
        00000001 03 n 01 entity 0 000 | the root\n\
        00000010 03 n 02 Beast 0 brute 1 002 @ 00000001 n 0000 ~ 00000030 n 0000 | x\n\
        00000020 03 n 01 artifact 0 001 @ 00000001 n 0000 | x\n\
        00000030 03 n 01 mule 0 003 @ 00000020 n 0000 @ 00000010 n 0000 @i 00000001 n 0000 | a; \"b | c\"\n";
    const INDEX: &str =
        "  1 This\nbeast n 2 3 @ ~ + 2 0 00000099 00000010\nartifact n 1 1 @ 1 1 00000020\n";

    fn synset(offset: u32) -> Synset {
        Synset(offset)
    }

    fn read(data: &str, index: &str) -> Result<WordNet, TaxonomyError> {
        WordNet::parse(data.as_bytes(), Index::Noun(index.as_bytes()))
    }

    #[test]
    fn of_several_hypernyms_the_first_by_name_is_the_parent() {
        let nouns = read(DATA, INDEX).unwrap();
        assert_eq!(nouns.len(), 4);
        // artifact.n.01 sorts before beast.n.02, and instances do not count.
        assert_eq!(nouns.parent(synset(30)), Ok(Some(synset(20))));
        assert_eq!(nouns.chain(synset(30)).unwrap(), [30, 20, 1].map(synset));
        assert_eq!(nouns.name(synset(10)), "Beast");
        let swapped = DATA.replace("artifact", "zebra");
        let index = INDEX.replace("artifact", "zebra");
        let nouns = read(&swapped, &index).unwrap();
        assert_eq!(nouns.parent(synset(30)), Ok(Some(synset(10))));
        let senses = "beast%1:03:00:: 00000010 2 0\nbeast%2:30:00:: 00000077 1 0\nartifact%1:03:00:: 00000020 1 0\n";
        let nouns = WordNet::parse(DATA.as_bytes(), Index::Sense(senses.as_bytes())).unwrap();
        assert_eq!(nouns.parent(synset(30)), Ok(Some(synset(20))));
    }

    #[test]
    fn the_rank_of_a_sense_decides_between_equal_lemmas() {
        let data = DATA.replace("artifact", "beast");
        for (index, parent) in [
            ("beast n 2 1 @ 2 0 00000010 00000020\n", 10),
            ("beast n 2 1 @ 2 0 00000020 00000010\n", 20),
        ] {
            let nouns = read(&data, index).unwrap();
            assert_eq!(nouns.parent(synset(30)), Ok(Some(synset(parent))));
        }
    }

    #[test]
    fn other_versions_and_damaged_files_are_refused() {
        let newer = read(&DATA.replace("3.0", "3.1"), INDEX).unwrap_err();
        assert_eq!(
            newer,
            TaxonomyError::Version {
                found: "3.1".into()
            }
        );
        assert!(newer.to_string().contains("data fetch wordnet"));
        let cut = DATA.replace("@ 00000010 n 0000 @i 00000001 n 0000", "");
        let error = read(&cut, INDEX).unwrap_err().to_string();
        assert!(error.starts_with("data.noun line 6: "), "{error}");
        let error = read(DATA, "beast n 2\n").unwrap_err().to_string();
        assert!(error.starts_with("index.noun line 1: "), "{error}");
        assert!(read("", INDEX).is_err());
        let nouns = read(DATA, "other n 1 0 1 0 00000099\n").unwrap();
        let error = nouns.parent(synset(30)).unwrap_err().to_string();
        assert!(
            error.contains("no sense n00000020 of 'artifact'"),
            "{error}"
        );
        let error = nouns.resolve(&[1, 7, 8].map(synset)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("2 of the synset ids") && error.contains("n00000007"),
            "{error}"
        );
        let circle = DATA.replace("entity 0 000", "entity 0 001 @ 00000020 n 0000");
        let nouns = read(&circle, INDEX).unwrap();
        assert!(matches!(
            nouns.chain(synset(30)),
            Err(TaxonomyError::Circle { .. })
        ));
    }

    #[test]
    fn lists_of_ids() {
        let ids = parse_wnids("l", "# ids\nn00000030 mule, hinny\r\n\nn00000010\n").unwrap();
        assert_eq!(ids, [30, 10].map(synset));
        assert_eq!(ids[0].to_string(), "n00000030");
        for (text, part) in [
            ("n1\nn00000010\n", "l line 1: 'n1' is not the id"),
            (
                "n00000010\nn00000020\nn00000010\n",
                "l line 3: n00000010 is in line 1",
            ),
            ("n00000010\n", "l: 1 synset id(s)"),
        ] {
            let error = parse_wnids("l", text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
