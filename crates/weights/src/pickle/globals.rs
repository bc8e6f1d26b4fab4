//! The globals that a pickle may name. Nothing is ever imported or called; but a file that names any other is not a
//! weight file, and the user should know.

/// Modules of plain values in checkpoints: settings, paths, dates, training state.
const INERT: [&str; 12] = [
    "argparse",
    "collections",
    "datetime",
    "lightning",
    "lightning_fabric",
    "lightning_utilities",
    "omegaconf",
    "pathlib",
    "pytorch_lightning",
    "torchmetrics",
    "typing",
    "yacs",
];

/// Plain types; the same module also holds `eval` and `exec`.
const BUILTINS: [&str; 14] = [
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "slice",
    "str",
    "tuple",
];

/// Modules of numpy's arrays, scalars and states of random generators.
const NUMPY: [&str; 9] = [
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
    "numpy.dtypes",
    "numpy.random._pickle",
    "numpy.random._mt19937",
    "numpy.random.mtrand",
];

/// Names in `torch` that stand for data.
pub(super) fn is_known(module: &str, name: &str) -> bool {
    match module {
        "builtins" | "__builtin__" => BUILTINS.contains(&name),
        "copy_reg" | "copyreg" => name == "_reconstructor",
        "_codecs" => name == "encode",
        // Storages, dtypes such as `float32`, layouts; all are constants or types.
        "torch" | "torch.cuda" => {
            name.ends_with("Storage")
                || name.ends_with("Tensor")
                || matches!(name, "Size" | "device" | "Generator")
                || is_dtype(name)
        }
        "torch._utils" | "torch._tensor" => name.starts_with("_rebuild_"),
        "torch.nn.parameter" => matches!(name, "Parameter" | "Buffer" | "UninitializedParameter"),
        "torch.serialization" => name == "_get_layout",
        "torch.storage" => name.ends_with("Storage"),
        _ => {
            let top = module.split('.').next().unwrap_or_default();
            INERT.contains(&top) || NUMPY.contains(&module)
        }
    }
}

fn is_dtype(name: &str) -> bool {
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    matches!(
        name,
        "bool" | "float" | "double" | "half" | "long" | "int" | "short"
    ) || (digits.starts_with(|c: char| c.is_ascii_digit())
        && [
            "float", "bfloat", "int", "uint", "complex", "qint", "quint", "bits",
        ]
        .contains(&&name[..name.len() - digits.len()]))
}
