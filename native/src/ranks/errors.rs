//! Which rank says what went wrong, and how all of them end.

use std::process::ExitCode;
#[cfg(feature = "mpi")]
use std::time::Duration;

use parallax_ranks::RanksError;
use parallax_train::RunError;

use super::agree::{Agreed, Elsewhere};
use super::here;

/// The time that other ranks take to end.
#[cfg(feature = "mpi")]
const LAST: Duration = Duration::from_millis(300);

/// Ends the process's part in the exchange. Where this rank alone has failed, all others are ended, too.
pub fn leave(error: Option<&anyhow::Error>, code: u8) -> ExitCode {
    #[cfg(feature = "mpi")]
    if !here().is_one() {
        match error {
            Some(error) if lost(error) => std::process::exit(code.into()),
            Some(error) if !of_all(error) => super::mpi::abort(code),
            Some(error) => {
                super::mpi::finish();
                // Launchers kill what is left once a process has failed, and wait for it: so the one that fails is the last.
                if !speaks(error) {
                    return ExitCode::SUCCESS;
                }
                std::thread::sleep(LAST);
            }
            None => super::mpi::finish(),
        }
    }
    #[cfg(not(feature = "mpi"))]
    let _ = error;
    ExitCode::from(code)
}

/// Whether another rank has ended.
pub fn lost(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(RunError::Ranks(_))) || cause.is::<RanksError>()
    })
}

/// Whether every rank has met the error, or knows of it.
fn of_all(error: &anyhow::Error) -> bool {
    let of_step = |cause: &(dyn std::error::Error + 'static)| {
        matches!(
            cause.downcast_ref(),
            Some(RunError::Diverged { .. } | RunError::Overflow { .. } | RunError::Differs { .. })
        )
    };
    error.is::<Elsewhere>() || error.is::<Agreed>() || error.chain().any(of_step)
}

/// Whether this rank says what went wrong: one alone where all know.
pub fn speaks(error: &anyhow::Error) -> bool {
    here().is_first() && !error.is::<Elsewhere>() || error.is::<Agreed>() || !of_all(error)
}

/// The error with its causes, after `rank 3: ` where there are several.
pub fn message(error: &anyhow::Error) -> String {
    let mark = Agreed.to_string();
    let causes = error.chain().map(ToString::to_string);
    let causes: Vec<String> = causes.filter(|cause| *cause != mark).collect();
    let causes = causes.join(": ");
    match here() {
        ranks if ranks.is_one() => format!("error: {causes}"),
        ranks => format!("rank {}: error: {causes}", ranks.rank()),
    }
}
