//! Runs wasm-opt and repairs an error of Binaryen 108, Debian's version: it writes index 0 for every exported table, so that
//! a page looks up its objects in the table of functions.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use wasm_encoder::{ExportSection, Module};
use wasmparser::{ExternalKind, Parser, Payload};

use super::{exports, keep};
use crate::setup::tools;
use crate::{repo, sh};

const OPTIONS: [&str; 3] = ["-Os", "--strip-debug", "-all"];
/// Incremented when the steps around wasm-opt change, so that older results are not used.
const FORM: u32 = 2;
const KEPT: usize = 4;

/// The optimised form of a module, from the cache if the same module was optimised before.
pub fn optimised(module: &[u8]) -> Result<Vec<u8>> {
    let tool =
        tools::wasm_opt().context("wasm-opt is missing: cargo xtask setup --only wasm-opt")?;
    let mut hash = DefaultHasher::new();
    (module, OPTIONS, sh::version(&tool), FORM).hash(&mut hash);
    let cache = repo::target().join("xtask").join("wasm-opt");
    fs::create_dir_all(&cache)?;
    let kept = cache.join(format!("{:016x}.wasm", hash.finish()));
    if !kept.is_file() {
        let start = Instant::now();
        let half = kept.with_extension("tmp");
        fs::write(&half, through(&tool, module, &half)?)?;
        fs::rename(&half, &kept)?;
        println!("module: optimised in {} s", start.elapsed().as_secs());
    }
    forget_old(&cache)?;
    Ok(fs::read(&kept)?)
}

/// Runs wasm-opt on a module, with temporary files next to `place`.
fn through(tool: &Path, module: &[u8], place: &Path) -> Result<Vec<u8>> {
    let (before, after) = (
        place.with_extension("before"),
        place.with_extension("after"),
    );
    fs::write(&before, module)?;
    let mut command = sh::cmd(tool);
    command.args(OPTIONS).arg(&before).arg("-o").arg(&after);
    sh::run(&mut command)?;
    let made = fs::read(&after)?;
    fs::remove_file(&before)?;
    fs::remove_file(&after)?;
    with_tables_of(module, &made)
}

/// `optimised` with the exported tables' indices of `raw`: Binaryen keeps the order of tables.
fn with_tables_of(raw: &[u8], optimised: &[u8]) -> Result<Vec<u8>> {
    let original = exports(raw)?;
    let mut section = ExportSection::new();
    for export in exports(optimised)? {
        let number = match export.kind {
            ExternalKind::Table => {
                let same = original.iter().find(|other| other.name == export.name);
                same.context("the optimised module exports a table of a new name")?
                    .index
            }
            _ => export.index,
        };
        section.export(export.name, export.kind.into(), number);
    }
    let mut repaired = Module::new();
    for payload in Parser::new(0).parse_all(optimised) {
        match payload? {
            Payload::ExportSection(_) => {
                repaired.section(&section);
            }
            other => keep(&mut repaired, &other, optimised),
        }
    }
    Ok(repaired.finish())
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
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        ConstExpr, ExportKind, ExportSection, Module, RefType, TableSection, TableType,
    };

    use super::with_tables_of;

    /// A module that exports a function and two tables by these numbers.
    fn tables([a, b]: [u32; 2]) -> Vec<u8> {
        let mut tables = TableSection::new();
        for _ in 0..2 {
            let table = TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: 0,
                maximum: None,
                shared: false,
            };
            tables.table_with_init(table, &ConstExpr::ref_null(wasm_encoder::HeapType::FUNC));
        }
        let mut exports = ExportSection::new();
        exports.export("f", ExportKind::Func, 200);
        exports.export("a", ExportKind::Table, a);
        exports.export("b", ExportKind::Table, b);
        let mut module = Module::new();
        module.section(&tables).section(&exports);
        module.finish()
    }

    #[test]
    fn numbers_of_tables_come_from_the_raw_module() -> anyhow::Result<()> {
        assert_eq!(
            with_tables_of(&tables([1, 0]), &tables([0, 0]))?,
            tables([1, 0])
        );
        Ok(())
    }

    #[test]
    fn a_module_cut_short_is_refused() {
        let whole = tables([0, 1]);
        for len in 8..whole.len() {
            assert!(
                with_tables_of(&whole, &whole[..len]).is_err(),
                "cut at {len}"
            );
        }
    }
}
