//! Names in tar shards, as the library WebDataset uses them: files that differ in their extension alone form a sample,
//! `train/0001.jpg` and `train/0001.cls`; and brace patterns that name shards, `imagenet-{000..146}.tar`.

use serde_json::Value;

/// Extensions of images.
pub const IMAGES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The most names that a brace pattern may stand for.
const MAX_NAMES: usize = 1 << 20;

/// The key of a file in a shard and its extension in lower case: the extension begins at the first dot of the file's name,
/// `a.b/0001.seg.PNG` is (`a.b/0001`, `seg.png`). `None` where the name has no extension.
pub fn split_name(path: &str) -> Option<(&str, String)> {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let name = path.get(start..)?;
    let dot = name.find('.').filter(|&dot| dot > 0)?;
    let at = start + dot;
    Some((path.get(..at)?, path.get(at + 1..)?.to_ascii_lowercase()))
}

/// The label in a `.cls` file: a number from 0 or the name of a class.
///
/// # Errors
/// When the file is empty or not text.
pub fn cls_label(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_string())?;
    match text.trim() {
        "" => Err("is empty; it must hold a number from 0 or the name of a class".to_string()),
        label => Ok(label.to_string()),
    }
}

/// Keys of a sample's JSON under which its label is looked for, in this order.
pub const LABEL_KEYS: [&str; 4] = ["label", "cls", "class", "target"];

/// The label in a `.json` file, `None` where it holds none.
///
/// # Errors
/// When the file is not a JSON object, or its label is neither a number from 0 nor a name.
pub fn json_label(bytes: &[u8]) -> Result<Option<String>, String> {
    let object: serde_json::Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| format!("is not a JSON object: {error}"))?;
    let Some((key, value)) = LABEL_KEYS
        .iter()
        .find_map(|key| Some((key, object.get(*key)?)))
    else {
        return Ok(None);
    };
    match value {
        Value::String(name) if !name.is_empty() => Ok(Some(name.clone())),
        Value::Number(number) if number.is_u64() => Ok(Some(number.to_string())),
        other => Err(format!(
            "has {key} {other}; a label is a number from 0 or the name of a class"
        )),
    }
}

/// Classes and the labels that are indices of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The label of each sample.
    pub labels: Vec<u32>,
}

/// Numbers labels as they were written: numbers are indices, of `names` where these are known, else of classes named by the
/// numbers; names are sorted. `samples` are indices of `written`, the distinct labels.
///
/// # Errors
/// When numbers and names are mixed, a number is beyond the names, or a name is not among them.
pub fn number(
    written: &[String],
    samples: impl Iterator<Item = usize>,
    names: Option<Vec<String>>,
) -> Result<Labelled, String> {
    let numbers: Vec<Option<u32>> = written
        .iter()
        .map(
            |label| match label.bytes().all(|byte| byte.is_ascii_digit()) {
                true => label.parse().ok(),
                false => None,
            },
        )
        .collect();
    let as_numbers: Option<Vec<u32>> = numbers.iter().copied().collect();
    let (classes, of_written) = match (as_numbers, names) {
        (Some(numbers), names) => {
            let most = numbers.iter().copied().max().unwrap_or_default();
            let classes = match names {
                Some(names) if most as usize >= names.len() => {
                    return Err(format!(
                        "a sample has label {most}, but there are names of {} classes",
                        names.len()
                    ));
                }
                Some(names) => names,
                None if most > MAX_CLASS => {
                    return Err(format!(
                        "a sample has label {most}; numbers above {MAX_CLASS} are no labels"
                    ));
                }
                None => (0..=most).map(|class| class.to_string()).collect(),
            };
            (classes, numbers)
        }
        (None, names) => {
            let number = numbers.iter().position(Option::is_some);
            if let (Some(number), None) = (number, &names) {
                let name = numbers.iter().position(Option::is_none).unwrap_or(number);
                return Err(format!(
                    "some labels are numbers ({}) and others names ('{}'); use one kind",
                    written[number], written[name]
                ));
            }
            let classes = names.unwrap_or_else(|| {
                let mut classes = written.to_vec();
                classes.sort();
                classes
            });
            let mut labels = Vec::with_capacity(written.len());
            for label in written {
                match classes.iter().position(|class| class == label) {
                    Some(class) => labels.push(class as u32),
                    None => {
                        return Err(format!(
                            "a sample has the label '{label}', which is no class"
                        ));
                    }
                }
            }
            (classes, labels)
        }
    };
    Ok(Labelled {
        classes,
        labels: samples.map(|sample| of_written[sample]).collect(),
    })
}

/// The largest number that is taken for a label where the classes have no names.
const MAX_CLASS: u32 = 1 << 20;

