//! The ranks of a distributed run: processes that `mpirun` or `srun` started, connected by MPI.
//!
//! Without the cargo feature `mpi`, and where one process was started alone, there is one rank and no library is touched.

mod agree;
mod errors;
mod files;
#[cfg(feature = "mpi")]
mod mpi;

use std::sync::OnceLock;

use anyhow::Result;
use parallax_ranks::{Ranks, RanksError};

pub use agree::{Elsewhere, agree, of_first};
pub use errors::{leave, lost, message, speaks};
pub use files::{bytes_of, checkpoint_of_first, path_of};

#[cfg(not(feature = "mpi"))]
use crate::usage::BadArgument;

/// How launchers tell a process the number of processes that they started: Open MPI, MPICH and Intel MPI, Slurm.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

static RANKS: OnceLock<Ranks> = OnceLock::new();

/// Connects with the other processes that were started together with this one, if there are any.
///
/// # Errors
/// When there are, and the program was built without MPI.
pub fn connect() -> Result<Ranks> {
    let ranks = match launched() {
        1 => Ranks::ONE,
        size => together(size)?,
    };
    Ok(*RANKS.get_or_init(|| ranks))
}

/// The ranks that [`connect`] connected.
pub fn here() -> Ranks {
    RANKS.get().copied().unwrap_or(Ranks::ONE)
}

/// Processes that were started together with this one, itself included.
pub fn launched() -> usize {
    let size = |name: &&str| std::env::var(name).ok()?.parse().ok();
    SIZES.iter().find_map(size).unwrap_or(1).max(1)
}

#[cfg(feature = "mpi")]
fn together(_: usize) -> Result<Ranks> {
    mpi::connect()
}

#[cfg(not(feature = "mpi"))]
fn together(size: usize) -> Result<Ranks> {
    let message = format!(
        "{size} processes were started together, and this program was built without MPI: each would train alone. Build it with \
         `cargo build --release -p parallax --features mpi`, which takes the packages libopenmpi-dev, openmpi-bin and \
         libclang-dev, or start one process"
    );
    Err(BadArgument(message).into())
}

/// This process's number among those of its machine, from 0, and their number.
pub fn on_this_machine(ranks: Ranks) -> Result<(usize, usize), RanksError> {
    let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    let names = ranks.gather_bytes(&name)?;
    let same = |names: &[Vec<u8>]| names.iter().filter(|other| **other == name).count();
    Ok((same(&names[..ranks.rank()]), same(&names)))
}
