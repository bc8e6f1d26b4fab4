//! Weight files of other tools, renamed to this project's scheme.

use std::fmt;

use crate::layout::{Layout, Rules, Unclear, bare};
use crate::pickle::PickleError;
use crate::torch::{Container, TorchError};
use crate::view::View;
use crate::{NamedTensor, WeightFile, WeightsError};

/// Limit of the unpacked bytes per byte of a file, and in any case: tensors may share storages, and f32 may be wider than
/// the file's dtype.
const GROWTH: usize = 16;
const FLOOR: usize = 1 << 20;

/// The container of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Safetensors.
    Safetensors,
    /// PyTorch, since 1.6.
    Torch,
    /// PyTorch before 1.6.
    TorchLegacy,
    /// A pickle of numpy arrays.
    Pickle,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packing::Safetensors => "safetensors",
            Packing::Torch => "PyTorch",
            Packing::TorchLegacy => "PyTorch before 1.6",
            Packing::Pickle => "pickle",
        })
    }
}

/// A tensor without a name in Parallax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Its name in the file.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The tensors of a file, renamed to this project's scheme.
#[derive(Clone, Debug)]
pub struct Import {
    /// The tensors.
    pub file: WeightFile,
    /// The container.
    pub packing: Packing,
    /// The layout of their names.
    pub layout: Layout,
    /// Each tensor's name in the file and in Parallax.
    pub placed: Vec<(String, String)>,
    /// Tensors that are not a ResNet's or a head's.
    pub unused: Vec<Unused>,
}

impl Import {
    /// Reads safetensors, files of PyTorch in both formats, and pickles of numpy arrays. Nothing is executed.
    ///
    /// # Errors
    /// When the file is damaged or of another kind, holds Python objects beyond tensors and plain values, or no tensor of
    /// a ResNet.
    ///
    /// ```
    /// use parallax_weights::{Export, Import, NamedTensor, Names, Packing, WeightFile};
    ///
    /// let stem = NamedTensor::new("online_encoder.conv1.weight", vec![4, 3, 7, 7], vec![0.5; 588]);
    /// let file = WeightFile::new("weights", vec![stem]);
    /// let export = Export::of(file, Names::Torchvision, None)?;
    /// let bytes = export.file.to_torch_bytes()?; // what `torch.save` writes
    ///
    /// let import = Import::read("resnet.pth", &bytes)?;
    /// assert_eq!(import.packing, Packing::Torch);
    /// assert_eq!(import.placed[0], ("conv1.weight".to_string(), "online_encoder.conv1.weight".to_string()));
    /// # Ok::<(), parallax_weights::WeightsError>(())
    /// ```
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        if !is_safetensors(bytes) {
            let (packing, tensors) = unpacked(name, bytes)?;
            return Self::place(name, packing, tensors, view_values(name, bytes.len()));
        }
        let file = WeightFile::from_bytes(name, bytes)?;
        let tensors = file.tensors.into_iter().map(|(name, t)| (name, Ok(t)));
        let take = |_: &str, tensor| Ok(tensor);
        let mut import = Self::place(name, Packing::Safetensors, tensors.collect(), take)?;
        import.file.recipe = file.recipe;
        Ok(import)
    }

    /// The tensors of a file under the names that they have in it, without what containers and wrappers add
    /// (`state_dict.`, `model.`, `module.`): for networks that are more than a ResNet. Values that are not tensors of numbers
    /// are left out.
    ///
    /// # Errors
    /// When the file is damaged or of another kind, or holds Python objects beyond tensors and plain values.
    pub fn read_bare(name: &str, bytes: &[u8]) -> Result<WeightFile, WeightsError> {
        let tensors: Vec<NamedTensor> = if is_safetensors(bytes) {
            let file = WeightFile::from_bytes(name, bytes)?;
            file.tensors.into_values().collect()
        } else {
            let (_, views) = unpacked(name, bytes)?;
            let mut unpack = view_values(name, bytes.len());
            let readable = views
                .into_iter()
                .filter_map(|(name, view)| Some((name, view.ok()?)));
            readable
                .map(|(name, view)| unpack(&name, view))
                .collect::<Result<_, _>>()?
        };
        let renamed = tensors.into_iter().map(|tensor| NamedTensor {
            name: bare(&tensor.name),
            ..tensor
        });
        Ok(WeightFile::new(name, renamed.collect()))
    }

    /// Renames the tensors and unpacks those that have a name.
    fn place<T>(
        file: &str,
        packing: Packing,
        tensors: Vec<(String, Result<T, String>)>,
        mut unpack: impl FnMut(&str, T) -> Result<NamedTensor, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let bares: Vec<String> = tensors.iter().map(|(name, _)| bare(name)).collect();
        let names: Vec<&str> = bares.iter().map(String::as_str).collect();
        let rules = Rules::of(&names).map_err(|unclear| WeightsError::Layout {
            file: file.to_string(),
            reason: match unclear {
                Unclear::Nothing => {
                    let first: Vec<&str> =
                        tensors.iter().take(3).map(|(n, _)| n.as_str()).collect();
                    format!(
                        "none of its {} tensors is a ResNet's ({} ...)",
                        names.len(),
                        first.join(", ")
                    )
                }
                Unclear::Several(prefixes) => format!(
                    "it holds several networks ({}) and does not say which is which",
                    prefixes.join(", ")
                ),
            },
        })?;
        let mut import = Self {
            file: WeightFile {
                name: file.to_string(),
                ..WeightFile::default()
            },
            packing,
            layout: rules.layout.clone(),
            placed: Vec::new(),
            unused: Vec::new(),
        };
        for ((name, tensor), bare) in tensors.into_iter().zip(&bares) {
            let reason = match (rules.place(bare), tensor) {
                (None, Err(reason)) => reason,
                (None, Ok(_)) => {
                    "no tensor of a ResNet or of a head that is known here".to_string()
                }
                (Some(place), _) if import.file.tensors.contains_key(&place) => {
                    format!("another tensor is {place} already")
                }
                (Some(_), Err(reason)) => {
                    return Err(WeightsError::Format {
                        file: file.to_string(),
                        reason: format!("tensor '{name}': {reason}"),
                    });
                }
                (Some(place), Ok(tensor)) => {
                    let mut tensor = unpack(&name, tensor)?;
                    tensor.name.clone_from(&place);
                    import.file.tensors.insert(place.clone(), tensor);
                    import.placed.push((name, place));
                    continue;
                }
            };
            import.unused.push(Unused { name, reason });
        }
        Ok(import)
    }
}

