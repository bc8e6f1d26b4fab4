//! What a SRC argument leads to.

use std::path::{Path, PathBuf};

use anyhow::Result;
use parallax_data::webdataset::braces;

use super::walk::{entries, extension};
use super::{ACCEPTED, Split, bad, list};

/// What a SRC argument other than the name of a data set leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// A list of images.
    List(PathBuf),
    /// An ImageFolder.
    Folder(PathBuf),
    /// Tar shards, in their order.
    Shards(Vec<PathBuf>),
    /// Parquet files, in their order.
    Parquet(Vec<PathBuf>),
}

/// The place of a split. Where there is only one split, it is found whichever is asked for.
pub fn resolve(spec: &str, split: Split) -> Result<Place> {
    if let Some(file) = list::file(spec) {
        return Ok(Place::List(file.to_path_buf()));
    }
    let path = Path::new(spec);
    if path.is_dir() {
        return folder(path, split);
    }
    let files = matching(spec)?;
    if files.is_empty() {
        return Err(bad(format!(
            "there is no data set and no folder {spec}; data can be {ACCEPTED}"
        )));
    }
    let all = |known: &str| {
        files
            .iter()
            .all(|file| extension(file).is_some_and(|found| found == known))
    };
    match (all("tar"), all("parquet")) {
        (true, _) => Ok(Place::Shards(files)),
        (_, true) => Ok(Place::Parquet(files)),
        _ => Err(bad(format!(
            "{} is a file, and neither a tar shard (.tar) nor parquet (.parquet); data can be {ACCEPTED}. Unpack an \
             archive first.",
            files[0].display()
        ))),
    }
}

/// Whether a SRC has a test split of its own.
pub fn has_two_splits(spec: &str) -> bool {
    let path = Path::new(spec);
    list::file(spec).is_none()
        && path.is_dir()
        && (has_train_folder(path)
            || packed(path).is_some_and(|place| match place {
                Place::Shards(files) | Place::Parquet(files) => {
                    of_split(&files, Split::Train).is_some()
                        && of_split(&files, Split::Test).is_some()
                }
                _ => false,
            }))
}

/// The place of a split in a folder.
fn folder(path: &Path, split: Split) -> Result<Place> {
    if !has_train_folder(path) {
        return Ok(match packed(path) {
            Some(Place::Shards(files)) => Place::Shards(chosen(files, split)),
            Some(Place::Parquet(files)) => Place::Parquet(chosen(files, split)),
            _ => Place::Folder(path.into()),
        });
    }
    let part = match split {
        Split::Train => path.join("train"),
        Split::Test => ["val", "test"]
            .iter()
            .map(|name| path.join(name))
            .find(|part| part.is_dir())
            .ok_or_else(|| {
                let path = path.display();
                bad(format!(
                    "{path} has a folder `train` but neither `val` nor `test`; add one of them"
                ))
            })?,
    };
    Ok(packed(&part).unwrap_or(Place::Folder(part)))
}

/// Whether a folder has the layout `train/CLASS/IMAGE` or `train/SHARD`, and not just a class named `train`.
fn has_train_folder(path: &Path) -> bool {
    let train = path.join("train");
    let Ok(mut entries) = std::fs::read_dir(&train) else {
        return false;
    };
    packed(&train).is_some() || entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()))
}

/// The shards or parquet files of a folder without class folders, sorted by name; also those in its folder `data`, as data
/// sets of Hugging Face have them.
fn packed(path: &Path) -> Option<Place> {
    let (folders, files) = entries(path).ok()?;
    let of = |files: &[PathBuf], known: &str| {
        let own = files.iter();
        let own = own.filter(|file| extension(file).is_some_and(|found| found == known));
        let mut own: Vec<PathBuf> = own.cloned().collect();
        own.sort();
        Some(own).filter(|own| !own.is_empty())
    };
    let data = path.join("data");
    if folders == [data.clone()] {
        let (_, inner) = entries(&data).ok()?;
        return of(&inner, "parquet").map(Place::Parquet);
    }
    if !folders.is_empty() {
        return None;
    }
    let parquet = || of(&files, "parquet").map(Place::Parquet);
    of(&files, "tar").map(Place::Shards).or_else(parquet)
}

/// The files of a split, by their names; all where the names tell no split.
fn chosen(files: Vec<PathBuf>, split: Split) -> Vec<PathBuf> {
    match of_split(&files, Split::Train) {
        Some(train) => match split {
            Split::Train => train,
            Split::Test => of_split(&files, Split::Test).unwrap_or(train),
        },
        None => files,
    }
}

/// The files whose names say that they are of a split: `train-00000-of-00002.parquet`, `imagenet-val-012.tar`. Files of a
/// validation split are preferred to those of a test split, whose labels are often kept back.
fn of_split(files: &[PathBuf], split: Split) -> Option<Vec<PathBuf>> {
    let named = |words: &[&str]| {
        let own = files.iter().filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let name = name.to_ascii_lowercase();
            name.split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| words.contains(&word))
        });
        Some(own.cloned().collect::<Vec<_>>()).filter(|own| !own.is_empty())
    };
    match split {
        Split::Train => named(&["train", "training"]),
        Split::Test => named(&["val", "valid", "validation"]).or_else(|| named(&["test"])),
    }
}

