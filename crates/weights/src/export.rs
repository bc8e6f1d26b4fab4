//! Weight files for other tools.

use crate::names::{ONLINE, TARGET, backbone, to_detectron2};
use crate::pickle::write::Writer;
use crate::{NamedTensor, WeightFile, WeightsError, torch};

/// The naming scheme of a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Parallax's: both networks with their heads, and the queue.
    Own,
    /// torchvision's: one backbone.
    Torchvision,
    /// detectron2's: one backbone (methods.md 7.1).
    Detectron2,
}

/// One of the two networks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// The network that is trained by gradients.
    Online,
    /// The target network, its exponential moving average.
    Target,
}

impl Branch {
    /// The prefix of its tensors' names.
    pub fn prefix(self) -> &'static str {
        match self {
            Branch::Online => ONLINE,
            Branch::Target => TARGET,
        }
    }

    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Branch::Online => "online",
            Branch::Target => "target",
        }
    }
}

/// The tensors of a file to be written.
#[derive(Clone, Debug)]
pub struct Export {
    /// The tensors under their new names.
    pub file: WeightFile,
    /// Each tensor's name in Parallax and in the file.
    pub written: Vec<(String, String)>,
    /// Names of tensors that are left out: those of the other network, of heads, the queue.
    pub skipped: Vec<String>,
}

impl Export {
    /// Selects and renames tensors. Without `branch` all that the file holds are written, in the schemes of one network the
    /// online one.
    ///
    /// # Errors
    /// When the file does not hold the network.
    pub fn of(
        file: WeightFile,
        names: Names,
        branch: Option<Branch>,
    ) -> Result<Self, WeightsError> {
        let one = match names {
            Names::Own => branch,
            Names::Torchvision | Names::Detectron2 => Some(branch.unwrap_or(Branch::Online)),
        };
        let mut export = Self {
            file: WeightFile {
                name: file.name.clone(),
                recipe: file.recipe,
                ..WeightFile::default()
            },
            written: Vec::new(),
            skipped: Vec::new(),
        };
        for (name, mut tensor) in file.tensors {
            let within = one.map(|branch| name.strip_prefix(branch.prefix()));
            let renamed = match (names, within) {
                (Names::Own, None | Some(Some(_))) => Some(name.clone()),
                (Names::Torchvision, Some(Some(rest))) => backbone(rest),
                (Names::Detectron2, Some(Some(rest))) => backbone(rest).map(|n| to_detectron2(&n)),
                _ => None,
            };
            match renamed {
                Some(renamed) => {
                    tensor.name.clone_from(&renamed);
                    export.file.tensors.insert(renamed.clone(), tensor);
                    export.written.push((name, renamed));
                }
                None => export.skipped.push(name),
            }
        }
        if export.written.is_empty() {
            return Err(WeightsError::Branch {
                file: export.file.name,
                branch: one.unwrap_or(Branch::Online).word().to_string(),
            });
        }
        Ok(export)
    }
}

impl WeightFile {
    /// The file as PyTorch's `torch.save` writes a state dict, in f32 and i64; `torch.load(path, weights_only=True)` opens
    /// it. The recipe is not in it.
    ///
    /// # Errors
    /// When it would exceed 4 GiB or 65 thousand tensors.
    pub fn to_torch_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        torch::write(self.tensors.values()).map_err(|reason| self.unwritable(reason))
    }

    /// The file as detectron2 reads it: `{"model": arrays, "__author__": ..., "matching_heuristics": True}`, a pickle of
    /// protocol 3 (methods.md 7.1).
    ///
    /// # Errors
    /// When a tensor has 4 GiB or more.
    pub fn to_detectron2_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let mut pickle = Writer::new(3);
        pickle.dict().mark().text("model").dict().mark();
        for tensor in self.tensors.values() {
            pickle.text(&tensor.name);
            array(&mut pickle, tensor).map_err(|reason| self.unwritable(reason))?;
        }
        pickle
            .items()
            .text("__author__")
            .text("Parallax")
            .text("matching_heuristics")
            .bool(true)
            .items();
        Ok(pickle.finish())
    }

    fn unwritable(&self, reason: String) -> WeightsError {
        WeightsError::Write {
            file: self.name.clone(),
            reason,
        }
    }
}

/// A numpy array, as numpy's own `__reduce__` describes it.
fn array(pickle: &mut Writer, tensor: &NamedTensor) -> Result<(), String> {
    let bytes = tensor.bytes();
    if u32::try_from(bytes.len()).is_err() {
        return Err(format!(
            "tensor '{}' has 4 GiB or more, which do not fit this format",
            tensor.name
        ));
    }
    // Numpy 2 reads its old module's name, numpy 1 does not know the new one.
    pickle
        .global("numpy.core.multiarray", "_reconstruct")
        .mark()
        .global("numpy", "ndarray")
        .sizes(&[0])
        .bytes(b"b")
        .tuple()
        .call();
    let dtype = if tensor.integer { "i8" } else { "f4" };
    pickle.mark().int(1).sizes(&tensor.shape);
    pickle
        .global("numpy", "dtype")
        .mark()
        .text(dtype)
        .bool(false)
        .bool(true)
        .tuple()
        .call()
        .mark()
        .int(3)
        .text("<")
        .none()
        .none()
        .none()
        .minus_one()
        .minus_one()
        .int(0)
        .tuple()
        .build();
    pickle.bool(false).bytes(&bytes).tuple().build();
    Ok(())
}
