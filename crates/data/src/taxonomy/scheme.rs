//! Groups of classes by their hypernyms: the procedures of Huh et al. that the paper's label sets come from (methods.md 8.2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::error::TaxonomyError;
use super::grouping::{Group, Grouping};
use super::wordnet::{Synset, WordNet};

/// How classes are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Every class that is deeper than this number of steps below the root becomes its ancestor at this depth.
    BottomUp(usize),
    /// So many rounds: every class becomes its parent, then every class that has another one among its ancestors becomes that
    /// one.
    TopDown(usize),
    /// Artifacts against the rest.
    Artifact,
    /// The two children of the root, abstractions and physical entities: of ImageNet's classes 3 against 997.
    Imbalanced,
}

impl FromStr for Scheme {
    type Err = TaxonomyError;

    fn from_str(text: &str) -> Result<Self, TaxonomyError> {
        let unknown = || TaxonomyError::Scheme(text.to_string());
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<usize>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (name, number) {
            ("bottom-up", Some(depth)) => Ok(Scheme::BottomUp(depth)),
            ("top-down", Some(rounds)) if rounds > 0 => Ok(Scheme::TopDown(rounds)),
            ("artifact", None) => Ok(Scheme::Artifact),
            ("imbalanced", None) => Ok(Scheme::Imbalanced),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scheme::BottomUp(depth) => write!(f, "bottom-up:{depth}"),
            Scheme::TopDown(rounds) => write!(f, "top-down:{rounds}"),
            Scheme::Artifact => f.write_str("artifact"),
            Scheme::Imbalanced => f.write_str("imbalanced"),
        }
    }
}

/// The name of the classes that are no artifacts.
const REST: &str = "rest";

impl Scheme {
    /// The groups of `classes`, ordered by their smallest class index.
    ///
    /// # Errors
    /// When a class is no synset of `nouns`, or its hypernyms cannot be followed.
    pub fn group(self, nouns: &WordNet, classes: &[Synset]) -> Result<Grouping, TaxonomyError> {
        nouns.resolve(classes)?;
        let groups: Vec<Option<Synset>> = match self {
            Scheme::BottomUp(depth) => at_depth(nouns, classes, depth)?,
            Scheme::Imbalanced => at_depth(nouns, classes, 1)?,
            Scheme::TopDown(rounds) => {
                let mut labels = classes.to_vec();
                for _ in 0..rounds {
                    labels = merged(nouns, parents(nouns, &labels)?)?;
                }
                labels.into_iter().map(Some).collect()
            }
            Scheme::Artifact => {
                let artifact = |&class: &Synset| {
                    let chain = nouns.chain(class)?;
                    Ok(chain
                        .contains(&Synset::ARTIFACT)
                        .then_some(Synset::ARTIFACT))
                };
                classes.iter().map(artifact).collect::<Result<_, _>>()?
            }
        };
        let mut order: Vec<Option<Synset>> = Vec::new();
        let mut members: BTreeMap<Option<Synset>, Vec<String>> = BTreeMap::new();
        for (group, class) in groups.into_iter().zip(classes) {
            let list = members.entry(group).or_insert_with(|| {
                order.push(group);
                Vec::new()
            });
            list.push(class.to_string());
        }
        let group = |synset: Option<Synset>| Group {
            wnid: synset.map(|synset| synset.to_string()),
            name: synset.map_or_else(|| REST.to_string(), |synset| nouns.name(synset)),
            members: members.remove(&synset).unwrap_or_default(),
        };
        Ok(Grouping {
            scheme: Some(self.to_string()),
            groups: order.into_iter().map(group).collect(),
        })
    }
}

/// The ancestor of each class at a depth, or the class itself where it is not deeper.
fn at_depth(
    nouns: &WordNet,
    classes: &[Synset],
    depth: usize,
) -> Result<Vec<Option<Synset>>, TaxonomyError> {
    let ancestor = |&class: &Synset| {
        let chain = nouns.chain(class)?;
        Ok(chain.get(chain.len().saturating_sub(depth + 1)).copied())
    };
    classes.iter().map(ancestor).collect()
}

/// The parent of each label; the root stays.
fn parents(nouns: &WordNet, labels: &[Synset]) -> Result<Vec<Synset>, TaxonomyError> {
    let parent = |&label: &Synset| Ok(nouns.parent(label)?.unwrap_or(label));
    labels.iter().map(parent).collect()
}

/// For every label in order, every label that has it among its ancestors becomes it.
fn merged(nouns: &WordNet, labels: Vec<Synset>) -> Result<Vec<Synset>, TaxonomyError> {
    // Equal labels stay equal, so that it suffices to merge each of them once.
    let mut now: BTreeMap<Synset, Synset> = labels.iter().map(|&label| (label, label)).collect();
    let mut chains = BTreeMap::new();
    for &label in now.keys() {
        let chain: BTreeSet<Synset> = nouns.chain(label)?.into_iter().collect();
        chains.insert(label, chain);
    }
    let mut done = BTreeSet::new();
    for label in &labels {
        let Some(&ancestor) = now.get(label) else {
            continue;
        };
        if !done.insert(ancestor) {
            continue;
        }
        for other in now.values_mut() {
            if chains
                .get(other)
                .is_some_and(|chain| chain.contains(&ancestor))
            {
                *other = ancestor;
            }
        }
    }
    let merged = labels.iter().filter_map(|label| now.get(label).copied());
    Ok(merged.collect())
}
