//! The tree of synsets above the groups of a grouping.

use std::collections::BTreeMap;

use super::error::TaxonomyError;
use super::grouping::{Group, Grouping};
use super::wordnet::{Synset, WordNet};

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Steps below the root.
    pub depth: usize,
    /// The name of the synset.
    pub name: String,
    /// The names of its classes, where it is a group.
    pub members: Option<Vec<String>>,
}

/// The tree from the root to the groups, siblings by name. Groups that are no synset come behind it, at depth 0.
///
/// # Errors
/// When an id of the map is no synset of `nouns`, or its hypernyms cannot be followed.
pub fn rows(nouns: &WordNet, map: &Grouping) -> Result<Vec<Row>, TaxonomyError> {
    let mut children: BTreeMap<Option<Synset>, BTreeMap<String, Synset>> = BTreeMap::new();
    let mut groups: BTreeMap<Synset, &Group> = BTreeMap::new();
    let mut rest = Vec::new();
    for group in &map.groups {
        let Some(synset) = group.wnid.as_deref().and_then(|id| id.parse().ok()) else {
            rest.push(row(nouns, 0, group.name.clone(), Some(group)));
            continue;
        };
        nouns.resolve(&[synset])?;
        groups.insert(synset, group);
        let chain = nouns.chain(synset)?;
        for (at, &synset) in chain.iter().enumerate() {
            let parent = chain.get(at + 1).copied();
            let key = format!("{} {synset}", nouns.name(synset));
            children.entry(parent).or_default().insert(key, synset);
        }
    }
    let mut rows = Vec::new();
    let mut waiting: Vec<(usize, Synset)> = Vec::new();
    let below = |parent, depth| {
        let known = children.get(&parent).into_iter().flat_map(BTreeMap::values);
        known.rev().map(move |&synset| (depth, synset))
    };
    waiting.extend(below(None, 0));
    while let Some((depth, synset)) = waiting.pop() {
        let group = groups.get(&synset).copied();
        rows.push(row(nouns, depth, nouns.name(synset), group));
        waiting.extend(below(Some(synset), depth + 1));
    }
    rows.extend(rest);
    Ok(rows)
}

fn row(nouns: &WordNet, depth: usize, name: String, group: Option<&Group>) -> Row {
    let member = |id: &String| id.parse().map_or_else(|()| id.clone(), |id| nouns.name(id));
    Row {
        depth,
        name,
        members: group.map(|group| group.members.iter().map(member).collect()),
    }
}
