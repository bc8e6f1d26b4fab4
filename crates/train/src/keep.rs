//! How many checkpoints of a run are kept.

use std::fmt;
use std::num::NonZeroUsize;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `"all"`, or the number of the newest checkpoints that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every checkpoint.
    #[default]
    All,
    /// The newest ones; older ones are deleted once a new one is written.
    Newest(NonZeroUsize),
}

const ALL: &str = "all";

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Keep::All => to.serialize_str(ALL),
            Keep::Newest(count) => to.serialize_u64(count.get() as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(KeepVisitor)
    }
}

struct KeepVisitor;

impl Visitor<'_> for KeepVisitor {
    type Value = Keep;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("\"all\" or the number of checkpoints to keep, at least 1")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Keep, E> {
        match text {
            ALL => Ok(Keep::All),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Keep, E> {
        let count = usize::try_from(count).ok().and_then(NonZeroUsize::new);
        let wrong = || E::invalid_value(Unexpected::Other("this number"), &self);
        count.map(Keep::Newest).ok_or_else(wrong)
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Keep, E> {
        match u64::try_from(count) {
            Ok(count) => self.visit_u64(count),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(count), &self)),
        }
    }
}
