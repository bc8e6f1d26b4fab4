//! A form of the module for pages with threads: it takes its memory from outside, shared, and its functions `atomic_*` are the
//! instructions of that name (`crates/kernels/src/backend/cpu/threads/wasm.rs`).
//!
//! Every thread is an instance of it. The first one on a memory fills it with the module's data.

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, DataCountSection, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, ImportSection, Instruction, MemArg, MemoryType, Module,
    StartSection, ValType,
};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload};

use super::split::parts::Parts;
use super::{exports, keep};

/// What the module with the memory is called by those who import it.
pub const MEMORY: (&str, &str) = ("threads", "memory");
/// The exported stack pointer, of which every thread has its own.
const STACK: &str = "$stack";
/// Bytes of a page of memory, and the pages of the largest memory.
const PAGE: u64 = 65_536;
const PAGES: u64 = 65_536;

/// The functions that become instructions.
const FUNCTIONS: [&str; 4] = [
    "atomic_add",
    "atomic_exchange",
    "atomic_wait",
    "atomic_notify",
];

/// Where in memory an instruction acts: at its first operand.
const THERE: MemArg = MemArg {
    offset: 0,
    align: 2,
    memory_index: 0,
};

fn instruction(name: &str) -> Instruction<'static> {
    match name {
        "atomic_add" => Instruction::I32AtomicRmwAdd(THERE),
        "atomic_exchange" => Instruction::I32AtomicRmwXchg(THERE),
        "atomic_wait" => Instruction::MemoryAtomicWait32(THERE),
        _ => Instruction::MemoryAtomicNotify(THERE),
    }
}

/// A module for threads, and the pages of memory that it needs at first.
pub struct Threaded {
    pub module: Vec<u8>,
    pub pages: u64,
}

/// The form of a whole module, or of a first half.
pub fn with_shared_memory(module: &[u8]) -> Result<Threaded> {
    let parts = Parts::of(module)?;
    let memory = shared(&parts)?;
    let flag = (memory.minimum - 1) * PAGE;
    ensure!(parts.start.is_none(), "the module has a start function");
    let void = void(&parts)?;
    let start = parts.functions.len() as u32;
    let replaced = functions(module)?;
    for (number, name) in &replaced {
        // Otherwise the optimiser has put its body into its callers.
        ensure!(calls(&parts, *number)? > 0, "nothing calls {name}");
    }
    let segments = segments(module)?;
    let stack = stack(module)?;
    let mut made = Module::new();
    let mut code = CodeSection::new();
    let mut number = parts.imported;
    let mut same = RoundtripReencoder;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                let mut section = ImportSection::new();
                same.parse_import_section(&mut section, imports)?;
                section.import(MEMORY.0, MEMORY.1, EntityType::Memory(memory));
                made.section(&section);
            }
            Payload::FunctionSection(_) => {
                let mut section = FunctionSection::new();
                let own = parts.functions.iter().skip(parts.imported as usize);
                for kind in own.chain([&void]) {
                    section.function(*kind);
                }
                made.section(&section);
            }
            Payload::MemorySection(_) | Payload::CodeSectionStart { .. } => {}
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                same.parse_export_section(&mut section, exports)?;
                section.export(STACK, ExportKind::Global, stack);
                made.section(&section);
                made.section(&StartSection {
                    function_index: start,
                });
            }
            Payload::DataCountSection { .. } => {}
            Payload::CodeSectionEntry(body) => {
                match replaced.iter().find(|(place, _)| *place == number) {
                    Some((_, name)) => code.function(&only(&parts, number, &instruction(name))?),
                    None => code.raw(&module[body.range()]),
                };
                number += 1;
                if number == start {
                    code.function(&fill(flag, &segments));
                    made.section(&DataCountSection {
                        count: segments.len() as u32,
                    });
                    made.section(&code);
                }
            }
            Payload::DataSection(_) => {
                let mut section = DataSection::new();
                for (_, bytes) in &segments {
                    section.passive(bytes.iter().copied());
                }
                made.section(&section);
            }
            other => keep(&mut made, &other, module),
        }
    }
    Ok(Threaded {
        module: made.finish(),
        pages: memory.minimum,
    })
}

/// The rest of a module in two halves, for its first half with shared memory, which has `pages`.
pub fn rest_with_shared_memory(rest: &[u8], pages: u64) -> Result<Vec<u8>> {
    let mut made = Module::new();
    for payload in Parser::new(0).parse_all(rest) {
        match payload? {
            Payload::ImportSection(imports) => {
                let mut section = ImportSection::new();
                for import in imports.into_imports() {
                    let import = import?;
                    let kind = match RoundtripReencoder.entity_type(import.ty)? {
                        EntityType::Memory(memory) => EntityType::Memory(sharing(memory, pages)),
                        other => other,
                    };
                    section.import(import.module, import.name, kind);
                }
                made.section(&section);
            }
            other => keep(&mut made, &other, rest),
        }
    }
    Ok(made.finish())
}

