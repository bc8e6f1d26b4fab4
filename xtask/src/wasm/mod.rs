//! The WebAssembly module: built by wasm-pack, optimised by wasm-opt, rewritten once for browsers with relaxed SIMD, and both
//! forms split in two for the page; the second one is rewritten once more for pages with threads.
//!
//! One profile and one set of flags (`.cargo/config.toml`) for the module and for its tests, so that its
//! dependencies are built once.

mod binaryen;
mod glue;
mod relaxed;
mod split;
mod threads;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasm_encoder::{Module, RawSection};
use wasmparser::{Export, Parser, Payload};

use crate::{repo, sh};

/// For every browser with SIMD; the default of wasm-bindgen's loader.
pub const MODULE: &str = "parallax_web_bg.wasm";
/// For browsers with relaxed SIMD.
pub const RELAXED: &str = "parallax_web_relaxed_bg.wasm";
/// What the page loads first, of either form, and what it loads then.
const FIRST: [&str; 2] = ["parallax_web_first.wasm", "parallax_web_relaxed_first.wasm"];
const REST: &str = "parallax_web_rest.wasm";
/// The same two of the form with relaxed SIMD and threads.
const THREADS: [&str; 2] = [
    "parallax_web_threads_first.wasm",
    "parallax_web_threads_rest.wasm",
];

/// Builds both modules into `web/pkg`, with `env` in the compiler's environment.
pub fn build(optimise: bool, env: &[(&str, &str)]) -> Result<()> {
    let pack =
        "wasm-pack build web --release --target web --out-dir pkg --no-opt --mode no-install";
    sh::run(sh::words(pack).envs(env.iter().copied()))?;
    let folder = repo::root().join("web/pkg");
    let place = folder.join(MODULE);
    let mut module = fs::read(&place).with_context(|| format!("wasm-pack left no {MODULE}"))?;
    println!("module: {} as built", size(module.len() as u64));
    if optimise {
        module = binaryen::optimised(&module)?;
        fs::write(&place, &module)?;
        let brotli = size(brotli_size(&place)?);
        println!(
            "module: {} optimised, {brotli} as brotli",
            size(module.len() as u64)
        );
    }
    let relaxed = relaxed::with_instructions(&module)?;
    fs::write(folder.join(RELAXED), &relaxed)?;
    add_to_package(&folder.join("package.json"))?;
    let called = split::called(&module, &folder, &repo::target().join("xtask"))?;
    let (firsts, rest) = split::halves([&module, &relaxed], &called)?;
    let threaded = threads::with_shared_memory(&firsts[1])?;
    let threaded_rest = threads::rest_with_shared_memory(&rest, threaded.pages)?;
    share_memory(&folder, threaded.pages)?;
    let halves = firsts
        .iter()
        .chain([&rest, &threaded.module, &threaded_rest]);
    for (name, half) in FIRST.into_iter().chain([REST]).chain(THREADS).zip(halves) {
        let place = folder.join(name);
        fs::write(&place, half)?;
        let (raw, brotli) = (size(half.len() as u64), size(brotli_size(&place)?));
        println!("module: {name} {raw}, {brotli} as brotli");
    }
    Ok(())
}

/// Runs a test binary in a browser as both modules, or as the portable one alone. Tests named `fused_*` run with relaxed SIMD
/// alone, those named `portable_*` without it alone, and those named `webgpu_*` once.
pub fn test(module: &Path, portable: bool, more: &[String]) -> Result<()> {
    let relaxed = module.with_extension("relaxed.wasm");
    fs::write(&relaxed, relaxed::with_instructions(&fs::read(module)?)?)?;
    let run = |module: &Path, skipped: &[&str]| {
        let skipped = skipped.iter().flat_map(|name| ["--skip", name]);
        let mut runner = sh::cmd("wasm-bindgen-test-runner");
        sh::run(runner.arg(module).args(more).args(skipped))
    };
    run(module, &["fused_", "webgpu_"])?;
    if portable {
        return Ok(());
    }
    run(&relaxed, &["portable_"])
}

/// Adapts the JavaScript of wasm-bindgen.
fn share_memory(folder: &Path, pages: u64) -> Result<()> {
    let places = ["parallax_web.js", "parallax_web.d.ts"].map(|name| folder.join(name));
    let [script, declarations] = [
        fs::read_to_string(&places[0])?,
        fs::read_to_string(&places[1])?,
    ];
    let made = glue::with_shared_memory(&script, &declarations, pages)?;
    for (place, text) in places.iter().zip(made) {
        fs::write(place, text)?;
    }
    Ok(())
}

/// Adds the second module to the list of files in wasm-pack's package.
fn add_to_package(package: &Path) -> Result<()> {
    let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(package)?)?;
    let files = json["files"].as_array_mut();
    let files = files.context("wasm-pack's package.json lists no files")?;
    files.push(RELAXED.into());
    fs::write(package, serde_json::to_string_pretty(&json)?)?;
    Ok(())
}

/// What a module exports.
fn exports(module: &[u8]) -> Result<Vec<Export<'_>>> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload? {
            return Ok(exports.into_iter().collect::<Result<_, _>>()?);
        }
    }
    bail!("a module without exports")
}

/// Copies a section unchanged; `payload` is of `module`.
fn keep(made: &mut Module, payload: &Payload<'_>, module: &[u8]) {
    if let Some((id, lies)) = payload.as_section() {
        let data = &module[lies];
        made.section(&RawSection { id, data });
    }
}

/// Size after brotli compression, by Node's zlib.
fn brotli_size(module: &Path) -> Result<u64> {
    let script = "const z=require('zlib'),b=require('fs').readFileSync(process.argv[1]);\
        console.log(z.brotliCompressSync(b,{params:{[z.constants.BROTLI_PARAM_QUALITY]:9,\
        [z.constants.BROTLI_PARAM_SIZE_HINT]:b.length}}).length)";
    let said = sh::capture(sh::cmd("node").args(["-e", script]).arg(module))?;
    said.trim().parse().context("node printed no size")
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
