//! Builds and serves the page.

use std::path::Path;

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
        compress(&dist)?;
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

/// Writes `FILE.br` next to every file that brotli makes smaller, for hosts that serve precompressed files. Node's zlib does it.
fn compress(dist: &Path) -> Result<()> {
    const SCRIPT: &str = "const f=require('fs'),z=require('zlib'),c=z.constants;let a=0,b=0;\
        for(const p of process.argv.slice(1)){const d=f.readFileSync(p),m=z.brotliCompressSync(d,{params:{\
        [c.BROTLI_PARAM_QUALITY]:11,[c.BROTLI_PARAM_LGWIN]:24,[c.BROTLI_PARAM_SIZE_HINT]:d.length}});\
        a+=d.length;b+=m.length;f.writeFileSync(p+'.br',m)}console.log(a+' '+b)";
    let text = |path: &Path| {
        let end = path.extension().and_then(|end| end.to_str());
        path.is_dir()
            || end.is_some_and(|end| {
                ["html", "js", "css", "svg", "wasm", "webmanifest"].contains(&end)
            })
    };
    let files = repo::files(dist, &text)?;
    let said = sh::capture(sh::cmd("node").args(["-e", SCRIPT]).args(&files))?;
    let mut sizes = said
        .split_whitespace()
        .map(|size| size.parse().unwrap_or(0));
    let mut next = || wasm::size(sizes.next().unwrap_or(0));
    println!("brotli: {} of text and modules become {}", next(), next());
    Ok(())
}

/// Serves with Vite until it is interrupted.
fn serve(how: &str, port: &str) -> Result<()> {
    println!("serving on http://localhost:{port}/ until Ctrl-C");
    sh::run(npm("exec").args(["--", "vite", how, "--port", port, "--strictPort"]))
}
