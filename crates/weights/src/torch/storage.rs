//! The stored values that tensors of a PyTorch file are windows on.

use std::collections::HashMap;

use crate::element::Element;
use crate::pickle::{Id, Node, Pickle};

/// Bytes of every storage by its key.
pub(super) struct Storages<'a>(HashMap<&'a str, &'a [u8]>);

/// What a persistent reference says.
pub(super) struct Reference<'a> {
    pub key: &'a str,
    /// The storage's class, which says what its values are.
    class: &'a str,
    /// A part of the storage: first value and how many; of the legacy format.
    pub part: Option<(usize, usize)>,
}

impl Reference<'_> {
    /// Bytes of a value, also of those that are not read.
    pub fn value_size(&self) -> usize {
        match self.class {
            "ComplexDoubleStorage" => 16,
            "ComplexFloatStorage" => 8,
            "ComplexHalfStorage" | "QInt32Storage" => 4,
            class => element(class).ok().flatten().map_or(1, Element::size),
        }
    }
}

impl<'a> Storages<'a> {
    /// Of a file that has none.
    pub fn none() -> Self {
        Self(HashMap::new())
    }

    /// Of storages by their keys.
    pub fn new(storages: HashMap<&'a str, &'a [u8]>) -> Self {
        Self(storages)
    }

    /// The pickle of an archive and the storages beside it.
    ///
    /// # Errors
    /// When the archive is not PyTorch's.
    pub fn of_archive(entries: &[(&'a str, &'a [u8])]) -> Result<(&'a [u8], Self), String> {
        let (title, pickle) = entries
            .iter()
            .find(|(name, _)| name.ends_with("/data.pkl") || *name == "data.pkl")
            .ok_or("the archive holds no data.pkl: PyTorch did not write it")?;
        let root = title.trim_end_matches("data.pkl");
        let within = |name: &'a str| name.strip_prefix(root);
        if entries
            .iter()
            .any(|(name, _)| within(name) == Some("constants.pkl"))
        {
            return Err(
                "it is a compiled TorchScript program; save model.state_dict() instead".to_string(),
            );
        }
        let order = entries
            .iter()
            .find(|(name, _)| within(name) == Some("byteorder"));
        if order.is_some_and(|(_, order)| *order != b"little") {
            return Err(BIG_ENDIAN.to_string());
        }
        let storages = entries
            .iter()
            .filter_map(|(name, content)| Some((within(name)?.strip_prefix("data/")?, *content)));
        Ok((pickle, Self(storages.collect())))
    }

    /// What the values of the storage are that `id` refers to, and its bytes. No element where each tensor says itself
    /// what the bytes mean.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn find(&self, pickle: &Pickle<'a>, id: Id) -> Result<(Option<Element>, &'a [u8]), String> {
        let Node::Persistent(id) = pickle.node(id) else {
            return Err("it has no storage".to_string());
        };
        let reference = reference(pickle, *id)?;
        let bytes = *self
            .0
            .get(reference.key)
            .ok_or_else(|| format!("its storage '{}' is not in the file", reference.key))?;
        let element = element(reference.class)?;
        let Some((from, count)) = reference.part else {
            return Ok((element, bytes));
        };
        let size = reference.value_size();
        let range = from
            .checked_mul(size)
            .and_then(|from| Some(from..count.checked_mul(size)?.checked_add(from)?));
        let part = range.and_then(|range| bytes.get(range));
        let part = part.ok_or("its part of a storage reaches beyond it")?;
        Ok((element, part))
    }
}

/// What a file of a big-endian machine is answered with.
pub(super) const BIG_ENDIAN: &str = "it was written by a big-endian machine, which is not read";

/// Reads `('storage', type, key, place, count[, part])`.
///
/// # Errors
/// A text that says what is wrong.
pub(super) fn reference<'a>(pickle: &Pickle<'a>, id: Id) -> Result<Reference<'a>, String> {
    let broken = || "its storage is described in an unknown way".to_string();
    let members = pickle.members(id).ok_or_else(broken)?;
    let [kind, class, key, _, _, rest @ ..] = members else {
        return Err(broken());
    };
    if pickle.text(*kind) != Some("storage") {
        return Err(broken());
    }
    let Node::Global(_, class) = pickle.node(*class) else {
        return Err(broken());
    };
    let part = match rest.first().and_then(|part| pickle.members(*part)) {
        Some([_, from, count]) => Some((
            pickle.size(*from).ok_or_else(broken)?,
            pickle.size(*count).ok_or_else(broken)?,
        )),
        _ => None,
    };
    Ok(Reference {
        key: pickle.text(*key).ok_or_else(broken)?,
        class,
        part,
    })
}

fn element(class: &str) -> Result<Option<Element>, String> {
    Ok(Some(match class {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::Bf16,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ShortStorage" => Element::I16,
        "CharStorage" => Element::I8,
        "ByteStorage" => Element::U8,
        "BoolStorage" => Element::Bool,
        "UntypedStorage" | "_UntypedStorage" => return Ok(None),
        other => {
            return Err(format!(
                "it holds values of {other}, which no weight is made of"
            ));
        }
    }))
}
