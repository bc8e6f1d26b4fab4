use std::fs;

use anyhow::Result;
use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

use super::halves;
use crate::sh;

/// Exports `run`, which gives `3 (argument + 1)` and counts calls of the last function in a global and in memory. Its functions
/// are `run`, an addition that it calls through a table, a product that this calls, and one without arguments.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(1).function(1).function(1).function(0);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1,
        maximum: None,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let counter = GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    };
    globals.global(counter, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    exports.export("count", ExportKind::Global, 0);
    let mut elements = ElementSection::new();
    elements.active(
        None,
        &ConstExpr::i32_const(0),
        Elements::Functions([1].as_slice().into()),
    );
    let count = |made: &mut Function| {
        for instruction in [
            Instruction::GlobalGet(0),
            Instruction::I32Const(1),
            Instruction::I32Add,
            Instruction::GlobalSet(0),
        ] {
            made.instruction(&instruction);
        }
    };
    let mut code = CodeSection::new();
    let mut run = Function::new([]);
    for instruction in [
        Instruction::LocalGet(0),
        Instruction::I32Const(0),
        Instruction::CallIndirect {
            type_index: 1,
            table_index: 0,
        },
        Instruction::End,
    ] {
        run.instruction(&instruction);
    }
    let mut addition = Function::new([(1, ValType::I32)]);
    count(&mut addition);
    for instruction in [
        Instruction::LocalGet(0),
        Instruction::I32Const(1),
        Instruction::I32Add,
        Instruction::Call(2),
        Instruction::Call(3),
        Instruction::End,
    ] {
        addition.instruction(&instruction);
    }
    let mut product = Function::new([]);
    for instruction in [
        Instruction::LocalGet(0),
        Instruction::I32Const(3),
        Instruction::I32Mul,
        Instruction::End,
    ] {
        product.instruction(&instruction);
    }
    // Large enough to move.
    let mut last = Function::new([]);
    (0..4).for_each(|_| count(&mut last));
    last.instruction(&Instruction::End);
    for function in [&run, &addition, &product, &last] {
        code.function(function);
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&tables)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&elements)
        .section(&code);
    module.finish()
}

/// Runs both halves as the page does; prints the result, the calls of the loader, and the count, twice.
const SCRIPT: &str = "\
const [first, rest] = process.argv.slice(1).map((path) => new WebAssembly.Module(require('fs').readFileSync(path)));\
const wrap = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0, 7, 5, 1, 1, 99, 0, 0);\
const { exports } = new WebAssembly.Instance(first);\
let loads = 0;\
const load = () => { loads++; new WebAssembly.Instance(rest, { first: exports }); exports.$here.value = 1; };\
const table = new WebAssembly.Instance(new WebAssembly.Module(wrap), { a: { b: load } }).exports.c;\
exports.$rest.set(0, table);\
for (let turn = 0; turn < 2; turn++) console.log(exports.run(5), loads, exports.count.value);";

fn both(called: [bool; 4]) -> Result<String> {
    let folder = std::env::temp_dir().join(format!("parallax-split-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let paths = ["first.wasm", "rest.wasm"].map(|name| folder.join(name));
    let whole = module();
    let ([first, same], rest) = halves([&whole, &whole], &called)?;
    assert_eq!(first, same);
    for (path, half) in paths.iter().zip([first, rest]) {
        fs::write(path, half)?;
    }
    let said = sh::capture(sh::cmd("node").args(["-e", SCRIPT]).args(&paths));
    fs::remove_dir_all(&folder)?;
    said
}

#[test]
fn halves_compute_what_the_whole_does() -> Result<()> {
    let wanted = "18 1 5\n18 1 10";
    assert_eq!(both([true, false, true, false])?.trim(), wanted);
    assert_eq!(both([true, false, false, false])?.trim(), wanted);
    assert_eq!(both([false; 4])?.trim(), wanted);
    assert_eq!(both([true; 4])?.trim(), "18 0 5\n18 0 10");
    Ok(())
}

#[test]
fn a_function_that_differs_stays() -> Result<()> {
    let (whole, none) = (module(), [false; 4]);
    // The last addition in the last function.
    let mut other = whole.clone();
    let at = other.iter().rposition(|&byte| byte == 0x6a);
    other[at.unwrap_or_default()] = 0x6b;
    let (firsts, rest) = halves([&whole, &other], &none)?;
    let (_, fuller) = halves([&whole, &whole], &none)?;
    assert!(rest.len() < fuller.len());
    assert_ne!(firsts[0], firsts[1]);
    Ok(())
}

#[test]
fn a_profile_of_another_module_is_refused() {
    let whole = module();
    assert!(halves([&whole, &whole], &[true; 3]).is_err());
}
