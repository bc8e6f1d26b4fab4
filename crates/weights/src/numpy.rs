//! Numpy's arrays in pickles.

use crate::dtype::DType;
use crate::pickle::{Id, Node, Pickle};
use crate::view::{View, row_major};

/// The array at `id`; none where it is something else. Single numbers are no arrays.
pub(crate) fn array<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Result<View<'a>, String>> {
    let (module, name, arguments) = pickle.call(id)?;
    let core = module.strip_prefix("numpy.")?;
    let core = core.trim_start_matches('_');
    match (core, name, arguments) {
        ("core.multiarray", "_reconstruct", _) => {
            let Node::Object(object) = pickle.node(id) else {
                return None;
            };
            Some(stateful(pickle, object.state?))
        }
        ("core.numeric", "_frombuffer", [buffer, dtype, shape, order]) => {
            let fortran = pickle.text(*order) == Some("F");
            Some(laid_out(pickle, *buffer, *dtype, *shape, fortran))
        }
        _ => None,
    }
}

/// `(version, shape, dtype, whether the first dimension is fastest, bytes)`.
fn stateful<'a>(pickle: &Pickle<'a>, state: Id) -> Result<View<'a>, String> {
    match pickle.members(state) {
        Some([_, shape, dtype, fortran, data]) => {
            let fortran = matches!(pickle.node(*fortran), Node::Bool(true) | Node::Int(1));
            laid_out(pickle, *data, *dtype, *shape, fortran)
        }
        _ => Err("it is an array of an unknown version of numpy".to_string()),
    }
}

fn laid_out<'a>(
    pickle: &Pickle<'a>,
    data: Id,
    kind: Id,
    shape: Id,
    fortran: bool,
) -> Result<View<'a>, String> {
    let dtype = dtype(pickle, kind)?;
    let shape = pickle
        .sizes(shape)
        .ok_or("it is an array without a shape")?;
    let Node::Bytes(bytes) = pickle.node(data) else {
        return Err(
            "it is a numpy array of pickle protocol 2 or less; write the file with protocol 3 or later"
                .to_string(),
        );
    };
    let strides = match fortran {
        true => {
            let mut strides = row_major(&shape.iter().rev().copied().collect::<Vec<_>>());
            strides.reverse();
            strides
        }
        false => row_major(&shape),
    };
    View::new(dtype, bytes, 0, shape, strides)
}

/// `numpy.dtype('f4', ...)` with the state `(version, byte order, ...)`.
fn dtype(pickle: &Pickle<'_>, id: Id) -> Result<DType, String> {
    let unknown = || "it is an array without a dtype".to_string();
    let Some(("numpy", "dtype", [name, ..])) = pickle.call(id) else {
        return Err(unknown());
    };
    let name = pickle.text(*name).ok_or_else(unknown)?;
    if let Node::Object(object) = pickle.node(id)
        && let Some(state) = object.state.and_then(|state| pickle.members(state))
        && state.get(1).and_then(|order| pickle.text(*order)) == Some(">")
    {
        return Err("its values are big-endian, which is not read".to_string());
    }
    Ok(match name {
        "f8" => DType::F64,
        "f4" => DType::F32,
        "f2" => DType::F16,
        "i8" => DType::I64,
        "i4" => DType::I32,
        "i2" => DType::I16,
        "i1" => DType::I8,
        "u1" => DType::U8,
        "b1" => DType::Bool,
        other => {
            return Err(format!(
                "it holds values of numpy's {other}, a dtype that is not supported"
            ));
        }
    })
}
