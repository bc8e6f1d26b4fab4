//! The format before PyTorch 1.6: pickles one after the other, then the storages.

use std::collections::HashMap;

use super::TorchError;
use super::storage::{BIG_ENDIAN, Storages, reference};
use crate::pickle::{Node, Pickle, parse};

/// `PROTO 2, LONG1` and the number that PyTorch begins with.
const START: [u8; 14] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
];
const PROTOCOL: i64 = 1001;

/// Whether these are the first bytes of such a file.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(&START)
}

/// What was saved, and the storages behind it.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle<'_>, Storages<'_>), TorchError> {
    let (_, at) = parse(bytes, 0)?;
    let (protocol, at) = parse(bytes, at)?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        return Err("it is of another version of PyTorch's old format"
            .to_string()
            .into());
    }
    let (system, at) = parse(bytes, at)?;
    let little = system.get(system.root, "little_endian");
    if little.is_some_and(|id| matches!(system.node(id), Node::Bool(false))) {
        return Err(BIG_ENDIAN.to_string().into());
    }
    let (saved, at) = parse(bytes, at)?;
    let (keys, mut at) = parse(bytes, at)?;

    let sizes = value_sizes(&saved);
    let cut = || "it is cut off: the storages behind the pickle are not whole".to_string();
    let mut storages = HashMap::new();
    for key in keys.members(keys.root).unwrap_or_default() {
        let key = keys
            .text(*key)
            .ok_or_else(|| "a storage without a name".to_string())?;
        let (count, rest) = bytes
            .get(at..)
            .and_then(|rest| rest.split_first_chunk::<8>())
            .ok_or_else(cut)?;
        let size = *sizes
            .get(key)
            .ok_or_else(|| format!("storage '{key}' belongs to no tensor"))?;
        let length = usize::try_from(i64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(size))
            .ok_or_else(cut)?;
        storages.insert(key, rest.get(..length).ok_or_else(cut)?);
        at += 8 + length;
    }
    Ok((saved, Storages::new(storages)))
}

/// Bytes of a value of every storage that something refers to.
fn value_sizes<'a>(pickle: &Pickle<'a>) -> HashMap<&'a str, usize> {
    let references = pickle.nodes().filter_map(|node| match node {
        Node::Persistent(id) => reference(pickle, *id).ok(),
        _ => None,
    });
    references
        .map(|reference| (reference.key, reference.value_size()))
        .collect()
}
