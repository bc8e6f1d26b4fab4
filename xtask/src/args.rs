//! The command line's arguments.

use anyhow::{Context, Result, bail};

/// What is left of the command line.
pub struct Args(Vec<String>);

impl Args {
    /// The arguments of this process.
    pub fn from_env() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Takes the next argument.
    pub fn word(&mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0.remove(0))
    }

    /// Takes a flag; says whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|arg| arg != name);
        self.0.len() != before
    }

    /// Takes a name and the value after it, `--name value` or `--name=value`.
    pub fn value(&mut self, name: &str) -> Result<Option<String>> {
        let joined = format!("{name}=");
        if let Some(at) = self.0.iter().position(|arg| arg.starts_with(&joined)) {
            return Ok(Some(self.0.remove(at)[joined.len()..].to_owned()));
        }
        let Some(at) = self.0.iter().position(|arg| arg == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        if at >= self.0.len() {
            bail!("{name} needs a value");
        }
        Ok(Some(self.0.remove(at)))
    }

    /// Everything that is left.
    pub fn rest(self) -> Vec<String> {
        self.0
    }

    /// Fails if something is left.
    pub fn finish(&self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(arg) => {
                Err(anyhow::anyhow!("`{arg}` is not known here")).context("see `cargo xtask help`")
            }
        }
    }
}