fn sharing(memory: MemoryType, pages: u64) -> MemoryType {
    MemoryType {
        minimum: pages,
        maximum: Some(PAGES),
        shared: true,
        ..memory
    }
}

/// The memory to import: one page longer than the module's, for a flag of which its allocator does not know.
fn shared(parts: &Parts<'_>) -> Result<MemoryType> {
    match parts.memories.as_slice() {
        [memory] => Ok(sharing(*memory, memory.minimum + 1)),
        others => bail!("a module with {} memories", others.len()),
    }
}

fn void(parts: &Parts<'_>) -> Result<u32> {
    let is_void =
        |kind: &wasmparser::FuncType| kind.params().is_empty() && kind.results().is_empty();
    let found = parts
        .types
        .iter()
        .position(|kind| kind.as_ref().is_some_and(is_void));
    Ok(found.context("no function of the module is without arguments and results")? as u32)
}

/// The numbers of the functions that become instructions.
fn functions(module: &[u8]) -> Result<Vec<(u32, &'static str)>> {
    let exported = exports(module)?;
    let number = |name: &'static str| {
        let mut found = exported.iter();
        let found = found.find(|one| one.kind == ExternalKind::Func && one.name == name);
        Ok((
            found
                .with_context(|| format!("the module exports no {name}"))?
                .index,
            name,
        ))
    };
    FUNCTIONS.into_iter().map(number).collect()
}

/// How often a function is called.
fn calls(parts: &Parts<'_>, number: u32) -> Result<usize> {
    let mut found = 0;
    for body in &parts.bodies {
        for operator in body.get_operators_reader()? {
            let call = operator?;
            let is_it =
                matches!(call, Operator::Call { function_index } if function_index == number);
            found += usize::from(is_it);
        }
    }
    Ok(found)
}

/// A function that passes its arguments to an instruction.
fn only(parts: &Parts<'_>, number: u32, instruction: &Instruction<'_>) -> Result<Function> {
    let kind = parts.types[parts.functions[number as usize] as usize].as_ref();
    let kind = kind.context("a function without a function's type")?;
    let mut made = Function::new([]);
    for at in 0..kind.params().len() as u32 {
        made.instruction(&Instruction::LocalGet(at));
    }
    made.instruction(instruction);
    made.instruction(&Instruction::End);
    Ok(made)
}

/// The stack pointer: the one global that is a number and not constant.
fn stack(module: &[u8]) -> Result<u32> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::GlobalSection(globals) = payload? else {
            continue;
        };
        for (number, global) in (0..).zip(globals) {
            let global = global?;
            let is_number = global.ty.content_type == wasmparser::ValType::I32;
            let starts = global.init_expr.get_operators_reader().read()?;
            // A stack does not begin at 0, where it ends.
            if is_number && global.ty.mutable && !matches!(starts, Operator::I32Const { value: 0 })
            {
                found.push(number);
            }
        }
    }
    match found.as_slice() {
        [number] => Ok(*number),
        others => bail!("{} globals could be the stack pointer", others.len()),
    }
}

/// The data of the module and where they lie.
fn segments(module: &[u8]) -> Result<Vec<(i32, &[u8])>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(data) = payload? else {
            continue;
        };
        for segment in data {
            let segment = segment?;
            let DataKind::Active { offset_expr, .. } = segment.kind else {
                bail!("the module has data that it loads itself");
            };
            let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else {
                bail!("the module has data at a place that is not constant");
            };
            found.push((value, segment.data));
        }
    }
    Ok(found)
}

/// Copies the data into memory unless `flag`, which it sets, is set.
fn fill(flag: u64, segments: &[(i32, &[u8])]) -> Function {
    let mut made = Function::new([(0, ValType::I32)]);
    for instruction in [
        Instruction::I32Const(flag as i32),
        Instruction::I32Const(1),
        instruction("atomic_exchange"),
        Instruction::I32Eqz,
        Instruction::If(BlockType::Empty),
    ] {
        made.instruction(&instruction);
    }
    for (number, (place, bytes)) in (0..).zip(segments) {
        for instruction in [
            Instruction::I32Const(*place),
            Instruction::I32Const(0),
            Instruction::I32Const(bytes.len() as i32),
            Instruction::MemoryInit {
                mem: 0,
                data_index: number,
            },
        ] {
            made.instruction(&instruction);
        }
    }
    made.instruction(&Instruction::End);
    made.instruction(&Instruction::End);
    made
}

#[cfg(test)]
mod tests;
