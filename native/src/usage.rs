//! Errors of the arguments, as opposed to failures.

use std::fmt;

/// An error in what was asked for: the command line exits with 2 for it, as for clap's own errors.
#[derive(Debug)]
pub struct BadArgument(pub String);

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadArgument {}
