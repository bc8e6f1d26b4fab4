//! The module in two halves for the page: the first holds what a training run on the CPU calls, the rest everything else, as
//! the compiler of shaders.
//!
//! In the first half a function of the rest that may be called is a stub: it makes sure that the rest is there, and calls it
//! through the table [`TABLE`], into which the rest puts its functions. Whoever loads the first half puts into the table's first
//! place a function that loads the rest and sets [`HERE`]; `web/page/src/worker/halves.ts` does so. Functions keep their numbers
//! in the first half, so that nothing else in it changes.

pub mod parts;
mod profile;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use anyhow::{Context, Result, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction, Module, RawSection, RefType, TableSection, TableType, ValType,
};
use wasmparser::{Operator, Parser, Payload};

use super::keep;
use parts::Parts;
pub use profile::called;

/// The exported table of the rest's functions.
pub const TABLE: &str = "$rest";
/// The exported number that says whether the rest is there.
pub const HERE: &str = "$here";
/// What the rest calls the first half.
const FIRST: &str = "first";
/// Bodies up to this size, which are not larger than a stub, stay.
const SMALL: usize = 16;

/// The first halves of two forms of a module, and the rest, which both have in common: functions that differ belong to the first
/// half. `called` says of every other function of the module, without imported ones, whether it does.
pub fn halves(forms: [&[u8]; 2], called: &[bool]) -> Result<([Vec<u8>; 2], Vec<u8>)> {
    let [one, other] = forms;
    let (parts, others) = (Parts::of(one)?, Parts::of(other)?);
    let counts = [parts.bodies.len(), others.bodies.len()];
    ensure!(
        counts == [called.len(); 2],
        "a profile or a form of another module: {} functions, not {counts:?}",
        called.len()
    );
    let bodies = parts.bodies.iter().zip(&others.bodies);
    let stays = bodies
        .zip(called)
        .map(|((body, twin), called)| *called || one[body.range()] != other[twin.range()]);
    let plan = Plan::of(&parts, &stays.collect::<Vec<_>>())?;
    let firsts = [first(one, &parts, &plan)?, first(other, &others, &plan)?];
    Ok((firsts, rest(&parts, &plan)?))
}

/// Which function goes where. Functions are numbered as in the module, imported ones first.
struct Plan {
    /// Those that move, in order.
    moved: BTreeSet<u32>,
    /// Those that move and may be called from the first half, with their places in the table; place 0 is the loader's.
    stubs: BTreeMap<u32, u32>,
    /// Those of the first half that the rest calls.
    shared: BTreeSet<u32>,
    /// The type of functions without arguments and results.
    void: u32,
}

impl Plan {
    fn of(parts: &Parts<'_>, called: &[bool]) -> Result<Self> {
        let mut moved = BTreeSet::new();
        let mut calls = Vec::new();
        for ((number, body), &called) in parts.numbered().zip(called) {
            let mut found = Vec::new();
            let mut stays = called || body.range().len() <= SMALL || parts.start == Some(number);
            for operator in body.get_operators_reader()? {
                match operator? {
                    Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                        found.push(function_index)
                    }
                    // These refer to parts of the module that stay.
                    Operator::RefFunc { function_index } => {
                        found.push(function_index);
                        stays = true;
                    }
                    Operator::MemoryInit { .. }
                    | Operator::DataDrop { .. }
                    | Operator::TableInit { .. }
                    | Operator::ElemDrop { .. } => stays = true,
                    _ => {}
                }
            }
            if !stays {
                moved.insert(number);
            }
            calls.push((number, found));
        }
        let mut stubs: BTreeSet<u32> = parts.referred.intersection(&moved).copied().collect();
        let mut shared = BTreeSet::new();
        for (number, calls) in calls {
            for call in calls {
                match (moved.contains(&number), moved.contains(&call)) {
                    (false, true) => stubs.insert(call),
                    (true, false) => shared.insert(call),
                    _ => false,
                };
            }
        }
        let void = parts.types.iter().position(|kind| {
            kind.as_ref()
                .is_some_and(|kind| kind.params().is_empty() && kind.results().is_empty())
        });
        Ok(Self {
            moved,
            stubs: stubs.into_iter().zip(1..).collect(),
            shared,
            void: void.context("no function of the module is without arguments and results")?
                as u32,
        })
    }
}

/// Names of what the rest takes from the first half.
fn name(kind: char, number: u32) -> String {
    format!("${kind}{number}")
}

