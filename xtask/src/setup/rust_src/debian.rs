//! Debian's package `rust-src` in the suite that holds this compiler's version.
//!
//! The suites are asked through a list of sources of their own, so the machine's apt stays as it is. The archive's
//! address and its keys are those that the machine uses already, and signatures are checked as usual.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::find_library;
use crate::setup::getting;
use crate::sh;

/// Where a version of Rust may be, the newest and smallest first.
const SUITES: [&str; 9] = [
    "trixie-backports",
    "forky-backports",
    "bookworm-backports",
    "sid",
    "experimental",
    "forky",
    "trixie",
    "bookworm-updates",
    "bookworm",
];

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads and unpacks the package; the library folder in it.
pub fn fetch(version: &str, scratch: &Path) -> Result<PathBuf> {
    if sh::which("apt-get").is_none() {
        bail!("there is no apt-get here");
    }
    let archive = archive().context("apt's sources name no Debian archive")?;
    let mut seen = Vec::new();
    for suite in SUITES {
        let source = Source::new(&archive, suite, scratch)?;
        let found = source.versions();
        if let Some(package) = found.iter().find(|found| upstream(found) == version) {
            getting(
                &format!("rust-src {package}"),
                &format!("{suite} holds Rust {version}"),
            );
            return source.unpack(package, scratch);
        }
        seen.extend(found.iter().map(|found| format!("{suite} {found}")));
    }
    if seen.is_empty() {
        bail!("no suite of the archive answered");
    }
    bail!(
        "no suite has rust-src {version}; there are {}",
        seen.join(", ")
    )
}

/// An archive as the machine's apt knows it.
#[derive(Debug, PartialEq)]
struct Archive {
    address: String,
    keys: Option<String>,
}

/// One suite of it, with lists of its own.
struct Source {
    list: PathBuf,
    lists: PathBuf,
}

impl Source {
    fn new(archive: &Archive, suite: &str, scratch: &Path) -> Result<Self> {
        let folder = scratch.join(suite);
        let lists = folder.join("lists");
        std::fs::create_dir_all(lists.join("partial"))?;
        let list = folder.join("source.list");
        let usual = Path::new(KEYS).is_file().then(|| KEYS.to_owned());
        let option = match archive.keys.clone().or(usual) {
            Some(keys) => format!("[signed-by={keys}] "),
            None => String::new(),
        };
        std::fs::write(
            &list,
            format!("deb {option}{} {suite} main\n", archive.address),
        )?;
        Ok(Self { list, lists })
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = sh::cmd(program);
        let source = format!("Dir::Etc::sourcelist={}", self.list.display());
        let lists = format!("Dir::State::lists={}", self.lists.display());
        for option in [
            source.as_str(),
            "Dir::Etc::sourceparts=-",
            lists.as_str(),
            "Dir::Cache::pkgcache=",
            "Dir::Cache::srcpkgcache=",
            "Acquire::Languages=none",
            // As root apt would fetch as a user who cannot write into this folder.
            "APT::Sandbox::User=root",
        ] {
            command.args(["-o", option]);
        }
        command
    }

    /// The versions of `rust-src`, newest first; none where the suite does not exist.
    fn versions(&self) -> Vec<String> {
        if !sh::succeeds(self.apt("apt-get").arg("update")) {
            return Vec::new();
        }
        let listed = sh::capture(self.apt("apt-cache").args(["madison", "rust-src"]));
        listed.map_or_else(|_| Vec::new(), |text| madison(&text))
    }

    fn unpack(&self, version: &str, scratch: &Path) -> Result<PathBuf> {
        let mut download = self.apt("apt-get");
        download
            .args(["-q=2", "download"])
            .arg(format!("rust-src={version}"))
            .current_dir(scratch);
        sh::run(&mut download)?;
        let package = std::fs::read_dir(scratch)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|end| end == "deb"))
            .context("apt-get left no package")?;
        let out = scratch.join("unpacked");
        sh::run(sh::cmd("dpkg-deb").arg("-x").arg(&package).arg(&out))?;
        find_library(&out.join("usr/src")).context("the package holds no library/std/Cargo.toml")
    }
}

fn madison(text: &str) -> Vec<String> {
    let mut versions: Vec<String> = text
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(|version| version.trim().to_owned())
        .collect();
    versions.dedup();
    versions
}

/// `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(package: &str) -> &str {
    package
        .split(['+', '-', '~'])
        .next()
        .unwrap_or_default()
        .trim_start_matches("1:")
}

/// The archive of Debian itself, not the one of security updates.
fn archive() -> Option<Archive> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())));
    }
    files.sort();
    files.iter().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "sources" => text.split("\n\n").find_map(from_stanza),
            "list" => text.lines().find_map(from_line),
            _ => None,
        }
    })
}

fn is_debian(address: &str) -> bool {
    address.contains("debian") && !address.contains("security")
}

fn from_stanza(stanza: &str) -> Option<Archive> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            value.split_whitespace().next().map(str::to_owned)
        })
    };
    let address = field("URIs").filter(|address| is_debian(address))?;
    Some(Archive {
        address,
        keys: field("Signed-By").filter(|keys| keys.starts_with('/')),
    })
}

fn from_line(line: &str) -> Option<Archive> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let address = rest.split_whitespace().next()?.to_owned();
    let keys = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="))
        .map(str::to_owned);
    is_debian(&address).then_some(Archive { address, keys })
}

#[cfg(test)]
mod tests {
    use super::{Archive, from_line, from_stanza, madison, upstream};

    #[test]
    fn upstream_versions() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("1.63.0-1"), "1.63.0");
        let listed = " rust-src | 1.96.1+dfsg1-2 | a\n rust-src | 1.95.0+dfsg1-2 | b\n";
        assert_eq!(madison(listed), ["1.96.1+dfsg1-2", "1.95.0+dfsg1-2"]);
    }

    #[test]
    fn the_archive_is_read_from_both_kinds_of_lists() {
        let wanted = Archive {
            address: "http://mirror.example/debian".into(),
            keys: Some("/keys.gpg".into()),
        };
        let stanza =
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: a\nSigned-By: /keys.gpg";
        assert_eq!(from_stanza(stanza).as_ref(), Some(&wanted));
        let line = "deb [arch=amd64 signed-by=/keys.gpg] http://mirror.example/debian trixie main";
        assert_eq!(from_line(line).as_ref(), Some(&wanted));
        assert_eq!(
            from_line("deb http://mirror.example/debian-security a main"),
            None
        );
        assert_eq!(from_line("# deb http://mirror.example/debian a main"), None);
    }
}
