//! Lists: part of a data set as a text file.
//!
//! A line of a list is an image; empty lines and lines that begin with `#` are left out. Images of a data set without files
//! are given by index, and the first line names the data set:
//!
//! ```text
//! # parallax list: images=2000 split=train per=class ratio=0.2 seed=0 source=sample
//! 17
//! ```
//!
//! Images that are files are given by path, absolute or relative to the list's folder. Their class is the name of the folder
//! that they are in, or what follows a tab:
//!
//! ```text
//! # parallax list: images=3 split=train per=image ratio=0.7 seed=0 folder=images
//! ../images/cat/1.jpg
//! ../images/dog/beagles/7.jpg<TAB>dog
//! ```
//!
//! `images` is the number of images that the list was drawn from ([`Source::full_len`](crate::Source::full_len)). Only
//! `source` must be given, for indices; the other entries of the first line are optional.

use std::fmt::Write as _;

use crate::error::DataError;

/// What the first line of a list begins with.
const MARK: &str = "# parallax list:";

/// A list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// How it was made.
    pub header: Header,
    /// The images, in the order of the file.
    pub items: Items,
}

/// The first line of a list. What it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// Images of the data set that the list was drawn from.
    pub images: Option<usize>,
    /// The split that the list was drawn from: `train` or `test`.
    pub split: Option<String>,
    /// What was drawn: whole classes (`class`) or images of every class (`image`).
    pub per: Option<String>,
    /// The fraction that was drawn.
    pub ratio: Option<f64>,
    /// The seed of the draw.
    pub seed: Option<u64>,
    /// The folder of the images, for readers: paths do not depend on it.
    pub folder: Option<String>,
}

/// The images of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Items {
    /// Indices in a data set.
    Indices {
        /// The data set.
        source: String,
        /// Index and line of each image.
        indices: Vec<(usize, usize)>,
    },
    /// Files.
    Files(Vec<Entry>),
}

impl Default for Items {
    fn default() -> Self {
        Items::Files(Vec::new())
    }
}

/// A file of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path, absolute or relative to the list's folder.
    pub path: String,
    /// The name of its class.
    pub class: String,
    /// The line, from 1.
    pub line: usize,
}

impl Entry {
    /// An entry of a list that is written.
    pub fn new(path: impl Into<String>, class: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            class: class.into(),
            line: 0,
        }
    }
}

