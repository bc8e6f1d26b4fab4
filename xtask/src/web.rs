//! Builds and serves the page.

use anyhow::{Result, bail};

use crate::setup::npm::npm;
use crate::{repo, setup, sh, wasm};

const PORT: &str = "5173";

/// Builds the page, and serves it unless `release`.
pub fn run(release: bool, dev: bool, port: Option<&str>) -> Result<()> {
    let port = port.unwrap_or(PORT);
    if port.parse::<u16>().is_err() {
        bail!("--port takes a number from 0 to 65535, not `{port}`");
    }
    if !repo::has_page() {
        bail!("web/page has no package.json: there is no page to build");
    }
    setup::run_these(&setup::FOR_WASM)?;
    setup::run_these(&["rust", "npm"])?;
    wasm::build(release, &[])?;
    if dev {
        return serve("dev", port);
    }
    build()?;
    if release {
        let dist = repo::page().join("dist");
        println!(
            "{} is complete: any static host can serve it",
            dist.display()
        );
        return Ok(());
    }
    serve("preview", port)
}

/// Builds the page into `web/page/dist`.
pub fn build() -> Result<()> {
    sh::run(npm("run").arg("build"))
}

/// Serves with Vite until it is interrupted.
fn serve(how: &str, port: &str) -> Result<()> {
    println!("serving on http://localhost:{port}/ until Ctrl-C");
    sh::run(npm("exec").args(["--", "vite", how, "--port", port, "--strictPort"]))
}