/// A tensor's name in a file, and its values or why it has none.
type Unpacked<'a> = (String, Result<View<'a>, String>);

/// The tensors of a file of PyTorch or of a pickle.
fn unpacked<'a>(file: &str, bytes: &'a [u8]) -> Result<(Packing, Vec<Unpacked<'a>>), WeightsError> {
    let container = Container::of(bytes).ok_or_else(|| WeightsError::Format {
        file: file.to_string(),
        reason: unknown(bytes),
    })?;
    let found = container.read(bytes);
    let found = found.map_err(|error| torch_error(file, error))?;
    let packing = match container {
        Container::Zip => Packing::Torch,
        Container::Legacy => Packing::TorchLegacy,
        Container::Plain => Packing::Pickle,
    };
    let tensors = found.into_iter().map(|found| (found.name, found.view));
    Ok((packing, tensors.collect()))
}

/// Unpacks the tensors of a file of `size` bytes, up to a limit.
fn view_values<'a>(
    file: &str,
    size: usize,
) -> impl FnMut(&str, View<'a>) -> Result<NamedTensor, WeightsError> {
    let mut left = size.saturating_mul(GROWTH).max(FLOOR);
    move |name, view| {
        let bytes = view.count().and_then(|count| count.checked_mul(4));
        left = bytes
            .and_then(|bytes| left.checked_sub(bytes))
            .ok_or_else(|| WeightsError::Format {
                file: file.to_string(),
                reason: format!("tensor '{name}' is much larger than the file"),
            })?;
        Ok(NamedTensor {
            name: name.to_string(),
            values: view.values(),
            integer: view.dtype.is_integer(),
            shape: view.shape,
        })
    }
}

/// Whether the bytes begin with the length of a header and a JSON object, as no other format does.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*length) <= (bytes.len() as u64).max(1 << 32)
}

fn unknown(bytes: &[u8]) -> String {
    let text = "neither safetensors nor a file of PyTorch";
    let tar = bytes.get(257..262) == Some(b"ustar");
    match bytes {
        [] => "the file is empty".to_string(),
        _ if tar => format!("{text}, but a tar archive; PyTorch has not written those since 2017"),
        [b'<', ..] => format!("{text}, but a web page: the download went wrong"),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            format!("{text}, but a pointer of Git LFS: fetch the file itself")
        }
        _ => text.to_string(),
    }
}

fn torch_error(file: &str, error: TorchError) -> WeightsError {
    let file = file.to_string();
    match error {
        TorchError::Pickle(PickleError::Refused { global }) => {
            WeightsError::Refused { file, global }
        }
        TorchError::Pickle(PickleError::Broken { at, reason }) => WeightsError::Format {
            file,
            reason: format!("the pickle in it cannot be read at byte {at}: {reason}"),
        },
        TorchError::Broken(reason) => WeightsError::Format { file, reason },
    }
}
