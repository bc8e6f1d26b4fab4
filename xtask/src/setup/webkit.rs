//! WebKitGTK with its driver, the third engine of the slow tests, and a display for it. Where it cannot be installed, they say that
//! they do not test it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::{apt, getting, have};
use crate::sh;

const DRIVER: &str = "WebKitWebDriver";
const DISPLAY: &str = "DISPLAY";

/// Installs the engine and what it draws on, unless they are there.
pub fn get() -> Result<()> {
    let display = std::env::var_os(DISPLAY).is_some() || sh::which("Xvfb").is_some();
    if let Some(driver) = find()
        && display
    {
        have("WebKit", &driver.display().to_string());
        return Ok(());
    }
    getting("WebKit", "the page is tested in it");
    if let Err(error) = apt::install(&["webkit2gtk-driver", "xvfb"]) {
        println!("setup: the page is not tested in WebKit: {error:#}");
    }
    Ok(())
}

/// The driver.
pub fn find() -> Option<PathBuf> {
    sh::which(DRIVER)
}

/// A display, which ends with this.
pub struct Screen {
    name: String,
    server: Option<Child>,
}

impl Screen {
    /// The display of this session, or a new one that nobody sees.
    pub fn open() -> Result<Self> {
        if let Ok(name) = std::env::var(DISPLAY) {
            return Ok(Self { name, server: None });
        }
        let mut command = sh::words("Xvfb -displayfd 1 -screen 0 1280x900x24 -nolisten tcp");
        let mut server = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb could not be started")?;
        let said = server.stdout.take().context("Xvfb says nothing")?;
        let mut number = String::new();
        BufReader::new(said).read_line(&mut number)?;
        let name = format!(":{}", number.trim());
        let server = Some(server);
        Ok(Self { name, server })
    }

    /// What a browser on it must be told. Its sandbox needs rights that a container does not give.
    pub fn environment(&self) -> [(&str, &str); 3] {
        [
            (DISPLAY, &self.name),
            ("GDK_BACKEND", "x11"),
            ("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1"),
        ]
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // It may have ended already.
            _ = server.kill();
            _ = server.wait();
        }
    }
}
