//! Steps of a command that all ranks take together, or none.

use std::fmt;

use anyhow::Result;
use parallax_ranks::Ranks;

/// An error that another rank reports.
#[derive(Debug)]
pub struct Elsewhere {
    /// The exit code that it has.
    pub code: u8,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another rank has failed and says why")
    }
}

impl std::error::Error for Elsewhere {}

/// The mark of an error that every rank knows of; this one reports it.
#[derive(Debug)]
pub struct Agreed;

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no rank has begun")
    }
}

/// The outcome of a step on this rank, if it succeeded on every rank. Else all fail, and the first that failed by itself says
/// why.
pub fn agree<T>(ranks: Ranks, outcome: Result<T>) -> Result<T> {
    if ranks.is_one() {
        return outcome;
    }
    let own = match &outcome {
        Ok(_) => 0,
        Err(error) => 1 + u8::from(crate::is_usage(error)),
    };
    let codes = ranks.gather(&[own])?;
    let Some(first) = codes.iter().position(|&code| code > 0) else {
        return outcome;
    };
    match outcome {
        Err(error) if first == ranks.rank() => Err(error.context(Agreed)),
        _ => Err(Elsewhere { code: codes[first] }.into()),
    }
}

/// What rank 0 computes, on every rank; where it fails, so do all.
pub fn of_first(ranks: Ranks, compute: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let outcome = match ranks.is_first() {
        true => compute(),
        false => Ok(Vec::new()),
    };
    let mut bytes = agree(ranks, outcome)?;
    let mut length = [bytes.len() as u64];
    ranks.broadcast(&mut length)?;
    bytes.resize(length[0] as usize, 0);
    ranks.broadcast(&mut bytes)?;
    Ok(bytes)
}
