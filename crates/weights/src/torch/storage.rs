//! The storages of a PyTorch file, of which its tensors are views.

use std::collections::HashMap;

use crate::dtype::DType;
use crate::pickle::{Id, Node, Pickle};

/// Bytes of every storage by its key.
pub(super) struct Storages<'a>(HashMap<&'a str, &'a [u8]>);

/// A persistent reference to a storage.
pub(super) struct Reference<'a> {
    pub key: &'a str,
    /// The storage's class, which implies its dtype.
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
            class => dtype(class).ok().flatten().map_or(1, DType::size),
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

    /// The dtype and the bytes of the storage that `id` refers to. No dtype where each tensor has its own.
    ///
    /// # Errors
    /// The reason as text.
    pub fn find(&self, pickle: &Pickle<'a>, id: Id) -> Result<(Option<DType>, &'a [u8]), String> {
        let Node::Persistent(id) = pickle.node(id) else {
            return Err("it has no storage".to_string());
        };
        let reference = reference(pickle, *id)?;
        let bytes = *self
            .0
            .get(reference.key)
            .ok_or_else(|| format!("its storage '{}' is not in the file", reference.key))?;
        let dtype = dtype(reference.class)?;
        let Some((from, count)) = reference.part else {
            return Ok((dtype, bytes));
        };
        let size = reference.value_size();
        let range = from
            .checked_mul(size)
            .and_then(|from| Some(from..count.checked_mul(size)?.checked_add(from)?));
        let part = range.and_then(|range| bytes.get(range));
        let part = part.ok_or("its part of a storage reaches beyond it")?;
        Ok((dtype, part))
    }
}

/// The error of a file from a big-endian machine.
pub(super) const BIG_ENDIAN: &str = "it was written by a big-endian machine, which is not read";

/// Reads `('storage', type, key, place, count[, part])`.
///
/// # Errors
/// The reason as text.
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

fn dtype(class: &str) -> Result<Option<DType>, String> {
    Ok(Some(match class {
        "DoubleStorage" => DType::F64,
        "FloatStorage" => DType::F32,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::Bf16,
        "LongStorage" => DType::I64,
        "IntStorage" => DType::I32,
        "ShortStorage" => DType::I16,
        "CharStorage" => DType::I8,
        "ByteStorage" => DType::U8,
        "BoolStorage" => DType::Bool,
        "UntypedStorage" | "_UntypedStorage" => return Ok(None),
        other => {
            return Err(format!(
                "it holds values of {other}, a dtype that is not supported"
            ));
        }
    }))
}
