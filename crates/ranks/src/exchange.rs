//! What a host provides.

use std::time::Duration;

use crate::error::RanksError;

/// What exchanges have cost a rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that it has sent to other ranks.
    pub bytes: u64,
    /// From the start of each exchange to its end.
    pub time: Duration,
}

/// Exchanges between the ranks of a run. Every rank makes the same calls with the same lengths in the same order.
///
/// Once a call has failed, all later ones fail at once with the same error.
pub trait Exchange: Send + Sync {
    /// This process's number, from 0.
    fn rank(&self) -> usize;

    /// Processes of the run, at least 1.
    fn size(&self) -> usize;

    /// The bytes of every rank, in rank order: `all` is `size` times as long as `own`.
    ///
    /// # Errors
    /// When another rank has ended.
    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError>;

    /// Sends part r of `size` equal parts of `own` to rank r; part r of `all` is the one that came from rank r.
    ///
    /// # Errors
    /// When another rank has ended.
    fn all_to_all(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError>;

    /// Replaces the bytes by those of rank 0.
    ///
    /// # Errors
    /// When another rank has ended.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError>;

    /// What this rank has sent, and how long it has waited for exchanges, since it was connected.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// The error of the first exchange that failed, if one did.
    fn failed(&self) -> Option<RanksError>;
}
