//! A software Vulkan driver with matrix instructions, for their tests on machines without such a GPU: Mesa's lavapipe, from
//! 26.1 on. Where the system's own is older, Debian's newest is unpacked beside it with the libraries that it needs, the C
//! library included; nothing of the system changes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{getting, have};
use crate::{repo, sh};

/// The first version with `VK_KHR_cooperative_matrix` in software.
const SINCE: (u32, u32) = (26, 1);
/// Mesa's package comes from the backports of this release, all others from the release itself.
const RELEASE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The driver, the Vulkan loader, and all libraries that either is linked with.
const PACKAGES: &str = "libllvm19 zlib1g libzstd1 libdrm2 libexpat1 libxcb1 libxcb-randr0 libx11-xcb1 libxcb-dri3-0 \
     libxcb-present0 libxcb-xfixes0 libxcb-sync1 libxcb-shm0 libxshmfence1 libwayland-client0 libdisplay-info2 libstdc++6 \
     libgcc-s1 libc6 libffi8 libedit2 libz3-4 libxml2 libxau6 libxdmcp6 libtinfo6 libbsd0 liblzma5 libmd0 libvulkan1";

/// Unpacks the driver, unless the system's own is new enough. Where it cannot be had, the tests say that they do not run.
pub fn get() -> Result<()> {
    if let Some(version) = system().filter(|version| is_new(version)) {
        have("a Vulkan driver with matrix instructions", &version);
        return Ok(());
    }
    if driver().is_file() {
        have(
            "a Vulkan driver with matrix instructions",
            &driver().display().to_string(),
        );
        return Ok(());
    }
    if let Err(error) = unpack() {
        println!(
            "setup: products by matrix instructions are not tested: that takes Mesa {}.{} or newer, or Debian's packages on \
             x86-64: {error:#}",
            SINCE.0, SINCE.1
        );
    }
    Ok(())
}

/// The environment in which cargo's test executables find the driver; `None` where there is none.
pub fn environment() -> Option<Vec<(&'static str, OsString)>> {
    if system().is_some_and(|version| is_new(&version)) {
        return Some(Vec::new());
    }
    let (driver, libraries) = (driver(), libraries());
    if !driver.is_file() {
        return None;
    }
    let mut runner = libraries.join("ld-linux-x86-64.so.2").into_os_string();
    runner.push(" --library-path ");
    runner.push(&libraries);
    Some(vec![
        ("VK_DRIVER_FILES", driver.clone().into_os_string()),
        // Loaders before 1.3.207 know only this name.
        ("VK_ICD_FILENAMES", driver.into_os_string()),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner),
    ])
}

fn folder() -> PathBuf {
    repo::target().join("xtask").join("mesa")
}

fn libraries() -> PathBuf {
    folder().join("root/usr/lib/x86_64-linux-gnu")
}

fn driver() -> PathBuf {
    folder().join("root/usr/share/vulkan/icd.d/lvp_icd.json")
}

/// The version of the installed package.
fn system() -> Option<String> {
    let mut query = sh::words("dpkg-query -W -f=${Version} mesa-vulkan-drivers");
    sh::capture(&mut query).ok()
}

fn is_new(version: &str) -> bool {
    let mut numbers = version
        .split(['.', '-', '~', '+'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= SINCE
}

fn unpack() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || sh::which("dpkg-deb").is_none() {
        bail!("this is no Debian on x86-64");
    }
    if !Path::new(KEYRING).is_file() {
        bail!("{KEYRING} is missing (package debian-archive-keyring)");
    }
    let mirror = mirror().context("apt's sources name no Debian mirror")?;
    getting(
        "a Vulkan driver with matrix instructions",
        "60 MB of Debian's packages, unpacked beside the system's",
    );
    let unpacked = folder().join("unpacked");
    sh::remove(&folder())?;
    let packages = folder().join("packages");
    for path in [&unpacked, &packages, &folder().join("apt/lists/partial")] {
        std::fs::create_dir_all(path)?;
    }
    std::fs::write(folder().join("apt/status"), "")?;
    let source = |suite: &str| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
    let sources = source(RELEASE) + &source(&format!("{RELEASE}-backports"));
    std::fs::write(folder().join("apt/sources.list"), sources)?;
    sh::run(&mut apt_get("update"))?;
    let newest = format!("mesa-vulkan-drivers/{RELEASE}-backports");
    let mut download = apt_get("download");
    download
        .arg(newest)
        .args(PACKAGES.split_whitespace())
        .current_dir(&packages);
    sh::run(&mut download)?;
    for entry in std::fs::read_dir(&packages)? {
        let mut extract = sh::cmd("dpkg-deb");
        extract.arg("--extract").arg(entry?.path()).arg(&unpacked);
        sh::run(&mut extract)?;
    }
    sh::remove(&packages)?;
    std::fs::rename(unpacked, folder().join("root")).context("the unpacked driver")
}

/// `apt-get` with lists, cache and package states of its own.
fn apt_get(what: &str) -> Command {
    let apt = folder().join("apt");
    let mut command = sh::cmd("apt-get");
    for (key, path) in [
        ("Dir::Etc::sourcelist", apt.join("sources.list")),
        ("Dir::Etc::sourceparts", PathBuf::from("-")),
        ("Dir::State", apt.clone()),
        ("Dir::State::lists", apt.join("lists")),
        ("Dir::State::status", apt.join("status")),
        ("Dir::Cache", apt.join("cache")),
    ] {
        command.arg("-o").arg(format!("{key}={}", path.display()));
    }
    command.args(["-q=2", what]);
    command
}

/// The Debian mirror of the machine's own sources.
fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    let texts = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    texts.filter_map(|text| mirror_in(&text)).next()
}

fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources
        .lines()
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb "));
    let mut words = lines.flat_map(str::split_whitespace);
    words
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::{is_new, mirror_in};

    #[test]
    fn versions_compare_by_number() {
        for new in ["26.1.0", "26.1.6-1~bpo13+1", "27.0.0-1", "100.2"] {
            assert!(is_new(new), "{new}");
        }
        for old in ["22.3.6-1+deb12u1", "25.0.7-2", "26.0.9", "", "unknown"] {
            assert!(!is_new(old), "{old}");
        }
    }

    #[test]
    fn the_mirror_is_the_systems_own() {
        let deb822 = "Types: deb\n# URIs: http://x/debian\nURIs: http://mirror.example/debian\nSuites: bookworm\n";
        assert_eq!(
            mirror_in(deb822).as_deref(),
            Some("http://mirror.example/debian")
        );
        let lines = "deb http://security.example/debian-security bookworm main\ndeb [arch=amd64] https://m.example/debian/ bookworm main\n";
        assert_eq!(
            mirror_in(lines).as_deref(),
            Some("https://m.example/debian/")
        );
        assert_eq!(mirror_in("deb https://example.org/ubuntu noble main"), None);
    }
}
