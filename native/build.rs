//! Says which packages the feature `mpi` needs, where they are missing.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    if std::env::var_os("CARGO_FEATURE_MPI").is_none() {
        return;
    }
    let compiler = std::env::var("MPICC").unwrap_or_else(|_| "mpicc".to_string());
    let compiles = Command::new(&compiler).arg("--version").output();
    if compiles.is_err() {
        println!(
            "cargo::error=the feature `mpi` needs an MPI library, and there is no {compiler}: install libopenmpi-dev and \
             openmpi-bin (Debian, Ubuntu), openmpi-devel (Fedora) or open-mpi (Homebrew), or load your cluster's module"
        );
    }
    if cfg!(target_os = "linux") && !has_libclang() {
        println!(
            "cargo::error=the feature `mpi` needs libclang, by which Rust reads the library's headers: install libclang-dev \
             (Debian, Ubuntu) or clang-devel (Fedora), or say by LIBCLANG_PATH where it is"
        );
    }
}

/// Whether libclang is where bindgen looks for it.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    if Command::new("llvm-config")
        .arg("--version")
        .output()
        .is_ok()
    {
        return true;
    }
    let libraries = [
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    let holds = |folder: &Path, start: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name())
            .any(|name| name.to_string_lossy().starts_with(start))
    };
    libraries.iter().any(|folder| {
        let folder = Path::new(folder);
        holds(folder, "libclang") || holds(folder, "llvm-")
    })
}
