//! One process at a time in a run's folder.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

const NAME: &str = ".lock";
/// How long another process may take to end: one that was told to stop finishes its step and saves.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Takes the folder for this process until the file is dropped; a process that is killed leaves no trace.
///
/// # Errors
/// When another process keeps the folder, or it cannot be written.
pub fn take(folder: &Path) -> Result<File> {
    take_within(folder, PATIENCE)
}

fn take_within(folder: &Path, patience: Duration) -> Result<File> {
    let path = folder.join(NAME);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => sleep(POLL),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another process is writing {}: stop it, or wait for its end",
                    folder.display()
                )
            }
            // A file system without locks: as before there were any.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_given_back() {
        let folder = std::env::temp_dir().join(format!("parallax-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let first = take(&folder).unwrap();
        let message = take_within(&folder, Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert!(message.contains("another process"), "{message}");
        drop(first);
        take_within(&folder, Duration::ZERO).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
