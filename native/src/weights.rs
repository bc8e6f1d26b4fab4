//! Weight files of any known tool: reading, and writing by the ending of a name.

use std::fs;
use std::path::Path;

use anyhow::Result;
use parallax_train::WEIGHTS_FILE;
use parallax_weights::{Export, Import, Names};

use crate::checkpoints;
use crate::cli::{Branch, To};
use crate::usage::BadArgument;
use crate::whole::{read_given, write_whole};

impl From<Branch> for parallax_weights::Branch {
    fn from(branch: Branch) -> Self {
        match branch {
            Branch::Online => Self::Online,
            Branch::Target => Self::Target,
        }
    }
}

/// A weight file, the one in a checkpoint's folder, or that of a run's newest checkpoint.
pub fn read(path: &Path) -> Result<Import> {
    let path = match path.is_dir() {
        true => checkpoints::list(path)
            .pop()
            .map_or_else(|| path.to_path_buf(), |(_, newest)| newest)
            .join(WEIGHTS_FILE),
        false => path.to_path_buf(),
    };
    let bytes = read_given(&path)?;
    Ok(Import::read(&path.display().to_string(), &bytes)?)
}

/// How tensors are packed into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Safetensors,
    Torch,
    Detectron2,
}

impl Packing {
    /// By the ending of a name; none for one that stands for nothing.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".safetensors"]) {
            Some(Self::Safetensors)
        } else if ends(&[".pth", ".pt", ".pth.tar", ".ckpt"]) {
            Some(Self::Torch)
        } else if ends(&[".pkl"]) {
            Some(Self::Detectron2)
        } else {
            None
        }
    }
}

/// What to write, under whose names.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    packing: Packing,
    pub names: Names,
}

impl Format {
    /// By what is asked for and by the ending of the name.
    pub fn of(out: &Path, to: Option<To>) -> Result<Self> {
        let ending = Packing::of(out);
        let (packing, names) = match (to, ending) {
            (None | Some(To::Safetensors), Some(Packing::Safetensors))
            | (Some(To::Safetensors), None) => (Packing::Safetensors, Names::Own),
            (None | Some(To::Pth), Some(Packing::Torch)) | (Some(To::Pth), None) => {
                (Packing::Torch, Names::Own)
            }
            (None | Some(To::Detectron2), Some(Packing::Detectron2))
            | (Some(To::Detectron2), None) => (Packing::Detectron2, Names::Detectron2),
            (Some(To::Torchvision), Some(Packing::Safetensors) | None) => {
                (Packing::Safetensors, Names::Torchvision)
            }
            (Some(To::Torchvision), Some(Packing::Torch)) => (Packing::Torch, Names::Torchvision),
            (None, None) => {
                let message = format!(
                    "the ending of {} does not say what to write; end it in .safetensors, .pth or .pkl",
                    out.display()
                );
                return Err(BadArgument(message).into());
            }
            (Some(_), Some(_)) => {
                let message = format!(
                    "{} ends as files of another format than --to names",
                    out.display()
                );
                return Err(BadArgument(message).into());
            }
        };
        Ok(Self { packing, names })
    }

    /// What messages call it.
    pub fn label(self) -> &'static str {
        match (self.packing, self.names) {
            (Packing::Safetensors, Names::Torchvision) => "safetensors with torchvision's names",
            (Packing::Safetensors, _) => "safetensors",
            (Packing::Torch, Names::Torchvision) => "PyTorch with torchvision's names",
            (Packing::Torch, _) => "PyTorch",
            (Packing::Detectron2, _) => "detectron2",
        }
    }

    /// Writes the file whole or not at all.
    pub fn write(self, path: &Path, export: &Export) -> Result<()> {
        let bytes = match self.packing {
            Packing::Safetensors => export.file.to_bytes(),
            Packing::Torch => export.file.to_torch_bytes(),
            Packing::Detectron2 => export.file.to_detectron2_bytes(),
        }?;
        write_whole(path, &bytes)
    }
}

/// Refuses to write over a file that is read.
pub fn keep_apart(from: &Path, out: &Path) -> Result<()> {
    let from = match from.is_dir() {
        true => from.join(WEIGHTS_FILE),
        false => from.to_path_buf(),
    };
    let same = match (fs::canonicalize(&from), fs::canonicalize(out)) {
        (Ok(from), Ok(out)) => from == out,
        _ => false,
    };
    if same {
        let message = format!("{} would be overwritten: name another file", from.display());
        return Err(BadArgument(message).into());
    }
    Ok(())
}
