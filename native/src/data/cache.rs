//! The cache folder of fetched data sets.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;

/// The cache folder: `$PARALLAX_CACHE`, else the cache folder of the system.
pub fn folder() -> anyhow::Result<PathBuf> {
    choose(env::consts::OS, |name| env::var_os(name).filter(|value| !value.is_empty()))
        .context("no cache folder: neither PARALLAX_CACHE nor the home folder is known; set PARALLAX_CACHE to a folder")
}

fn choose(os: &str, get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| get(name).map(PathBuf::from);
    if let Some(own) = path("PARALLAX_CACHE") {
        return Some(own);
    }
    let system = match os {
        "windows" => path("LOCALAPPDATA"),
        "macos" => path("HOME").map(|home| home.join("Library").join("Caches")),
        _ => path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache"))),
    };
    Some(system?.join("parallax"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chosen(os: &str, known: &[(&str, &str)]) -> Option<PathBuf> {
        choose(os, |name| {
            known
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_folder_depends_on_the_system() {
        let home = ("HOME", "/h");
        assert_eq!(
            chosen("linux", &[home]).unwrap(),
            PathBuf::from("/h/.cache/parallax")
        );
        assert_eq!(
            chosen("linux", &[home, ("XDG_CACHE_HOME", "/x")]).unwrap(),
            PathBuf::from("/x/parallax")
        );
        assert_eq!(
            chosen("macos", &[home]).unwrap(),
            PathBuf::from("/h/Library/Caches/parallax")
        );
        assert_eq!(
            chosen("windows", &[("LOCALAPPDATA", "/l")]).unwrap(),
            PathBuf::from("/l/parallax")
        );
        assert_eq!(
            chosen("linux", &[home, ("PARALLAX_CACHE", "/own")]).unwrap(),
            PathBuf::from("/own")
        );
        assert_eq!(chosen("linux", &[]), None);
    }
}