/// The files of a pattern: braces stand for names that must all be there, `*` in a file's name for the names that are there.
fn matching(spec: &str) -> Result<Vec<PathBuf>> {
    let names = braces(spec).map_err(bad)?;
    if let [name] = names.as_slice() {
        return match name.contains('*') {
            true => starred(Path::new(name)),
            false => Ok(vec![PathBuf::from(name)]
                .into_iter()
                .filter(|file| file.is_file())
                .collect()),
        };
    }
    let mut files = Vec::new();
    for name in &names {
        match name.contains('*') {
            true => files.extend(starred(Path::new(name))?),
            false => files.push(PathBuf::from(name)),
        }
    }
    let missing: Vec<&PathBuf> = files.iter().filter(|file| !file.is_file()).collect();
    match missing.first() {
        Some(first) => Err(bad(format!(
            "{spec}: {} of {} files are missing; the first is {}",
            missing.len(),
            files.len(),
            first.display()
        ))),
        None => Ok(files),
    }
}

/// The files of a folder whose names match one with `*`, sorted.
fn starred(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let shown = path.display();
    if !folder.is_dir() {
        return Err(bad(format!(
            "{shown}: there is no folder {}",
            folder.display()
        )));
    }
    let mut files = entries(folder)?.1;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        fits(&pattern, &name)
    });
    files.sort();
    match files.is_empty() {
        true => Err(bad(format!("{shown} matches no file"))),
        false => Ok(files),
    }
}

/// Whether a name matches a pattern in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| fits(after, &rest[at..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::data::tests::TempDir;

    fn of(dir: &TempDir, spec: &str, split: Split) -> Result<Vec<String>> {
        let found = resolve(&format!("{}/{spec}", dir.spec()), split)?;
        let (Place::Shards(files) | Place::Parquet(files)) = found else {
            return Ok(vec![format!("{found:?}")]);
        };
        let names = files.iter().map(|file| file.strip_prefix(&dir.0).unwrap());
        Ok(names.map(|name| name.display().to_string()).collect())
    }

    #[test]
    fn patterns_name_shards() {
        let dir = TempDir::new("patterns");
        for name in ["s/a-0.tar", "s/a-1.tar", "s/b-0.tar", "s/x.zip"] {
            dir.write(name, b"");
        }
        let names = |spec| of(&dir, spec, Split::Train);
        assert_eq!(names("s/a-{0..1}.tar").unwrap(), ["s/a-0.tar", "s/a-1.tar"]);
        assert_eq!(names("s/*-0.tar").unwrap(), ["s/a-0.tar", "s/b-0.tar"]);
        assert_eq!(names("s/a-1.tar").unwrap(), ["s/a-1.tar"]);
        let refusal = |spec| names(spec).unwrap_err().to_string();
        assert!(refusal("s/a-{0..3}.tar").contains("2 of 4 files are missing; the first is"));
        assert!(refusal("s/*.gz").contains("matches no file"));
        assert!(refusal("t/*.tar").contains("there is no folder"));
        assert!(refusal("s/a-{0..").contains("a brace is not closed"));
        assert!(refusal("s/x.zip").contains("is a file, and neither a tar shard"));
        assert!(refusal("s/none").contains("no data set and no folder"));
    }

    #[test]
    fn names_tell_splits() {
        let dir = TempDir::new("splits");
        for name in [
            "hub/data/train-00000-of-00002.parquet",
            "hub/data/train-00001-of-00002.parquet",
            "hub/data/validation-00000-of-00001.parquet",
            "hub/data/test-00000-of-00001.parquet",
            "hub/README.md",
            "tars/set-train-0.tar",
            "tars/set-val-0.tar",
            "one/0.tar",
            "two/train/0.tar",
            "two/val/0.tar",
            "classes/train.tar",
            "classes/cat/1.png",
        ] {
            dir.write(name, b"");
        }
        let names = |spec, split| of(&dir, spec, split).unwrap();
        assert_eq!(names("hub", Split::Train).len(), 2);
        assert_eq!(
            names("hub", Split::Test),
            ["hub/data/validation-00000-of-00001.parquet"]
        );
        assert_eq!(names("tars", Split::Test), ["tars/set-val-0.tar"]);
        assert_eq!(names("one", Split::Test), ["one/0.tar"]);
        assert_eq!(names("two", Split::Test), ["two/val/0.tar"]);
        assert!(names("classes", Split::Train)[0].starts_with("Folder"));
        let two = |spec: &str| has_two_splits(&format!("{}/{spec}", dir.spec()));
        assert!(two("hub") && two("tars") && two("two"));
        assert!(!two("one") && !two("classes"));
    }
}