impl List {
    /// Reads the content of a list; `name` is for errors.
    ///
    /// # Errors
    /// That name the line: text that is not UTF-8, an unknown entry of the first line, an index that cannot be read, a file
    /// without a class, no images at all.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, DataError> {
        let wrong = |line: usize, reason: String| DataError::List {
            name: name.to_string(),
            line,
            reason,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            wrong(line, "not UTF-8 text; save the list as UTF-8".to_string())
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (header, source) = match text.lines().next().and_then(|l| l.strip_prefix(MARK)) {
            Some(rest) => Header::parse(rest).map_err(|reason| wrong(1, reason))?,
            None => (Header::default(), None),
        };
        let lines = text.lines().zip(1..);
        let lines = lines.filter(|(text, _)| !text.trim().is_empty() && !text.starts_with('#'));
        let items = match source {
            Some(source) => {
                let index = |(text, line): (&str, usize)| match text.trim().parse() {
                    Ok(index) => Ok((index, line)),
                    Err(_) => Err(wrong(
                        line,
                        format!("'{}' is not the index of an image of {source}", text.trim()),
                    )),
                };
                let indices = lines.map(index).collect::<Result<_, _>>()?;
                Items::Indices { source, indices }
            }
            None => {
                let entry = |(text, line)| entry(text, line).map_err(|reason| wrong(line, reason));
                Items::Files(lines.map(entry).collect::<Result<_, _>>()?)
            }
        };
        let list = Self { header, items };
        if list.is_empty() {
            let reason = "the list ends without an image; write one on each line";
            return Err(wrong(text.lines().count().max(1), reason.to_string()));
        }
        Ok(list)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        match &self.items {
            Items::Indices { indices, .. } => indices.len(),
            Items::Files(entries) => entries.len(),
        }
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content of the list's file.
    ///
    /// # Errors
    /// When a path or a class has a tab or a line break in it.
    pub fn to_text(&self) -> Result<String, DataError> {
        let mut text = format!("{MARK}{}", self.header.text());
        match &self.items {
            Items::Indices { source, indices } => {
                let _ = writeln!(text, " source={source}");
                for (index, _) in indices {
                    let _ = writeln!(text, "{index}");
                }
            }
            Items::Files(entries) => {
                if let Some(folder) = &self.header.folder {
                    let _ = write!(text, " folder={}", folder.replace(['\r', '\n'], " "));
                }
                text.push('\n');
                for entry in entries {
                    text.push_str(&line(entry)?);
                    text.push('\n');
                }
            }
        }
        Ok(text)
    }
}

impl Header {
    /// The header of the text after [`MARK`], and the name of the data set of indices.
    fn parse(text: &str) -> Result<(Self, Option<String>), String> {
        let (mut header, mut source, mut rest) = (Self::default(), None, text.trim());
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(|| {
                format!("'{rest}' is not of the form key=value; write for example source=sample")
            })?;
            // A folder's name may have spaces: it is the last entry.
            let (value, next) = match key {
                "folder" => (after, ""),
                _ => after.split_once(' ').unwrap_or((after, "")),
            };
            let number = |what: &str| format!("{key}={value} is not {what}");
            match key {
                "source" => source = Some(value.to_string()),
                "folder" => header.folder = Some(value.to_string()),
                "per" => header.per = Some(value.to_string()),
                "split" if ["train", "test"].contains(&value) => {
                    header.split = Some(value.to_string());
                }
                "split" => return Err(number("a split; write train or test")),
                "images" => header.images = Some(value.parse().map_err(|_| number("a number"))?),
                "ratio" => header.ratio = Some(value.parse().map_err(|_| number("a number"))?),
                "seed" => header.seed = Some(value.parse().map_err(|_| number("a number"))?),
                _ => {
                    return Err(format!(
                        "unknown entry '{key}'; there are source, split, images, per, ratio, seed, folder"
                    ));
                }
            }
            rest = next.trim_start();
        }
        Ok((header, source))
    }

    /// All but the folder.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(text, " {key}={value}");
            }
        };
        add("images", self.images.map(|images| images.to_string()));
        add("split", self.split.clone());
        add("per", self.per.clone());
        add("ratio", self.ratio.map(|ratio| ratio.to_string()));
        add("seed", self.seed.map(|seed| seed.to_string()));
        text
    }
}

/// A line with a file.
fn entry(text: &str, line: usize) -> Result<Entry, String> {
    let (path, class) = match text.split_once('\t') {
        Some((path, class)) => (path, Some(class.trim())),
        None => (text, None),
    };
    if path.trim().is_empty() {
        return Err("no path in front of the tab".to_string());
    }
    let class = match class {
        Some("") => return Err("no class behind the tab".to_string()),
        Some(class) if class.contains('\t') => {
            return Err("two tabs; write path, tab, class".to_string());
        }
        Some(class) => class,
        None => folder_name(path).ok_or_else(|| {
            let digits = path.trim().bytes().all(|byte| byte.is_ascii_digit());
            match digits {
                true => format!(
                    "'{path}' is an index, but the first line names no data set; write '{MARK} source=sample'"
                ),
                false => format!("'{path}' is in no folder, which would name its class; write path, tab, class"),
            }
        })?,
    };
    Ok(Entry {
        path: path.to_string(),
        class: class.to_string(),
        line,
    })
}

/// The name of the folder that a file is in.
fn folder_name(path: &str) -> Option<&str> {
    let mut names = path.rsplit(['/', '\\']);
    names.next();
    names.next().filter(|name| !["", ".", ".."].contains(name))
}

