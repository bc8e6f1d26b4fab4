//! Which columns hold images and labels.

use parallax_data::parquet::{Column, Footer, Kind};
use parallax_data::webdataset::LABEL_KEYS;
use serde_json::Value;

/// Names of columns of images without a group `bytes`, and the preferred ones of several.
const IMAGE_NAMES: [&str; 8] = [
    "image", "img", "bytes", "jpg", "jpeg", "png", "webp", "picture",
];

/// What the Hub's library writes about columns.
pub fn features(footer: &Footer) -> Value {
    let text = footer.text("huggingface").unwrap_or_default();
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    value["info"]["features"].take()
}

/// The column of images: a group with `bytes`, else byte arrays of a known name.
pub fn image_column(columns: &[Column]) -> Result<usize, String> {
    let bytes = |column: &&(usize, &Column)| column.1.kind == Kind::Bytes && !column.1.repeated;
    let all: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    let of_group = all
        .iter()
        .filter(bytes)
        .filter(|(_, column)| matches!(column.path.as_slice(), [_, last] if last == "bytes"));
    let grouped: Vec<&(usize, &Column)> = of_group.collect();
    let preferred = |among: &[&(usize, &Column)]| {
        IMAGE_NAMES.iter().find_map(|name| {
            let found = among.iter().find(|(_, column)| column.path[0] == *name);
            found.map(|(place, _)| *place)
        })
    };
    match grouped.as_slice() {
        [(place, _)] => return Ok(*place),
        [] => {}
        several => {
            return preferred(several).ok_or_else(|| {
                let names = several.iter().map(|(_, column)| column.path[0].as_str());
                let names = names.collect::<Vec<_>>().join(", ");
                format!("it has several columns of images ({names}); name the one to read `image`")
            });
        }
    }
    let single = all
        .iter()
        .filter(bytes)
        .filter(|(_, column)| column.path.len() == 1);
    preferred(&single.collect::<Vec<_>>()).ok_or_else(|| {
        let names = columns.iter().map(|column| format!("{} ({:?})", column.name(), column.kind));
        format!(
            "it has no column of images: a group with `bytes`, or bytes named {}; its columns are {}",
            IMAGE_NAMES.join(", "),
            names.collect::<Vec<_>>().join(", ").to_lowercase()
        )
    })
}

/// The column of labels: the one that the Hub's library calls so, else one of a known name.
pub fn label_column(columns: &[Column], features: &Value) -> Option<usize> {
    let usable =
        |column: &Column| column.path.len() == 1 && !column.repeated && column.kind != Kind::Other;
    let own: Vec<(usize, &Column)> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| usable(c))
        .collect();
    let declared: Vec<usize> = own
        .iter()
        .filter(|(_, column)| features[&column.path[0]]["_type"] == "ClassLabel")
        .map(|(place, _)| *place)
        .collect();
    let named = LABEL_KEYS.iter().chain(&["labels", "fine_label"]);
    let mut named = named.filter_map(|name| {
        let found = own.iter().find(|(_, column)| column.path[0] == *name);
        found.map(|(place, _)| *place)
    });
    match declared.as_slice() {
        [only] => Some(*only),
        [] => named.next(),
        several => named.find(|place| several.contains(place)),
    }
}

/// The names of the classes, which the Hub's library writes beside the column.
pub fn class_names(features: &Value, column: &Column) -> Option<Vec<String>> {
    let names = features[&column.path[0]]["names"].as_array()?;
    let names = names.iter().map(|name| name.as_str().map(String::from));
    names
        .collect::<Option<Vec<String>>>()
        .filter(|names| !names.is_empty())
}