/// The module with stubs in place of the functions that move.
fn first(module: &[u8], parts: &Parts<'_>, plan: &Plan) -> Result<Vec<u8>> {
    let table = parts.tables.len() as u32;
    let here = parts.globals.len() as u32;
    let ensure_rest = parts.functions.len() as u32;
    let mut made = Module::new();
    let mut code = CodeSection::new();
    let mut number = parts.imported;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::FunctionSection(_) => {
                let mut section = FunctionSection::new();
                let own = parts.functions.iter().skip(parts.imported as usize);
                for kind in own.chain([&plan.void]) {
                    section.function(*kind);
                }
                made.section(&section);
            }
            Payload::TableSection(tables) => {
                let mut section = TableSection::new();
                RoundtripReencoder.parse_table_section(&mut section, tables)?;
                section.table(rest_table(plan));
                made.section(&section);
            }
            Payload::GlobalSection(globals) => {
                let mut section = GlobalSection::new();
                RoundtripReencoder.parse_global_section(&mut section, globals)?;
                section.global(FLAG, &ConstExpr::i32_const(0));
                made.section(&section);
            }
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                RoundtripReencoder.parse_export_section(&mut section, exports)?;
                section.export(TABLE, ExportKind::Table, table);
                section.export(HERE, ExportKind::Global, here);
                for &number in &plan.shared {
                    section.export(&name('f', number), ExportKind::Func, number);
                }
                let others = [
                    ('m', ExportKind::Memory, parts.memories.len()),
                    ('t', ExportKind::Table, parts.tables.len()),
                    ('g', ExportKind::Global, parts.globals.len()),
                ];
                for (letter, kind, count) in others {
                    for number in 0..count as u32 {
                        section.export(&name(letter, number), kind, number);
                    }
                }
                made.section(&section);
            }
            Payload::CodeSectionStart { .. } => {}
            Payload::CodeSectionEntry(body) => {
                match plan.stubs.get(&number) {
                    Some(&place) => {
                        code.function(&stub(parts, number, (place, table), ensure_rest)?);
                    }
                    None if plan.moved.contains(&number) => {
                        code.function(&nothing());
                    }
                    None => {
                        code.raw(&module[body.range()]);
                    }
                }
                number += 1;
                if number == ensure_rest {
                    code.function(&loader(plan.void, table, here));
                    made.section(&code);
                }
            }
            other => keep(&mut made, &other, module),
        }
    }
    Ok(made.finish())
}

/// Whether the rest is there.
const FLAG: GlobalType = GlobalType {
    val_type: ValType::I32,
    mutable: true,
    shared: false,
};

fn rest_table(plan: &Plan) -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: plan.stubs.len() as u64 + 1,
        maximum: None,
        shared: false,
    }
}

/// Calls the function at a place of the table with the same arguments.
fn stub(
    parts: &Parts<'_>,
    number: u32,
    (place, table): (u32, u32),
    ensure_rest: u32,
) -> Result<Function> {
    let kind = parts.functions[number as usize];
    let arguments = parts.types[kind as usize].as_ref();
    let arguments = arguments.context("a function without a function's type")?;
    let mut made = Function::new([]);
    made.instruction(&Instruction::Call(ensure_rest));
    for at in 0..arguments.params().len() as u32 {
        made.instruction(&Instruction::LocalGet(at));
    }
    made.instruction(&Instruction::I32Const(place as i32));
    made.instruction(&Instruction::CallIndirect {
        type_index: kind,
        table_index: table,
    });
    made.instruction(&Instruction::End);
    Ok(made)
}

/// In place of a function that only the rest calls.
fn nothing() -> Function {
    let mut made = Function::new([]);
    made.instruction(&Instruction::Unreachable);
    made.instruction(&Instruction::End);
    made
}

/// Loads the rest unless it is there.
fn loader(void: u32, table: u32, here: u32) -> Function {
    let mut made = Function::new([]);
    for instruction in [
        Instruction::GlobalGet(here),
        Instruction::I32Eqz,
        Instruction::If(BlockType::Empty),
        Instruction::I32Const(0),
        Instruction::CallIndirect {
            type_index: void,
            table_index: table,
        },
        Instruction::End,
        Instruction::End,
    ] {
        made.instruction(&instruction);
    }
    made
}

/// Gives functions the numbers that they have in the rest.
struct Renumbered(BTreeMap<u32, u32>);

impl Reencode for Renumbered {
    type Error = Infallible;

    fn function_index(
        &mut self,
        number: u32,
    ) -> Result<u32, wasm_encoder::reencode::Error<Infallible>> {
        // Every function that a moved one calls has moved or is shared.
        Ok(self.0.get(&number).copied().unwrap_or(u32::MAX))
    }
}

/// A module of the functions that move. Everything else comes from the first half.
fn rest(parts: &Parts<'_>, plan: &Plan) -> Result<Vec<u8>> {
    let mut imports = ImportSection::new();
    for &number in &plan.shared {
        let kind = EntityType::Function(parts.functions[number as usize]);
        imports.import(FIRST, &name('f', number), kind);
    }
    for (number, kind) in (0..).zip(&parts.memories) {
        imports.import(FIRST, &name('m', number), *kind);
    }
    for (number, kind) in (0..).zip(&parts.tables) {
        imports.import(FIRST, &name('t', number), *kind);
    }
    imports.import(FIRST, TABLE, rest_table(plan));
    for (number, kind) in (0..).zip(&parts.globals) {
        imports.import(FIRST, &name('g', number), *kind);
    }
    let mut functions = FunctionSection::new();
    for &number in &plan.moved {
        functions.function(parts.functions[number as usize]);
    }
    let numbers = plan.shared.iter().chain(&plan.moved).copied().zip(0..);
    let mut renumbered = Renumbered(numbers.collect());
    let mut elements = ElementSection::new();
    let places: Vec<u32> = plan
        .stubs
        .keys()
        .map(|number| renumbered.0[number])
        .collect();
    elements.active(
        Some(parts.tables.len() as u32),
        &ConstExpr::i32_const(1),
        Elements::Functions(places.into()),
    );
    let mut code = CodeSection::new();
    for (number, body) in parts.numbered() {
        if plan.moved.contains(&number) {
            renumbered.parse_function_body(&mut code, body.clone())?;
        }
    }
    let mut made = Module::new();
    made.section(&RawSection {
        id: 1,
        data: parts.type_section,
    })
    .section(&imports)
    .section(&functions)
    .section(&elements)
    .section(&code);
    Ok(made.finish())
}

#[cfg(test)]
mod tests;
