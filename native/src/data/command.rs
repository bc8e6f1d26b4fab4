//! Runs external programs (`curl`, `npm`, `tar`) and shows the growth of their output as progress.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::progress::Progress;

/// The polling interval.
const LOOK: Duration = Duration::from_millis(100);

/// A child process that is killed when dropped, so that an error elsewhere leaves none behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail once the process has ended, which is the usual case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program and shows the size of `watched` as progress. Standard error goes to the file `messages`, whose last lines
/// become the error message.
pub fn run(
    mut command: Command,
    messages: &Path,
    watched: &Path,
    progress: &Progress,
) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut log = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(messages)
        .map_err(|e| e.to_string())?;
    let copy = log.try_clone().map_err(|error| error.to_string())?;
    let child = command
        .stdout(Stdio::null())
        .stderr(copy)
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("`{program}` is not installed"),
            _ => format!("`{program}` does not start: {error}"),
        })?;
    let mut running = Running(child);
    let status = loop {
        match running.0.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => progress.at(size(watched)),
        }
        sleep(LOOK);
    };
    if status.success() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    // Without the messages the failure is reported all the same.
    let _ = log.rewind().and_then(|()| log.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    Err(format!("`{program}` failed ({status}): {last}"))
}

/// Size of a file, or of all files in a folder, in bytes.
fn size(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !about.is_dir() {
        return about.len();
    }
    fs::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| size(&entry.path())).sum())
        .unwrap_or(0)
}
