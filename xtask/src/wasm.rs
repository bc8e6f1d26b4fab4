//! The WebAssembly module: built by wasm-pack, made small by wasm-opt.
//!
//! One profile and one set of flags (`.cargo/config.toml`) for the module and for its tests, so that its
//! dependencies are built once.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::setup::tools;
use crate::{repo, sh, wasm_tables};

const OPTIONS: [&str; 3] = ["-Os", "--strip-debug", "-all"];
/// Counted up when what happens after wasm-opt changes, so that older results are not used.
const FORM: u32 = 1;
const KEPT: usize = 4;

/// Builds the module into `web/pkg`, by a compiler that is told more by `env`.
pub fn build(optimise: bool, env: &[(&str, &str)]) -> Result<()> {
    let pack =
        "wasm-pack build web --release --target web --out-dir pkg --no-opt --mode no-install";
    sh::run(sh::words(pack).envs(env.iter().copied()))?;
    let module = repo::root().join("web/pkg/parallax_web_bg.wasm");
    let raw =
        fs::read(&module).with_context(|| format!("wasm-pack left no {}", module.display()))?;
    println!("module: {} as built", size(raw.len() as u64));
    if optimise {
        shrink(&module, &raw)?;
    }
    Ok(())
}

/// Replaces the module by its optimised form, taken from the cache where this very module was there before.
fn shrink(module: &Path, raw: &[u8]) -> Result<()> {
    let tool =
        tools::wasm_opt().context("wasm-opt is not here: cargo xtask setup --only wasm-opt")?;
    let mut hash = DefaultHasher::new();
    (raw, OPTIONS, sh::version(&tool), FORM).hash(&mut hash);
    let cache = repo::target().join("xtask").join("wasm-opt");
    fs::create_dir_all(&cache)?;
    let kept = cache.join(format!("{:016x}.wasm", hash.finish()));
    let brotli = kept.with_extension("brotli-size");
    if !kept.is_file() {
        let start = Instant::now();
        let half = kept.with_extension("tmp");
        sh::run(
            sh::cmd(&tool)
                .args(OPTIONS)
                .arg(module)
                .arg("-o")
                .arg(&half),
        )?;
        let mut optimised = fs::read(&half)?;
        wasm_tables::restore(raw, &mut optimised)?;
        fs::write(&half, optimised)?;
        fs::rename(&half, &kept)?;
        println!("module: optimised in {} s", start.elapsed().as_secs());
    }
    if !brotli.is_file() {
        fs::write(&brotli, brotli_size(&kept)?.to_string())?;
    }
    fs::copy(&kept, module)?;
    let compressed = fs::read_to_string(&brotli)?.trim().parse().unwrap_or(0);
    println!(
        "module: {} optimised, {} as brotli",
        size(fs::metadata(&kept)?.len()),
        size(compressed)
    );
    forget_old(&cache)
}

/// What a host that compresses would send, by Node's zlib.
fn brotli_size(module: &Path) -> Result<u64> {
    let script = "const z=require('zlib'),b=require('fs').readFileSync(process.argv[1]);\
        console.log(z.brotliCompressSync(b,{params:{[z.constants.BROTLI_PARAM_QUALITY]:9,\
        [z.constants.BROTLI_PARAM_SIZE_HINT]:b.length}}).length)";
    let said = sh::capture(sh::cmd("node").args(["-e", script]).arg(module))?;
    said.trim().parse().context("node said no size")
}

/// Keeps the newest few modules of the cache.
fn forget_old(cache: &Path) -> Result<()> {
    let mut modules: Vec<PathBuf> = fs::read_dir(cache)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
        .collect();
    modules.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok());
    let old = modules.len().saturating_sub(KEPT);
    for path in &modules[..old] {
        fs::remove_file(path)?;
        let size = path.with_extension("brotli-size");
        if size.is_file() {
            fs::remove_file(size)?;
        }
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
