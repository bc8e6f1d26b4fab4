//! Parameter groups: learning rate and weight decay by the names of parameters.

use parallax_nets::names::is_buffer;
use serde::{Deserialize, Serialize};

use crate::error::RecipeError;

/// One `[[optimizer.groups]]` of a recipe. A parameter belongs to the first group whose pattern matches its name; without
/// one it has the optimiser's own learning rate and weight decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamGroup {
    /// A glob for the whole name, such as `layer1.0.bn1.bias`; `*` stands for any characters, dots included: `*.bias` is
    /// every bias, `*bn*` every batch norm of the backbone, `fc.*` the head.
    pub pattern: String,
    /// Factor of the learning rate, 0 or above.
    #[serde(default = "one")]
    pub rate: f64,
    /// Weight decay, 0 or above; the optimiser's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl ParamGroup {
    /// Whether the pattern matches a parameter's name.
    pub fn matches(&self, name: &str) -> bool {
        let mut literals = self.pattern.split('*');
        let first = literals.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = literals.next_back() else {
            return rest.is_empty();
        };
        for literal in literals {
            match rest.split_once(literal) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Refuses values without meaning.
    ///
    /// # Errors
    /// Where the pattern is empty, or a number is negative or not finite.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        let valid = |value: f64| value.is_finite() && value >= 0.0;
        if self.pattern.is_empty() {
            return Err(wrong("pattern", "must not be empty"));
        }
        if !valid(self.rate) {
            return Err(wrong("rate", "must be 0 or above"));
        }
        match self.weight_decay {
            Some(decay) if !valid(decay) => Err(wrong("weight_decay", "must be 0 or above")),
            _ => Ok(()),
        }
    }
}

/// Refuses groups that match no parameter among `shapes`, those of `names::shapes`.
///
/// # Errors
/// Names the first such pattern.
pub(crate) fn check_matches(
    groups: &[ParamGroup],
    shapes: &[(String, Vec<usize>)],
) -> Result<(), RecipeError> {
    let parameter = |name: &str, group: &ParamGroup| !is_buffer(name) && group.matches(name);
    for group in groups {
        if !shapes.iter().any(|(name, _)| parameter(name, group)) {
            let reason = format!("= '{}' matches no parameter of the network", group.pattern);
            return Err(wrong("pattern", &reason));
        }
    }
    Ok(())
}

fn wrong(key: &str, reason: &str) -> RecipeError {
    RecipeError::Value {
        key: format!("optimizer.groups.{key}"),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_globs_of_whole_names() {
        let matches = |pattern: &str, name: &str| {
            let group = ParamGroup {
                pattern: pattern.to_string(),
                rate: 1.0,
                weight_decay: None,
            };
            group.matches(name)
        };
        for (pattern, name, expected) in [
            ("*", "conv1.weight", true),
            ("*.bias", "fc.0.bias", true),
            ("*.bias", "fc.0.weight", false),
            ("*.bias", "bias", false),
            ("bn*", "bn1.weight", true),
            ("bn*", "layer1.0.bn1.weight", false),
            ("*bn*", "layer1.0.bn1.weight", true),
            ("layer*.conv2.*", "layer3.5.conv2.weight", true),
            ("layer*.conv2.*", "layer3.5.conv1.weight", false),
            ("conv1.weight", "conv1.weight", true),
            ("conv1", "conv1.weight", false),
            ("*a*a", "a", false),
            ("*a*a", "aa", true),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
