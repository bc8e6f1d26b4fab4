//! The names of a ResNet's tensors in Parallax and in other tools.

/// The prefix of the online network's tensors.
pub const ONLINE: &str = "online_encoder.";
/// The prefix of the target network's tensors.
pub const TARGET: &str = "target_encoder.";

const STAGES: usize = 4;
const NORM: [&str; 5] = [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
];

/// torchvision's name of a backbone's tensor, if a plain ResNet has it; also for `shortcut` in place of `downsample`, as in
/// many networks for CIFAR.
pub(crate) fn backbone(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["conv1", "weight"] => Some(name.to_string()),
        ["bn1", part] if NORM.contains(part) => Some(name.to_string()),
        [stage, block, rest @ ..] => {
            let number: usize = stage.strip_prefix("layer")?.parse().ok()?;
            let fits = (1..=STAGES).contains(&number) && is_number(block);
            fits.then(|| in_block(rest))
                .flatten()
                .map(|rest| format!("layer{number}.{block}.{rest}"))
        }
        _ => None,
    }
}

/// The same for a block's own tensors.
fn in_block(parts: &[&str]) -> Option<String> {
    match parts {
        ["conv1" | "conv2" | "conv3", "weight"] => Some(parts.join(".")),
        ["bn1" | "bn2" | "bn3", part] if NORM.contains(part) => Some(parts.join(".")),
        ["downsample" | "shortcut", "0", "weight"] => Some("downsample.0.weight".to_string()),
        ["downsample" | "shortcut", "1", part] if NORM.contains(part) => {
            Some(format!("downsample.1.{part}"))
        }
        _ => None,
    }
}

/// The name of a head's tensor, `fc.3.bias`. Other tools do not number a head of one layer: `fc.weight` becomes
/// `fc.0.weight`.
pub(crate) fn head(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["fc", part] if NORM.contains(part) => Some(format!("fc.0.{part}")),
        ["fc", layer, part] if is_number(layer) && NORM.contains(part) => Some(name.to_string()),
        _ => None,
    }
}

/// torchvision's name of a tensor in an `nn.Sequential` of a ResNet's children: 0 is the first convolution, 1 its norm,
/// and the stages begin at `first`, which depends on how many layers without weights stand between.
pub(crate) fn numbered(name: &str, first: usize) -> Option<String> {
    let (number, rest) = name.split_once('.')?;
    let number: usize = number.parse().ok()?;
    match number {
        0 => backbone(&format!("conv1.{rest}")),
        1 => backbone(&format!("bn1.{rest}")),
        _ => {
            let stage = number.checked_sub(first)? + 1;
            backbone(&format!("layer{stage}.{rest}"))
        }
    }
}

/// The number of the first stage among names such as `4.0.conv1.weight`.
pub(crate) fn first_stage<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let stage = |name: &str| {
        let (number, rest) = name.split_once('.')?;
        let (block, rest) = rest.split_once('.')?;
        let parts: Vec<&str> = rest.split('.').collect();
        (is_number(block) && in_block(&parts).is_some()).then(|| number.parse().ok())?
    };
    names.filter_map(stage).min()
}

/// detectron2's name of a backbone's tensor (methods.md 7.1), which is `name` in torchvision: `layer1.0.bn1.bias` becomes
/// `res2.0.conv1.norm.bias`.
pub fn to_detectron2(name: &str) -> String {
    let mut name = match name.contains("layer") {
        true => name.to_string(),
        false => format!("stem.{name}"),
    };
    for stage in 1..=STAGES {
        name = name.replace(&format!("layer{stage}"), &format!("res{}", stage + 1));
    }
    for number in 1..=3 {
        name = name.replace(&format!("bn{number}"), &format!("conv{number}.norm"));
    }
    name.replace("downsample.0", "shortcut")
        .replace("downsample.1", "shortcut.norm")
}

/// torchvision's name for one of detectron2's.
pub(crate) fn from_detectron2(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let inner = |parts: &[&str]| match parts {
        ["shortcut", "weight"] => Some("downsample.0.weight".to_string()),
        ["shortcut", "norm", part] => Some(format!("downsample.1.{part}")),
        [conv, "weight"] => Some(format!("{conv}.weight")),
        [conv, "norm", part] => Some(format!("bn{}.{part}", conv.strip_prefix("conv")?)),
        _ => None,
    };
    match parts.as_slice() {
        ["stem", rest @ ..] => backbone(&inner(rest)?),
        [stage, block, rest @ ..] => {
            let stage: usize = stage.strip_prefix("res")?.parse().ok()?;
            let stage = stage.checked_sub(1)?;
            backbone(&format!("layer{stage}.{block}.{}", inner(rest)?))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectron2_names_are_those_of_the_rules() {
        let pairs = [
            ("conv1.weight", "stem.conv1.weight"),
            ("bn1.bias", "stem.conv1.norm.bias"),
            (
                "layer3.0.downsample.1.running_var",
                "res4.0.shortcut.norm.running_var",
            ),
            ("layer4.2.bn3.weight", "res5.2.conv3.norm.weight"),
            ("layer1.0.downsample.0.weight", "res2.0.shortcut.weight"),
        ];
        for (here, there) in pairs {
            assert_eq!(to_detectron2(here), there);
            assert_eq!(from_detectron2(there).as_deref(), Some(here));
        }
        for name in [
            "res1.0.conv1.weight",
            "res6.0.conv1.weight",
            "stem.fc.weight",
            "res2",
        ] {
            assert_eq!(from_detectron2(name), None, "{name}");
        }
    }

    #[test]
    fn only_a_resnets_tensors_have_names() {
        for name in [
            "conv1.bias",
            "layer5.0.conv1.weight",
            "layer1.x.conv1.weight",
            "layer1",
            "",
            ".",
        ] {
            assert_eq!(backbone(name), None, "{name}");
        }
        assert_eq!(
            backbone("layer1.0.shortcut.0.weight").as_deref(),
            Some("layer1.0.downsample.0.weight")
        );
        assert_eq!(
            numbered("4.1.bn2.bias", 4).as_deref(),
            Some("layer1.1.bn2.bias")
        );
        assert_eq!(numbered("3.1.bn2.bias", 4), None);
        assert_eq!(numbered("8.1.bn2.bias", 4), None);
    }
}
