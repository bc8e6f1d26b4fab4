//! `data.taxonomy`: the classes as they are, or in groups.

use std::fmt;

use parallax_data::taxonomy::Grouping;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::RecipeError;

/// How classes are grouped for supervised training.
///
/// In a recipe it is `"none"`, the name of an embedded map, the path of a map's file, or the map itself. Runs store the map
/// itself, so that they do not depend on a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Taxonomy {
    /// The classes as they are.
    #[default]
    None,
    /// A map's file, which is not read yet.
    File(String),
    /// A map.
    Groups(Grouping),
}

const NONE: &str = "none";

impl Taxonomy {
    /// Replaces the name of an embedded map by the map, and checks a map.
    ///
    /// # Errors
    /// When a class is in two groups, or a group is empty.
    pub(crate) fn resolve(&mut self) -> Result<(), RecipeError> {
        match self {
            Taxonomy::None => Ok(()),
            Taxonomy::File(name) => {
                if let Some(text) = parallax_recipes::taxonomy(name) {
                    *self = Taxonomy::Groups(Grouping::parse(name, text.as_bytes())?);
                }
                Ok(())
            }
            Taxonomy::Groups(map) => Ok(map.check("the map in the recipe")?),
        }
    }

    /// The map; `None` for the classes as they are.
    ///
    /// # Errors
    /// When its file has not been read.
    pub fn groups(&self) -> Result<Option<&Grouping>, RecipeError> {
        match self {
            Taxonomy::None => Ok(None),
            Taxonomy::Groups(map) => Ok(Some(map)),
            Taxonomy::File(name) => {
                let embedded = parallax_recipes::TAXONOMIES.map(|(name, _)| name);
                Err(RecipeError::Value {
                    key: "data.taxonomy".to_string(),
                    reason: format!(
                        "names '{name}', which is neither a file nor a map of Parallax; there are none, {}; `parallax taxonomy` \
                         writes a map of WordNet's",
                        embedded.join(", ")
                    ),
                })
            }
        }
    }
}

impl Serialize for Taxonomy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Taxonomy::None => to.serialize_str(NONE),
            Taxonomy::File(name) => to.serialize_str(name),
            Taxonomy::Groups(map) => map.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Taxonomy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TaxonomyVisitor)
    }
}

struct TaxonomyVisitor;

impl<'de> Visitor<'de> for TaxonomyVisitor {
    type Value = Taxonomy;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("\"none\", the name or the file of a map, or groups")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Taxonomy, E> {
        Ok(match text {
            NONE => Taxonomy::None,
            _ => Taxonomy::File(text.to_string()),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Taxonomy, A::Error> {
        Grouping::deserialize(MapAccessDeserializer::new(map)).map(Taxonomy::Groups)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::recipe::Recipe;

    fn recipe(taxonomy: &str) -> Result<Recipe, RecipeError> {
        let text = format!("[method]\nname = 'supervised'\n[data]\ntaxonomy = {taxonomy}");
        Recipe::parse(&text, &[])
    }

    #[test]
    fn every_embedded_map_is_valid_and_stored_as_itself() {
        for (name, text) in parallax_recipes::TAXONOMIES {
            let map = Grouping::parse(name, text.as_bytes()).unwrap();
            let recipe = recipe(&format!("'{name}'")).unwrap();
            assert_eq!(recipe.data.taxonomy, Taxonomy::Groups(map));
            let stored = recipe.to_toml().unwrap();
            assert!(stored.contains("members"), "{stored}");
            assert_eq!(Recipe::parse(&stored, &[]).unwrap(), recipe);
        }
    }

    #[test]
    fn the_default_is_the_classes_as_they_are() {
        let none = recipe("'none'").unwrap();
        assert_eq!(none.data.taxonomy, Taxonomy::None);
        assert!(none.to_toml().unwrap().contains("taxonomy = \"none\""));
        assert_eq!(
            Recipe::parse("[method]\nname = 'supervised'", &[]).unwrap(),
            none
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let unread = recipe("'animals.json'").unwrap();
        let message = unread.data.taxonomy.groups().unwrap_err().to_string();
        assert!(
            message.contains("'animals.json'") && message.contains("animal-vehicle"),
            "{message}"
        );
        let twice = "{groups = [{name = 'a', members = ['x']}, {name = 'b', members = ['x']}]}";
        let message = recipe(twice).unwrap_err().to_string();
        assert!(
            message.contains("data.taxonomy") && message.contains("'a' and 'b'"),
            "{message}"
        );
        let message = recipe("3").unwrap_err().to_string();
        assert!(message.contains("name or the file of a map"), "{message}");
        let byol = "[method]\nname = 'byol'\n[data]\ntaxonomy = 'animal-vehicle'";
        let message = Recipe::parse(byol, &[]).unwrap_err().to_string();
        assert!(
            message.contains("data.taxonomy") && message.contains("supervised"),
            "{message}"
        );
    }
}
