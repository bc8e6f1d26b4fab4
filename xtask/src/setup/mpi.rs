//! An MPI library and what binds it, for training on several ranks. Where it cannot be had, the tests that need it do not run.

use anyhow::Result;

use super::{apt, getting, have};
use crate::sh;

const PACKAGES: [&str; 3] = ["libopenmpi-dev", "openmpi-bin", "libclang-dev"];

pub fn get() -> Result<()> {
    if is_here() {
        let version = sh::version("mpirun").unwrap_or_default();
        have("MPI", &version);
        return Ok(());
    }
    if !apt::can_install() {
        println!(
            "setup: no MPI; for training on several ranks: {}",
            apt::by_hand(&PACKAGES)
        );
        return Ok(());
    }
    getting("MPI", "it connects the ranks of a distributed run");
    apt::install(&PACKAGES)
}

/// Whether the feature `mpi` can be built and its tests run.
pub fn is_here() -> bool {
    let clang =
        sh::capture(&mut sh::words("ldconfig -p")).is_ok_and(|list| list.contains("libclang"));
    let clang = clang || std::env::var_os("LIBCLANG_PATH").is_some() || has_llvm();
    sh::which("mpicc").is_some() && sh::which("mpirun").is_some() && clang
}

/// Debian keeps libclang below /usr/lib/llvm-N.
fn has_llvm() -> bool {
    let Ok(entries) = std::fs::read_dir("/usr/lib") else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let llvm = name.to_string_lossy().starts_with("llvm-");
        llvm && entry.path().join("lib/libclang.so.1").exists()
    })
}
