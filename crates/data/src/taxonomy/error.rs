//! Errors of taxonomies.

use thiserror::Error;

/// Why a taxonomy cannot be made or used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaxonomyError {
    /// A map that is no JSON of groups.
    #[error(
        "{name}: not a map of classes to groups ({reason}); write {{\"groups\": [{{\"name\": \"animal\", \"members\": [\"bird\"]}}]}}"
    )]
    Json {
        /// The file.
        name: String,
        /// The message of the parser.
        reason: String,
    },
    /// Groups that contradict each other, or do not match the classes of the data.
    #[error("{name}: {reason}")]
    Groups {
        /// The file, or the source whose classes it does not match.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A line of WordNet or of a list of synset ids that cannot be read.
    #[error("{file} line {line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another version of WordNet.
    #[error(
        "WordNet {found} does not resolve the synset ids of ImageNet, which are offsets in the files of WordNet 3.0; `parallax \
         data fetch wordnet` gets them (Debian package wordnet-base)"
    )]
    Version {
        /// The version in the file's header.
        found: String,
    },
    /// Synset ids that are not in the file.
    #[error(
        "{count} of the synset ids are not in data.noun, the first is {first}; ids of ImageNet are those of WordNet 3.0, which \
         `parallax data fetch wordnet` gets"
    )]
    Unknown {
        /// How many.
        count: usize,
        /// The first, with its line where it comes from a list.
        first: String,
    },
    /// A sense that the index lacks.
    #[error(
        "the index of nouns has no sense {synset} of '{lemma}'; it is of another version than data.noun, or cut off"
    )]
    Sense {
        /// The synset.
        synset: String,
        /// Its first lemma.
        lemma: String,
    },
    /// Hypernyms that lead in a circle.
    #[error("data.noun: the hypernyms of {synset} lead in a circle: the file is damaged")]
    Circle {
        /// The synset.
        synset: String,
    },
    /// A scheme that does not exist.
    #[error(
        "there is no scheme '{0}'; there are bottom-up:DEPTH (such as bottom-up:6), top-down:ROUNDS (such as top-down:1), \
         artifact and imbalanced"
    )]
    Scheme(String),
}
