//! Maps of classes to groups.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::TaxonomyError;

/// Classes in groups, as a map's JSON file has them.
///
/// ```
/// use parallax_data::taxonomy::Grouping;
///
/// let text = r#"{"groups": [{"name": "animal", "members": ["bird", "cat"]}, {"name": "vehicle", "members": ["ship"]}]}"#;
/// let map = Grouping::parse("map.json", text.as_bytes())?;
/// let classes = ["bird", "cat", "ship"].map(String::from);
/// assert_eq!(map.labels("data", &classes)?, [0, 0, 1]);
/// # Ok::<(), parallax_data::taxonomy::TaxonomyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grouping {
    /// How it was made; `None` for a map by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The groups. Those of a scheme are ordered by their smallest class index.
    pub groups: Vec<Group>,
}

/// Classes that are learned as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The synset of the group, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wnid: Option<String>,
    /// Its name.
    pub name: String,
    /// The names of its classes: of class folders, which for ImageNet are synset ids.
    pub members: Vec<String>,
}

impl Grouping {
    /// Reads the content of a map's file; `name` is for errors.
    ///
    /// # Errors
    /// When it is no such JSON, or as [`Grouping::check`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, TaxonomyError> {
        let map: Self = serde_json::from_slice(bytes).map_err(|error| TaxonomyError::Json {
            name: name.to_string(),
            reason: error.to_string(),
        })?;
        map.check(name)?;
        Ok(map)
    }

    /// The content of a map's file, a group on each line.
    ///
    /// # Errors
    /// None for strings that JSON can hold.
    pub fn to_json(&self) -> Result<String, TaxonomyError> {
        let failed = |error: serde_json::Error| TaxonomyError::Groups {
            name: "the map".to_string(),
            reason: error.to_string(),
        };
        let mut text = "{".to_string();
        if let Some(scheme) = &self.scheme {
            text += &format!("\"scheme\": {}, ", json!(scheme));
        }
        let groups = self.groups.iter().map(serde_json::to_string);
        let groups: Vec<String> = groups.collect::<Result<_, _>>().map_err(failed)?;
        Ok(format!(
            "{text}\"groups\": [\n{}\n]}}\n",
            groups.join(",\n")
        ))
    }

    /// Checks that no class is in two groups, and that every group has a class.
    ///
    /// # Errors
    /// That name the class or the group.
    pub fn check(&self, name: &str) -> Result<(), TaxonomyError> {
        let wrong = |reason| {
            Err(TaxonomyError::Groups {
                name: name.to_string(),
                reason,
            })
        };
        if self.groups.is_empty() {
            return wrong("there are no groups; write at least one".to_string());
        }
        let mut known: HashMap<&str, &str> = HashMap::new();
        for group in &self.groups {
            if group.members.is_empty() {
                return wrong(format!(
                    "group '{}' has no members; name its classes or remove it",
                    group.name
                ));
            }
            for member in &group.members {
                if let Some(other) = known.insert(member, &group.name) {
                    return wrong(match other == group.name {
                        true => format!("class '{member}' is twice in group '{other}'; remove one"),
                        false => format!(
                            "class '{member}' is in the groups '{other}' and '{}'; leave it in one",
                            group.name
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// The index of the group of each of `classes`, those of the source `name`.
    ///
    /// # Errors
    /// When a class is in no group, or a member of a group is no class.
    pub fn labels(&self, name: &str, classes: &[String]) -> Result<Vec<u32>, TaxonomyError> {
        let wrong = |reason| TaxonomyError::Groups {
            name: name.to_string(),
            reason,
        };
        let mut groups: HashMap<&str, u32> = HashMap::new();
        for (group, number) in self.groups.iter().zip(0u32..) {
            groups.extend(group.members.iter().map(|member| (member.as_str(), number)));
        }
        let labels = classes.iter().map(|class| {
            let group = groups.remove(class.as_str());
            group.ok_or_else(|| {
                wrong(format!(
                    "class '{class}' is in no group of data.taxonomy; add it to one, or remove its images"
                ))
            })
        });
        let labels = labels.collect::<Result<_, _>>()?;
        let group_of = |member: &str| {
            let mut groups = self.groups.iter();
            let group = groups.find(|group| group.members.iter().any(|own| own == member));
            group.map_or("", |group| group.name.as_str())
        };
        match groups.keys().min() {
            Some(member) => Err(wrong(format!(
                "there is no class '{member}', a member of the group '{}' of data.taxonomy; remove it or correct its name. \
                 The classes are {}",
                group_of(member),
                shown(classes)
            ))),
            None => Ok(labels),
        }
    }
}

/// The first classes by name.
fn shown(classes: &[String]) -> String {
    const NAMED: usize = 10;
    let names = classes[..classes.len().min(NAMED)].join(", ");
    match classes.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MAP: &str = r#"{"scheme": "x", "groups": [
        {"wnid": "n1", "name": "animal", "members": ["bird", "cat"]}, {"name": "vehicle", "members": ["ship"]}]}"#;

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    #[test]
    fn a_map_comes_back() {
        let map = Grouping::parse("m", MAP.as_bytes()).unwrap();
        let text = map.to_json().unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(Grouping::parse("m", text.as_bytes()).unwrap(), map);
        let labels = map.labels("data", &classes(&["cat", "ship", "bird"]));
        assert_eq!(labels.unwrap(), [0, 1, 0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |text: &str| {
            let error = Grouping::parse("m.json", text.as_bytes());
            error.unwrap_err().to_string()
        };
        for (text, part) in [
            ("{", "m.json: not a map of classes to groups (EOF"),
            (r#"{"group": []}"#, "unknown field `group`"),
            (r#"{"groups": []}"#, "no groups"),
            (
                &MAP.replace("\"ship\"", ""),
                "group 'vehicle' has no members",
            ),
            (
                &MAP.replace("ship", "bird"),
                "'bird' is in the groups 'animal' and 'vehicle'",
            ),
            (
                &MAP.replace("cat", "bird"),
                "'bird' is twice in group 'animal'",
            ),
        ] {
            let message = refused(text);
            assert!(message.contains(part), "{message}");
        }
        let map = Grouping::parse("m", MAP.as_bytes()).unwrap();
        let refused = |names: &[&str]| {
            let labels = map.labels("data", &classes(names));
            labels.unwrap_err().to_string()
        };
        let outside = refused(&["bird", "cat", "ship", "frog"]);
        assert!(
            outside.starts_with("data: class 'frog' is in no group"),
            "{outside}"
        );
        let unknown = refused(&["bird", "ship"]);
        assert!(
            unknown.contains("no class 'cat', a member of the group 'animal'")
                && unknown.ends_with("The classes are bird, ship"),
            "{unknown}"
        );
    }
}
