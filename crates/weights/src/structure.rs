//! The architecture of a ResNet, from the names and shapes of its tensors.

use std::collections::BTreeMap;

use crate::WeightFile;

/// Depth, width and stem of a backbone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
    /// Whether blocks are bottlenecks.
    pub bottleneck: bool,
    /// Channels of the first stage.
    pub width: usize,
    /// Kernel size of the first convolution: 7 for large images, 3 for small ones.
    pub kernel: usize,
    /// Tensors that such a backbone has and the file lacks, under torchvision's names.
    pub missing: Vec<String>,
}

impl Structure {
    /// Of the network under `prefix`, [`ONLINE`](crate::ONLINE) or [`TARGET`](crate::TARGET); none where the file
    /// holds no block of it.
    pub fn of(file: &WeightFile, prefix: &str) -> Option<Self> {
        let tensors: BTreeMap<&str, &[usize]> = file
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, &tensor.shape[..])))
            .collect();
        let mut blocks: Vec<usize> = Vec::new();
        let mut bottleneck = false;
        for name in tensors.keys() {
            let Some((stage, block, rest)) = in_stage(name) else {
                continue;
            };
            bottleneck |= rest.starts_with("conv3");
            blocks.resize(blocks.len().max(stage), 0);
            blocks[stage - 1] = blocks[stage - 1].max(block + 1);
        }
        if blocks.is_empty() {
            return None;
        }
        let stem = tensors.get("conv1.weight").copied().unwrap_or_default();
        let mut structure = Self {
            blocks,
            bottleneck,
            width: stem.first().copied().unwrap_or(0),
            kernel: stem.last().copied().unwrap_or(0),
            missing: Vec::new(),
        };
        let expected = structure.names(|block| {
            let shortcut = format!("{block}.downsample");
            tensors.keys().any(|name| name.starts_with(&shortcut))
        });
        structure.missing = expected
            .into_iter()
            .filter(|name| !tensors.contains_key(name.as_str()))
            .collect();
        Some(structure)
    }

    /// The architecture's name in recipes, if it is a standard one.
    pub fn arch(&self) -> Option<&'static str> {
        match (self.bottleneck, self.blocks.as_slice()) {
            (false, [1, 1, 1]) => Some("tiny"),
            (false, [2, 2, 2, 2]) => Some("resnet18"),
            (false, [3, 4, 6, 3]) => Some("resnet34"),
            (true, [3, 4, 6, 3]) => Some("resnet50"),
            (true, [3, 4, 23, 3]) => Some("resnet101"),
            (true, [3, 8, 36, 3]) => Some("resnet152"),
            _ => None,
        }
    }

    /// Every tensor of the backbone; `shortcut` tells whether a block has one where it need not.
    fn names(&self, shortcut: impl Fn(&str) -> bool) -> Vec<String> {
        const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
        let mut names = vec!["conv1.weight".to_string()];
        let norm = |names: &mut Vec<String>, name: &str| {
            names.extend(NORM.iter().map(|part| format!("{name}.{part}")));
        };
        norm(&mut names, "bn1");
        for (stage, count) in self.blocks.iter().enumerate() {
            for block in 0..*count {
                let path = format!("layer{}.{block}", stage + 1);
                for conv in 1..=if self.bottleneck { 3 } else { 2 } {
                    names.push(format!("{path}.conv{conv}.weight"));
                    norm(&mut names, &format!("{path}.bn{conv}"));
                }
                let changes = block == 0 && (stage > 0 || self.bottleneck);
                if changes || shortcut(&path) {
                    names.push(format!("{path}.downsample.0.weight"));
                    norm(&mut names, &format!("{path}.downsample.1"));
                }
            }
        }
        names
    }
}

/// Stage from one, block from zero, and the rest of a name such as `layer1.0.conv1.weight`.
fn in_stage(name: &str) -> Option<(usize, usize, &str)> {
    let (stage, rest) = name.strip_prefix("layer")?.split_once('.')?;
    let (block, rest) = rest.split_once('.')?;
    let (stage, block) = (stage.parse().ok()?, block.parse().ok()?);
    // The same bounds as where names are read: a network of a thousand blocks is none.
    let fits = (1..=4).contains(&stage) && block < 1000;
    fits.then_some((stage, block, rest))
}