/// The names that a brace pattern stands for, in its order: `{000..146}` counts with the width of its ends, `{a,b}` lists.
/// Text without braces is itself.
///
/// # Errors
/// When a brace is not closed, holds neither a range nor a list, or there are too many names.
pub fn braces(pattern: &str) -> Result<Vec<String>, String> {
    let Some(open) = pattern.find('{') else {
        return match pattern.contains('}') {
            true => Err(format!(
                "'{pattern}': a brace is closed that was not opened"
            )),
            false => Ok(vec![pattern.to_string()]),
        };
    };
    let (before, rest) = pattern.split_at(open);
    let (inside, after) = rest[1..]
        .split_once('}')
        .ok_or_else(|| format!("'{pattern}': a brace is not closed"))?;
    let inner = alternatives(inside).ok_or_else(|| {
        format!("'{pattern}': {{{inside}}} is neither a range such as {{000..146}} nor a list such as {{a,b}}")
    })?;
    let tails = braces(after)?;
    if inner.len().saturating_mul(tails.len()) > MAX_NAMES {
        return Err(format!(
            "'{pattern}' stands for more than {MAX_NAMES} names"
        ));
    }
    let names = inner.iter().flat_map(|text| {
        let joined = tails
            .iter()
            .map(move |tail| format!("{before}{text}{tail}"));
        joined.collect::<Vec<_>>()
    });
    Ok(names.collect())
}

/// The texts that the inside of a brace stands for.
fn alternatives(inside: &str) -> Option<Vec<String>> {
    let Some((from, to)) = inside.split_once("..") else {
        let list: Vec<String> = inside.split(',').map(String::from).collect();
        return (list.len() > 1).then_some(list);
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(from) || !digits(to) {
        return None;
    }
    let width = match from.starts_with('0') || to.starts_with('0') {
        true => from.len().max(to.len()),
        false => 0,
    };
    let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
    if to < from || to - from >= MAX_NAMES {
        return None;
    }
    Some(
        (from..=to)
            .map(|number| format!("{number:0width$}"))
            .collect(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_begins_at_the_first_dot_of_the_name() {
        let of = |path| split_name(path);
        assert_eq!(
            of("a.b/01.seg.PNG"),
            Some(("a.b/01", "seg.png".to_string()))
        );
        assert_eq!(of("./x.JPEG"), Some(("./x", "jpeg".to_string())));
        assert_eq!((of("a.b/01"), of("a/.hidden"), of("")), (None, None, None));
    }

    #[test]
    fn labels_are_numbers_or_names() {
        assert_eq!(cls_label(b" 7\n"), Ok("7".to_string()));
        assert!(cls_label(b"\n").is_err() && cls_label(&[0xFF]).is_err());
        assert_eq!(
            json_label(br#"{"a": 1, "label": 3}"#),
            Ok(Some("3".to_string()))
        );
        assert_eq!(
            json_label(br#"{"class": "cat"}"#),
            Ok(Some("cat".to_string()))
        );
        assert_eq!(json_label(br#"{"caption": "cat"}"#), Ok(None));
        assert!(
            json_label(br#"{"label": -1}"#)
                .unwrap_err()
                .contains("has label -1")
        );
        assert!(json_label(b"[1]").is_err());
    }

    fn numbered(
        written: &[&str],
        names: Option<&[&str]>,
    ) -> Result<(Vec<String>, Vec<u32>), String> {
        let own = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.to_string())
                .collect::<Vec<_>>()
        };
        let samples = (0..written.len()).rev();
        number(&own(written), samples, names.map(own)).map(|found| (found.classes, found.labels))
    }

    #[test]
    fn numbers_are_indices_and_names_are_sorted() {
        let (classes, labels) = numbered(&["2", "0"], None).unwrap();
        assert_eq!((classes.len(), labels), (3, vec![0, 2]));
        let (classes, labels) = numbered(&["2", "0"], Some(&["x", "y", "z"])).unwrap();
        assert_eq!((classes[2].as_str(), labels), ("z", vec![0, 2]));
        let (classes, labels) = numbered(&["dog", "cat"], None).unwrap();
        assert_eq!((classes[0].as_str(), labels), ("cat", vec![0, 1]));
        let (_, labels) = numbered(&["dog", "cat"], Some(&["dog", "cat"])).unwrap();
        assert_eq!(labels, [1, 0]);
        assert!(
            numbered(&["7", "cat"], None)
                .unwrap_err()
                .contains("(7) and others names ('cat')")
        );
        assert!(
            numbered(&["3"], Some(&["x"]))
                .unwrap_err()
                .contains("label 3")
        );
        assert!(
            numbered(&["cow"], Some(&["x"]))
                .unwrap_err()
                .contains("'cow'")
        );
        assert!(numbered(&["4000000000"], None).is_err());
    }

    #[test]
    fn braces_count_and_list() {
        assert_eq!(
            braces("s-{008..010}.tar").unwrap(),
            ["s-008.tar", "s-009.tar", "s-010.tar"]
        );
        assert_eq!(braces("{9..10}").unwrap(), ["9", "10"]);
        assert_eq!(
            braces("{a,b}-{0..1}").unwrap(),
            ["a-0", "a-1", "b-0", "b-1"]
        );
        assert_eq!(braces("plain").unwrap(), ["plain"]);
        for wrong in [
            "a{0..",
            "a}",
            "{}",
            "{1}",
            "{5..3}",
            "{0..9999999}",
            "{0..999}{0..99999}",
        ] {
            assert!(braces(wrong).is_err(), "{wrong}");
        }
    }
}