/// An entry as a line; the class only where the path does not tell it.
fn line(entry: &Entry) -> Result<String, DataError> {
    let breaks = |text: &str| text.contains(['\t', '\r', '\n']);
    if breaks(&entry.path) || breaks(&entry.class) {
        return Err(DataError::Read {
            name: format!("{:?}", entry.path),
            reason: "a tab or a line break in the name of a file or class; rename it".to_string(),
        });
    }
    // A line that begins with # would be a comment.
    let path = match entry.path.starts_with('#') {
        true => format!("./{}", entry.path),
        false => entry.path.clone(),
    };
    Ok(match folder_name(&path) == Some(entry.class.as_str()) {
        true => path,
        false => format!("{path}\t{}", entry.class),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            images: Some(2000),
            split: Some("train".into()),
            per: Some("class".into()),
            ratio: Some(0.2),
            seed: Some(3),
            folder: None,
        }
    }

    fn refusal(text: &str) -> String {
        List::parse("l.txt", text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn indices_come_back() {
        let list = List {
            header: header(),
            items: Items::Indices {
                source: "sample".into(),
                indices: vec![(17, 2), (4, 3)],
            },
        };
        let text = list.to_text().unwrap();
        assert_eq!(
            text,
            "# parallax list: images=2000 split=train per=class ratio=0.2 seed=3 source=sample\n17\n4\n"
        );
        assert_eq!(List::parse("l.txt", text.as_bytes()), Ok(list));
    }

    #[test]
    fn files_come_back_with_their_classes() {
        let entries = [
            ("../my images/cat/1.jpg", "cat", 2),
            ("dog/beagles/7.jpg", "dog", 3),
            ("/data/bird/#2.jpg", "bird", 4),
            ("./#odd/1.png", "#odd", 5),
            ("1.png", "a b", 6),
        ];
        let entry = |(path, class, line)| Entry {
            line,
            ..Entry::new(path, class)
        };
        let list = List {
            header: Header {
                folder: Some("my images".into()),
                ..header()
            },
            items: Items::Files(entries.map(entry).to_vec()),
        };
        let text = list.to_text().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(" seed=3 folder=my images"));
        assert_eq!(
            lines[1..3],
            ["../my images/cat/1.jpg", "dog/beagles/7.jpg\tdog"]
        );
        assert_eq!(List::parse("l.txt", text.as_bytes()), Ok(list));
        let odd = Items::Files(vec![Entry::new("#odd/1.png", "#odd")]);
        let odd = List {
            header: Header::default(),
            items: odd,
        };
        assert!(odd.to_text().unwrap().ends_with("\n./#odd/1.png\n"));
    }

    #[test]
    fn a_list_by_hand_needs_no_first_line() {
        let text = "\u{feff}cat/1.jpg\r\n\r\n# a note\r\nx/2.jpg\tcat\r\n";
        let list = List::parse("l.txt", text.as_bytes()).unwrap();
        let Items::Files(entries) = &list.items else {
            unreachable!()
        };
        assert_eq!((list.len(), &list.header), (2, &Header::default()));
        assert_eq!((entries[1].class.as_str(), entries[1].line), ("cat", 4));
    }

    #[test]
    fn errors_name_the_line() {
        let indices = "# parallax list: source=sample\n1\n\nx3\n";
        assert_eq!(
            refusal(indices),
            "l.txt line 4: 'x3' is not the index of an image of sample"
        );
        let number = refusal("\n17\n");
        assert!(
            number.contains("line 2: '17' is an index") && number.contains("source=sample"),
            "{number}"
        );
        for (text, line, part) in [
            ("a/1.png\n1.png\n", 2, "in no folder"),
            ("a/1.png\t\n", 1, "no class behind the tab"),
            ("\ta\n", 1, "no path"),
            ("a/1.png\ta\tb\n", 1, "two tabs"),
            (
                "# parallax list: ratoi=1\na/1.png\n",
                1,
                "unknown entry 'ratoi'",
            ),
            (
                "# parallax list: ratio=x\na/1.png\n",
                1,
                "ratio=x is not a number",
            ),
            (
                "# parallax list: split=val\na/1.png\n",
                1,
                "write train or test",
            ),
            ("# parallax list: sample\n1\n", 1, "key=value"),
            ("# only\n# notes\n", 2, "without an image"),
            ("", 1, "without an image"),
        ] {
            let message = refusal(text);
            let start = format!("l.txt line {line}: ");
            assert!(
                message.starts_with(&start) && message.contains(part),
                "{message}"
            );
        }
        let latin = List::parse("l.txt", b"a/1.png\na/\xe9.png\n").unwrap_err();
        assert!(latin.to_string().starts_with("l.txt line 2: not UTF-8"));
        let tab = List {
            header: Header::default(),
            items: Items::Files(vec![Entry::new("a/b\tc.png", "a")]),
        };
        assert!(tab.to_text().is_err());
    }
}
