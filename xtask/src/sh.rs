//! Starting other programs.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::repo;

/// A command that runs in the repository's root, without input.
///
/// Cargo's variables of the current run are removed: some build scripts read them, and would run again each time that a
/// build is started from here and then by hand.
pub fn cmd(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repo::root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    if let Some(path) = path_with_cargo_bin() {
        command.env("PATH", path);
    }
    command
}

/// A command from a line that is split at spaces: `words("cargo fmt --all")`.
pub fn words(line: &str) -> Command {
    let mut parts = line.split_whitespace();
    let mut command = cmd(parts.next().unwrap_or_default());
    command.args(parts);
    command
}

/// Runs a command, its output shown; fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    println!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command and returns its standard output; its standard error is part of the error.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command
        .output()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command silently; says whether it succeeded.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command and ends it after `limit`.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let line = show(command);
    println!("$ {line}");
    let mut child = command
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("`{line}` failed ({status})");
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("`{line}` did not end within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The first line of `program --version`, if it runs.
pub fn version(program: impl AsRef<OsStr>) -> Option<String> {
    let output = capture(cmd(program).arg("--version")).ok()?;
    output.lines().next().map(|line| line.trim().to_owned())
}

/// Where a program is: a path that exists, or a name found in PATH or in cargo's bin folder.
pub fn which(name: &str) -> Option<PathBuf> {
    if name.contains(std::path::MAIN_SEPARATOR) {
        let path = PathBuf::from(name);
        return path.is_file().then_some(path);
    }
    let path = path_with_cargo_bin().or_else(|| std::env::var_os("PATH"))?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|candidate| candidate.is_file())
}

/// PATH with the folder into which `cargo install` puts programs.
fn path_with_cargo_bin() -> Option<std::ffi::OsString> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let bin = home
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))?
        .join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if !folders.contains(&bin) {
        folders.push(bin);
    }
    std::env::join_paths(folders).ok()
}

/// A folder for a step's temporary files, empty at the start.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("parallax-{name}-{}", std::process::id()));
    remove(&folder)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// Removes a folder if it is there.
pub fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

fn show(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        // Writing to a string cannot fail.
        let _ = write!(line, " {}", arg.to_string_lossy());
    }
    line
}
