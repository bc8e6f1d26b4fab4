//! Why ranks cannot exchange.

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    /// A process has ended, or does not answer.
    #[error("another rank has ended: rank {rank} of {size} waits for it in vain")]
    Lost {
        /// The rank that noticed.
        rank: usize,
        /// Ranks of the run.
        size: usize,
    },
    /// Ranks that do not do the same.
    #[error("ranks exchange {own} and {other} bytes at once: they do not take the same step")]
    Mismatch {
        /// Bytes of this rank.
        own: usize,
        /// Bytes of another one.
        other: usize,
    },
    /// The host's library.
    #[error("the ranks cannot exchange: {0}")]
    Host(String),
}
