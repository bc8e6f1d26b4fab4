//! A case of parity as files that commands are given.

use std::fs;
use std::path::Path;

use parallax_parity::TraceCase;
use parallax_weights::{NamedTensor, WeightFile};
use safetensors::tensor::{Dtype, TensorView, serialize};

/// The files of a case, and the arguments that name them.
pub fn put(folder: &Path, case: &TraceCase) -> Vec<String> {
    fs::create_dir_all(folder).unwrap();
    let files = [
        ("--recipe", "recipe.toml", case.recipe.clone().into_bytes()),
        ("--weights", "w.safetensors", bytes(&case.weights)),
        ("--batches", "b.safetensors", bytes(&case.batches)),
    ];
    let put = |(argument, name, content): (&str, &str, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        [argument.to_string(), path.display().to_string()]
    };
    files.into_iter().flat_map(put).collect()
}

/// Counters as I64, as PyTorch stores them.
pub fn bytes(file: &WeightFile) -> Vec<u8> {
    let integers = ["queue_ptr", "labels", "enqueue_view", "shuffle"];
    let of = |tensor: &NamedTensor| -> (Dtype, Vec<u8>) {
        let values = tensor.values.iter();
        match integers.contains(&tensor.name.as_str()) {
            true => (
                Dtype::I64,
                values.flat_map(|v| (*v as i64).to_le_bytes()).collect(),
            ),
            false => (Dtype::F32, values.flat_map(|v| v.to_le_bytes()).collect()),
        }
    };
    let data: Vec<_> = file
        .tensors
        .values()
        .map(|tensor| (tensor, of(tensor)))
        .collect();
    let views = data.iter().map(|(tensor, (dtype, bytes))| {
        let view = TensorView::new(*dtype, tensor.shape.clone(), bytes).unwrap();
        (tensor.name.as_str(), view)
    });
    serialize(views, None).unwrap()
}
