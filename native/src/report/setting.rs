//! What distinguishes runs, apart from their seeds.

use parallax_methods::MethodKind;
use toml::{Table, Value};

/// A setting of a run.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct Setting {
    /// The method, with `-lars` where LARS is the optimiser: `moco-v2-plus-lars`.
    pub system: String,
    /// `resnet18`, with the width where it is not the usual one.
    pub arch: String,
    /// Length of the run, in epochs or steps as its recipe says it.
    pub length: f64,
    /// `epochs` or `steps`.
    pub unit: &'static str,
    /// Fraction of the classes.
    pub ratio: f64,
    /// The taxonomy's scheme as `bottom-up-6`, or the names of its groups, or nothing.
    pub taxonomy: String,
    /// Where the images come from.
    pub source: String,
}

impl Setting {
    /// By a recipe. It is read as it stands, so that recipes of other versions can be reported.
    pub fn of(recipe: &Table) -> Self {
        let value = |section: &str, key: &str| recipe.get(section)?.get(key);
        let text = |section: &str, key: &str| Some(value(section, key)?.as_str()?.to_string());
        let number = |section: &str, key: &str| {
            let value = value(section, key)?;
            value
                .as_float()
                .or_else(|| value.as_integer().map(|n| n as f64))
        };
        let optimizer = match text("optimizer", "name").as_deref() {
            Some("lars") => "-lars",
            _ => "",
        };
        let arch = text("model", "arch").unwrap_or_default();
        let (length, unit) = match number("run", "total_steps") {
            Some(steps) => (steps, "steps"),
            None => (number("run", "epochs").unwrap_or_default(), "epochs"),
        };
        Self {
            system: text("method", "name").unwrap_or_default() + optimizer,
            arch: match number("model", "width") {
                Some(width) => format!("{arch}, width {width}"),
                None => arch,
            },
            length,
            unit,
            ratio: number("data", "class_ratio").unwrap_or(1.0),
            taxonomy: value("data", "taxonomy").map(taxonomy).unwrap_or_default(),
            source: text("data", "source").unwrap_or_default(),
        }
    }

    /// The seed in a recipe.
    pub fn seed_of(recipe: &Table) -> u64 {
        let seed = recipe.get("run").and_then(|run| run.get("seed"));
        seed.and_then(|seed| seed.as_integer()).unwrap_or_default() as u64
    }

    /// Of weights without a run.
    pub fn unknown(weights: &str) -> Self {
        Self {
            system: weights.to_string(),
            ratio: 1.0,
            ..Self::default()
        }
    }

    /// The system as the paper writes it.
    pub fn name(&self) -> String {
        let (method, lars) = match self.system.strip_suffix("-lars") {
            Some(method) => (method, " (LARS)"),
            None => (self.system.as_str(), ""),
        };
        let known = MethodKind::ALL.iter().find(|kind| kind.name() == method);
        let label = known.map_or(method, |kind| kind.spec().label);
        format!("{label}{lars}")
    }

    /// Its length with the unit.
    pub fn length(&self) -> String {
        match self.unit {
            "" => String::new(),
            unit => format!("{} {unit}", self.length),
        }
    }

    /// The system, and of the rest what differs among `all`.
    pub fn label(&self, all: &[Setting]) -> String {
        let differs =
            |part: &dyn Fn(&Setting) -> String| all.iter().any(|other| part(other) != part(self));
        let mut label = self.name();
        let parts: [&dyn Fn(&Setting) -> String; 5] = [
            &|s| s.taxonomy.clone(),
            &|s| s.arch.clone(),
            &|s| s.length(),
            &|s| format!("{} % of classes", 100.0 * s.ratio),
            &|s| s.source.clone(),
        ];
        for part in parts {
            let text = part(self);
            if !text.is_empty() && differs(part) {
                label += &format!(", {text}");
            }
        }
        label
    }
}

/// The name of a recipe's taxonomy: runs store the map itself.
fn taxonomy(value: &Value) -> String {
    let text = |value: Option<&Value>| Some(value?.as_str()?.to_string());
    if let Some(scheme) = text(value.get("scheme")) {
        return scheme.replace(':', "-");
    }
    let groups = value.get("groups").and_then(Value::as_array);
    let names = groups
        .into_iter()
        .flatten()
        .filter_map(|group| text(group.get("name")));
    let mut names: Vec<String> = names.collect();
    names.sort();
    match (value.as_str(), names.len()) {
        (Some("none"), _) => String::new(),
        (Some(name), _) => name.to_string(),
        (None, 0..=3) => names.join("-"),
        (None, groups) => format!("{groups} groups"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn taxonomies_are_named_by_their_scheme_or_their_groups() {
        let name = |text: &str| Setting::of(&format!("[data]\n{text}").parse().unwrap()).taxonomy;
        assert_eq!(name("taxonomy = 'none'"), "");
        assert_eq!(name("source = 'sample'"), "");
        assert_eq!(
            name("taxonomy = { scheme = 'bottom-up:6', groups = [] }"),
            "bottom-up-6"
        );
        let groups = "taxonomy = { groups = [{ name = 'vehicle', members = [] }, { name = 'animal', members = [] }] }";
        assert_eq!(name(groups), "animal-vehicle");
    }
}
