//! The layouts of weight files, recognised by tensor names, and the mapping of each to this project's:
//! `online_encoder.*` and `target_encoder.*` with torchvision's names, heads under `fc.*`, `queue`, `queue_ptr`.

use std::fmt;

use crate::names::{ONLINE, TARGET, backbone, first_stage, from_detectron2, head, numbered};

/// The naming scheme of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// This project's and the paper's repository's.
    Own,
    /// facebookresearch/moco.
    Moco,
    /// `student_encoder`, `teacher_encoder`.
    StudentTeacher,
    /// solo-learn.
    SoloLearn,
    /// lightly, its backbone numbered as a sequence.
    Lightly,
    /// detectron2.
    Detectron2,
    /// torchvision and timm: bare names of one network.
    Torchvision,
    /// torchvision's names with a prefix.
    Prefixed(String),
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Own => f.write_str("Parallax"),
            Layout::Moco => f.write_str("facebookresearch/moco"),
            Layout::StudentTeacher => f.write_str("student and teacher"),
            Layout::SoloLearn => f.write_str("solo-learn"),
            Layout::Lightly => f.write_str("lightly"),
            Layout::Detectron2 => f.write_str("detectron2"),
            Layout::Torchvision => f.write_str("torchvision"),
            Layout::Prefixed(prefix) => write!(f, "torchvision under '{prefix}'"),
        }
    }
}

/// The spelling of names after the prefix.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Named,
    Numbered,
    Detectron2,
}

/// The mapping of a layout's names to this project's.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub layout: Layout,
    /// Prefixes in the file, each with the network that it stands for.
    prefixes: Vec<(String, &'static str)>,
    spelling: Spelling,
    /// Whether `fc` is a head as methods.md 2.2 describes them, and `queue` one of MoCo's.
    heads: bool,
    /// Number of the first stage, for numbered names.
    first: usize,
}

/// Why a layout is not recognised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// No name is one of a ResNet.
    Nothing,
    /// Several networks, none known.
    Several(Vec<String>),
}

impl Rules {
    fn new(layout: Layout, online: &[&str], target: &[&str], spelling: Spelling) -> Self {
        let online = online.iter().map(|prefix| (prefix.to_string(), ONLINE));
        let target = target.iter().map(|prefix| (prefix.to_string(), TARGET));
        Self {
            heads: matches!(
                layout,
                Layout::Own | Layout::Moco | Layout::StudentTeacher | Layout::Torchvision
            ),
            layout,
            prefixes: online.chain(target).collect(),
            spelling,
            first: 0,
        }
    }

    fn known() -> Vec<Self> {
        use Spelling::{Detectron2, Named, Numbered};
        let lightly = ["backbone_momentum.", "momentum_backbone."];
        vec![
            Self::new(Layout::Own, &[ONLINE], &[TARGET], Named),
            Self::new(Layout::Moco, &["encoder_q."], &["encoder_k."], Named),
            Self::new(
                Layout::StudentTeacher,
                &["student_encoder."],
                &["teacher_encoder."],
                Named,
            ),
            Self::new(
                Layout::SoloLearn,
                &["backbone."],
                &["momentum_backbone."],
                Named,
            ),
            Self::new(Layout::Lightly, &["backbone."], &lightly, Numbered),
            Self::new(Layout::Detectron2, &[""], &[], Detectron2),
            Self::new(Layout::Torchvision, &[""], &[], Named),
        ]
    }

    /// The layout under which most names are a backbone's. `names` are without what wrappers add.
    pub fn of(names: &[&str]) -> Result<Self, Unclear> {
        let mut best: Option<(usize, Self)> = None;
        for mut rules in Self::known() {
            if let Spelling::Numbered = rules.spelling {
                let stripped = |name: &&'_ str| -> Option<String> {
                    let (prefix, _) = rules.prefixes.iter().find(|(p, _)| name.starts_with(p))?;
                    Some(name[prefix.len()..].to_string())
                };
                let inner: Vec<String> = names.iter().filter_map(stripped).collect();
                rules.first = first_stage(inner.iter().map(String::as_str)).unwrap_or(0);
            }
            let count = names.iter().filter(|name| rules.is_backbone(name)).count();
            if count > best.as_ref().map_or(0, |(most, _)| *most) {
                best = Some((count, rules));
            }
        }
        match best {
            Some((_, rules)) => Ok(rules),
            None => Self::of_unknown_prefix(names),
        }
    }

    /// One network under an unknown prefix.
    fn of_unknown_prefix(names: &[&str]) -> Result<Self, Unclear> {
        let first = ".layer1.0.conv1.weight";
        let has = |prefix: &str, name: &str| names.contains(&format!("{prefix}{name}").as_str());
        let mut prefixes: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_suffix(first))
            .map(|prefix| format!("{prefix}."))
            .filter(|prefix| has(prefix, "conv1.weight") && has(prefix, "bn1.weight"))
            .collect();
        match prefixes.len() {
            0 => Err(Unclear::Nothing),
            1 => {
                let prefix = prefixes.remove(0);
                let layout = Layout::Prefixed(prefix.clone());
                Ok(Self::new(layout, &[&prefix], &[], Spelling::Named))
            }
            _ => Err(Unclear::Several(prefixes)),
        }
    }

    /// This project's name of a tensor, if it has one.
    pub fn place(&self, name: &str) -> Option<String> {
        if matches!(name, "queue" | "queue_ptr") {
            let has = matches!(self.layout, Layout::Own | Layout::Moco);
            return has.then(|| name.to_string());
        }
        let (prefix, network) = self.prefixes.iter().find(|(p, _)| name.starts_with(p))?;
        let rest = &name[prefix.len()..];
        let ours = self.in_backbone(rest);
        let ours = ours.or_else(|| self.heads.then(|| head(rest)).flatten());
        ours.map(|name| format!("{network}{name}"))
    }

    fn is_backbone(&self, name: &str) -> bool {
        let prefix = self.prefixes.iter().find(|(p, _)| name.starts_with(p));
        prefix.is_some_and(|(prefix, _)| self.in_backbone(&name[prefix.len()..]).is_some())
    }

    fn in_backbone(&self, name: &str) -> Option<String> {
        match self.spelling {
            Spelling::Named => backbone(name),
            Spelling::Numbered => numbered(name, self.first),
            Spelling::Detectron2 => from_detectron2(name),
        }
    }
}

/// A name without the prefixes of containers and wrappers: `state_dict.`, `model.`, `module.`.
pub(crate) fn bare(name: &str) -> String {
    const CONTAINERS: [&str; 6] = [
        "state_dict",
        "model",
        "model_state_dict",
        "net",
        "network",
        "weights",
    ];
    const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];
    let parts = name
        .split('.')
        .filter(|part| !WRAPPERS.contains(part))
        .skip_while(|part| CONTAINERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}
