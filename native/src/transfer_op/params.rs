//! Parameters of an operation.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The parameters, of which each must be read once.
pub struct Params {
    values: BTreeMap<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Params {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            values: serde_json::from_slice(bytes).context("not a JSON object")?,
            read: RefCell::default(),
        })
    }

    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let value = self.values.get(key);
        let value = value.with_context(|| format!("parameter '{key}' is missing"))?;
        self.read.borrow_mut().insert(key.to_string());
        serde_json::from_value(value.clone()).with_context(|| format!("parameter '{key}'"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Refuses parameters that the operation does not have.
    pub fn all_read(&self) -> Result<()> {
        let read = self.read.borrow();
        match self.values.keys().find(|key| !read.contains(*key)) {
            Some(key) => bail!("parameter '{key}' is not one of the operation's"),
            None => Ok(()),
        }
    }
}
