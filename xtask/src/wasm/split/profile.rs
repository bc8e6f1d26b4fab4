//! Which functions a training run on the CPU calls: a copy of the module that notes every call trains a few steps in Node.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use wasm_encoder::{CodeSection, Encode, Instruction, MemArg, MemorySection, Module};
use wasmparser::{Parser, Payload};

use super::super::keep;
use super::parts::Parts;
use crate::{repo, sh};

/// Bytes of a page of memory.
const PAGE: u64 = 65_536;

/// Of every function of the module, without imported ones, whether `xtask/src/wasm/profile.mjs` calls it. `pkg` is the folder
/// with the module's JavaScript; `place` is where files can be written.
pub fn called(module: &[u8], pkg: &Path, place: &Path) -> Result<Vec<bool>> {
    let (noting, base) = with_notes(module)?;
    let count = Parts::of(module)?.bodies.len();
    let (copy, notes) = (place.join("noting.wasm"), place.join("notes"));
    fs::create_dir_all(place)?;
    fs::write(&copy, noting)?;
    let mut node = sh::cmd("node");
    node.arg(repo::root().join("xtask/src/wasm/profile.mjs"))
        .arg(pkg)
        .arg(&copy)
        .arg(repo::root().join("crates/data/sample"))
        .arg(&notes)
        .args([base.to_string(), count.to_string()]);
    sh::run(&mut node).context("a training run of the module in Node")?;
    let found: Vec<bool> = fs::read(&notes)?.iter().map(|&note| note != 0).collect();
    fs::remove_file(&copy)?;
    fs::remove_file(&notes)?;
    ensure!(
        found.iter().any(|&called| called),
        "the run called no function"
    );
    Ok(found)
}

/// The module with a store at the entry of every function, and the address of the first one's note. Notes lie in pages of
/// memory behind those that the module starts with, of which its allocator does not know.
fn with_notes(module: &[u8]) -> Result<(Vec<u8>, u64)> {
    let parts = Parts::of(module)?;
    let mut memory = *parts.memories.first().context("a module without memory")?;
    let base = memory.minimum * PAGE;
    memory.minimum += (parts.bodies.len() as u64).div_ceil(PAGE);
    let mut made = Module::new();
    let (mut code, mut number) = (CodeSection::new(), 0);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::MemorySection(_) => {
                let mut section = MemorySection::new();
                section.memory(memory);
                made.section(&section);
            }
            Payload::CodeSectionStart { .. } => {}
            Payload::CodeSectionEntry(body) => {
                let begin = body.get_operators_reader()?.original_position();
                let lies = body.range();
                let mut noting = module[lies.start..begin].to_vec();
                for instruction in [
                    Instruction::I32Const(number),
                    Instruction::I32Const(1),
                    Instruction::I32Store8(MemArg {
                        offset: base,
                        align: 0,
                        memory_index: 0,
                    }),
                ] {
                    instruction.encode(&mut noting);
                }
                noting.extend_from_slice(&module[begin..lies.end]);
                code.raw(&noting);
                number += 1;
                if number as usize == parts.bodies.len() {
                    made.section(&code);
                }
            }
            other => keep(&mut made, &other, module),
        }
    }
    Ok((made.finish(), base))
}
