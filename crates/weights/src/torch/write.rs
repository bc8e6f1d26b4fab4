//! A state dict that `torch.load(weights_only=True)` opens.

use super::zip::Archive;
use crate::NamedTensor;
use crate::pickle::write::Writer;

/// Folder within the archive; PyTorch accepts any.
const ROOT: &str = "archive";

/// An `OrderedDict` of tensors: floats as f32, whole numbers as i64.
///
/// # Errors
/// When the file would exceed 4 GiB or 65 thousand tensors.
pub(crate) fn write<'a>(tensors: impl Iterator<Item = &'a NamedTensor>) -> Result<Vec<u8>, String> {
    let tensors: Vec<&NamedTensor> = tensors.collect();
    let mut pickle = Writer::new(2);
    ordered_dict(&mut pickle).mark();
    for (key, tensor) in tensors.iter().enumerate() {
        pickle.text(&tensor.name);
        let class = match tensor.integer {
            true => "LongStorage",
            false => "FloatStorage",
        };
        pickle
            .global("torch._utils", "_rebuild_tensor_v2")
            .mark()
            .mark()
            .text("storage")
            .global("torch", class)
            .text(&key.to_string())
            .text("cpu")
            .int(tensor.values.len())
            .tuple()
            .persistent()
            .int(0)
            .sizes(&tensor.shape)
            .sizes(&crate::view::row_major(&tensor.shape))
            .bool(false);
        ordered_dict(&mut pickle).tuple().call();
    }
    pickle.items();

    let mut archive = Archive::default();
    archive.add(&format!("{ROOT}/data.pkl"), &pickle.finish())?;
    archive.add(&format!("{ROOT}/byteorder"), b"little")?;
    for (key, tensor) in tensors.iter().enumerate() {
        archive.add(&format!("{ROOT}/data/{key}"), &tensor.bytes())?;
    }
    archive.add(&format!("{ROOT}/version"), b"3\n")?;
    archive.finish()
}

fn ordered_dict(pickle: &mut Writer) -> &mut Writer {
    pickle
        .global("collections", "OrderedDict")
        .mark()
        .tuple()
        .call()
}
