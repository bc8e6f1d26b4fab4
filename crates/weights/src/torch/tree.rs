//! From a pickle's values to named tensors.

use super::TorchError;
use super::storage::Storages;
use crate::dtype::DType;
use crate::numpy;
use crate::pickle::{Id, Node, Pickle};
use crate::view::View;

/// Depth of nested dictionaries; real checkpoints have up to five.
const MAX_DEPTH: usize = 32;
/// Values that are visited. A pickle may hold the same dictionary in many places.
const MAX_VISITS: usize = 1 << 22;
/// Tensors, and bytes of their names together.
const MAX_TENSORS: usize = 1 << 18;
const MAX_NAMES: usize = 1 << 26;

/// A tensor of the file, or why it cannot be read.
pub(crate) struct Found<'a> {
    /// Keys of the dictionaries on the way, joined by dots.
    pub name: String,
    pub view: Result<View<'a>, String>,
}

/// Every tensor, in the order of the file.
pub(super) fn tensors<'a>(
    pickle: &Pickle<'a>,
    storages: &Storages<'a>,
) -> Result<Vec<Found<'a>>, TorchError> {
    let mut walk = Walk {
        pickle,
        storages,
        found: Vec::new(),
        visits: 0,
        names: 0,
    };
    walk.visit(pickle.root, &mut String::new(), 0)?;
    if walk.found.is_empty() {
        return Err("it holds no tensors".to_string().into());
    }
    Ok(walk.found)
}

struct Walk<'a, 'p> {
    pickle: &'p Pickle<'a>,
    storages: &'p Storages<'a>,
    found: Vec<Found<'a>>,
    visits: usize,
    names: usize,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, id: Id, name: &mut String, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return Err("its dictionaries are nested without end".to_string());
        }
        if let Some(view) = tensor(self.pickle, self.storages, id) {
            self.names += name.len();
            if self.found.len() == MAX_TENSORS || self.names > MAX_NAMES {
                return Err("it holds more tensors than any network".to_string());
            }
            self.found.push(Found {
                name: name.clone(),
                view,
            });
            return Ok(());
        }
        let pickle = self.pickle;
        if let Some(items) = pickle.items(id) {
            for (key, value) in items {
                self.enter(name, depth, *value, |name| pickle.push_key(*key, name))?;
            }
        } else if let Some(members) = pickle.members(id) {
            for (number, member) in members.iter().enumerate() {
                self.enter(name, depth, *member, |name| {
                    name.push_str(&number.to_string())
                })?;
            }
        }
        Ok(())
    }

    /// Visits what is under a key.
    fn enter(
        &mut self,
        name: &mut String,
        depth: usize,
        value: Id,
        key: impl FnOnce(&mut String),
    ) -> Result<(), String> {
        let length = name.len();
        if length > 0 {
            name.push('.');
        }
        key(name);
        if name.len() > MAX_NAMES {
            return Err("its names are longer than any tensor's".to_string());
        }
        let done = self.visit(value, name, depth + 1);
        name.truncate(length);
        done
    }
}

/// The tensor that a call builds, if it builds one.
fn tensor<'a>(
    pickle: &Pickle<'a>,
    storages: &Storages<'a>,
    id: Id,
) -> Option<Result<View<'a>, String>> {
    if let Some(array) = numpy::array(pickle, id) {
        return Some(array);
    }
    let (module, name, arguments) = pickle.call(id)?;
    match (module, name, arguments) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2", arguments) => {
            Some(rebuilt(pickle, storages, arguments))
        }
        ("torch._utils", "_rebuild_tensor_v3", arguments) => {
            Some(retyped(pickle, storages, arguments))
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", [data, ..]) => {
            tensor(pickle, storages, *data)
        }
        // A subclass of a tensor: what would be called, the class, its arguments, its attributes.
        ("torch._tensor", "_rebuild_from_type_v2", [function, _, arguments, ..]) => {
            match (pickle.node(*function), pickle.members(*arguments)) {
                (
                    Node::Global("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2"),
                    Some(arguments),
                ) => Some(rebuilt(pickle, storages, arguments)),
                _ => Some(Err("it is a tensor of an unknown class".to_string())),
            }
        }
        ("torch._utils", other, _) if other.contains("tensor") => {
            Some(Err(format!("torch._utils.{other} makes no plain tensor")))
        }
        _ => None,
    }
}

/// `(storage, offset, sizes, strides, ...)`.
fn rebuilt<'a>(
    pickle: &Pickle<'a>,
    storages: &Storages<'a>,
    arguments: &[Id],
) -> Result<View<'a>, String> {
    let [storage, rest @ ..] = arguments else {
        return Err(BROKEN.to_string());
    };
    let (dtype, bytes) = storages.find(pickle, *storage)?;
    let dtype = dtype.ok_or("its storage does not say what its values are")?;
    window(pickle, dtype, bytes, rest)
}

/// `(storage, offset, sizes, strides, gradient, hooks, dtype, ...)` on a storage of bytes.
fn retyped<'a>(
    pickle: &Pickle<'a>,
    storages: &Storages<'a>,
    arguments: &[Id],
) -> Result<View<'a>, String> {
    let [storage, rest @ ..] = arguments else {
        return Err(BROKEN.to_string());
    };
    let (_, bytes) = storages.find(pickle, *storage)?;
    let dtype = match rest.get(5).map(|id| pickle.node(*id)) {
        Some(Node::Global("torch", name)) => named(name).ok_or_else(|| {
            format!("it holds values of torch.{name}, a dtype that is not supported")
        }),
        _ => Err(BROKEN.to_string()),
    }?;
    window(pickle, dtype, bytes, rest)
}

fn window<'a>(
    pickle: &Pickle<'a>,
    dtype: DType,
    bytes: &'a [u8],
    rest: &[Id],
) -> Result<View<'a>, String> {
    let [offset, sizes, strides, ..] = rest else {
        return Err(BROKEN.to_string());
    };
    let broken = || BROKEN.to_string();
    View::new(
        dtype,
        bytes,
        pickle.size(*offset).ok_or_else(broken)?,
        pickle.sizes(*sizes).ok_or_else(broken)?,
        pickle.sizes(*strides).ok_or_else(broken)?,
    )
}

const BROKEN: &str = "it is described in an unknown way";

fn named(name: &str) -> Option<DType> {
    Some(match name {
        "float64" => DType::F64,
        "float32" => DType::F32,
        "float16" => DType::F16,
        "bfloat16" => DType::Bf16,
        "int64" => DType::I64,
        "int32" => DType::I32,
        "int16" => DType::I16,
        "int8" => DType::I8,
        "uint8" => DType::U8,
        "bool" => DType::Bool,
        _ => return None,
    })
}
