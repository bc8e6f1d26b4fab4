//! Chrome or Chromium with the driver of the same version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{apt, getting, have};
use crate::sh;

const NAMES: [&str; 8] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/usr/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// A browser and its driver.
pub struct Browser {
    pub chrome: PathBuf,
    pub driver: PathBuf,
    version: String,
}

/// Installs a browser and its driver unless both are there.
pub fn get() -> Result<()> {
    let why = match find() {
        Ok(browser) => {
            have("a browser", &browser.version);
            have("its driver", &browser.driver.display().to_string());
            return Ok(());
        }
        Err(error) => format!("{error:#}"),
    };
    if std::env::var_os("CHROME").is_some() || std::env::var_os("CHROMEDRIVER").is_some() {
        bail!("{why}; CHROME and CHROMEDRIVER must name a browser and the driver of its version");
    }
    getting("Chromium and its driver", &why);
    apt::install(&PACKAGES).context(
        "install Chromium or Chrome 120 or newer and the chromedriver of the same version, \
         or name them in CHROME and CHROMEDRIVER",
    )?;
    let browser = find().context("installed, but not found")?;
    have("a browser", &browser.version);
    Ok(())
}

/// The browser to test with: what CHROME and CHROMEDRIVER name, else the first that has a driver of its version.
pub fn find() -> Result<Browser> {
    let browsers = match std::env::var("CHROME") {
        Ok(name) => {
            vec![sh::which(&name).with_context(|| format!("CHROME names no file: {name}"))?]
        }
        Err(_) => NAMES.iter().filter_map(|name| sh::which(name)).collect(),
    };
    let mut unusable = Vec::new();
    for chrome in browsers {
        let Some(version) = sh::version(&chrome) else {
            unusable.push(format!("{} does not start", chrome.display()));
            continue;
        };
        let Some(driver) = drivers(&chrome)?
            .into_iter()
            .find(|driver| sh::version(driver).and_then(|v| major(&v)) == major(&version))
        else {
            unusable.push(format!("{version} has no chromedriver of its version"));
            continue;
        };
        return Ok(Browser {
            chrome,
            driver,
            version,
        });
    }
    if unusable.is_empty() {
        bail!("there is no Chrome or Chromium");
    }
    bail!("{}", unusable.join("; "))
}

fn drivers(chrome: &Path) -> Result<Vec<PathBuf>> {
    if let Ok(name) = std::env::var("CHROMEDRIVER") {
        let driver = sh::which(&name);
        return Ok(vec![
            driver.with_context(|| format!("CHROMEDRIVER names no file: {name}"))?,
        ]);
    }
    let adjacent = chrome.with_file_name("chromedriver");
    Ok([
        "chromedriver",
        "/usr/lib/chromium/chromedriver",
        "/usr/lib/chromium-browser/chromedriver",
    ]
    .iter()
    .filter_map(|name| sh::which(name))
    .chain(adjacent.is_file().then_some(adjacent))
    .collect())
}

/// `156` of `Chromium 156.0.8078.79 built on Debian`.
fn major(version: &str) -> Option<u32> {
    version
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn browser_and_driver_agree_in_the_first_number() {
        assert_eq!(
            major("Chromium 156.0.8078.79 built on Debian 12"),
            Some(156)
        );
        assert_eq!(major("ChromeDriver 156.0.1.2 (a21ce95)"), Some(156));
        assert_eq!(major("Google Chrome for Testing"), None);
    }
}
