use std::fs;

use anyhow::Result;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemArg, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

use super::{FUNCTIONS, rest_with_shared_memory, with_shared_memory};
use crate::sh;

const MEMORY: MemoryType = MemoryType {
    minimum: 1,
    maximum: None,
    memory64: false,
    shared: false,
    page_size_log2: None,
};

const HERE: MemArg = MemArg {
    offset: 0,
    align: 2,
    memory_index: 0,
};

/// A module as the compiler makes it for one thread: the functions to replace, of which an addition alone does something, `count`,
/// which adds 1 to the number at 8 as often as it is told, and the number 5 as data at 16.
fn module(exported: &[&str]) -> Vec<u8> {
    let i32s = |count: usize| vec![ValType::I32; count];
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function(i32s(2), i32s(1));
    types
        .ty()
        .function([ValType::I32, ValType::I32, ValType::I64], i32s(1));
    types.ty().function(i32s(1), []);
    let mut imports = ImportSection::new();
    imports.import("page", "say", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    for kind in [1, 1, 2, 1, 3] {
        functions.function(kind);
    }
    let mut memories = MemorySection::new();
    memories.memory(MEMORY);
    let mut globals = GlobalSection::new();
    for start in [4096, 0] {
        let kind = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(kind, &ConstExpr::i32_const(start));
    }
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for (number, name) in (1..).zip(exported) {
        exports.export(name, ExportKind::Func, number);
    }
    exports.export("count", ExportKind::Func, 5);
    let mut code = CodeSection::new();
    let mut add = Function::new([(1, ValType::I32)]);
    for instruction in [
        Instruction::LocalGet(0),
        Instruction::LocalGet(0),
        Instruction::I32Load(HERE),
        Instruction::LocalTee(2),
        Instruction::LocalGet(1),
        Instruction::I32Add,
        Instruction::I32Store(HERE),
        Instruction::LocalGet(2),
        Instruction::End,
    ] {
        add.instruction(&instruction);
    }
    code.function(&add);
    for _ in 0..3 {
        let mut nothing = Function::new([]);
        nothing.instruction(&Instruction::I32Const(0));
        code.function(nothing.instruction(&Instruction::End));
    }
    let mut count = Function::new([]);
    for instruction in [
        // Neither waits nor wakes anybody.
        Instruction::I32Const(56),
        Instruction::I32Const(1),
        Instruction::I64Const(0),
        Instruction::Call(3),
        Instruction::Drop,
        Instruction::I32Const(56),
        Instruction::I32Const(0),
        Instruction::Call(2),
        Instruction::Drop,
        Instruction::I32Const(56),
        Instruction::I32Const(0),
        Instruction::Call(4),
        Instruction::Drop,
        Instruction::Loop(wasm_encoder::BlockType::Empty),
        Instruction::I32Const(8),
        Instruction::I32Const(1),
        Instruction::Call(1),
        Instruction::Drop,
        Instruction::LocalGet(0),
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::LocalTee(0),
        Instruction::BrIf(0),
        Instruction::End,
        Instruction::End,
    ] {
        count.instruction(&instruction);
    }
    code.function(&count);
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(16), [5, 0, 0, 0]);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&code)
        .section(&data);
    module.finish()
}

/// Two threads count to a million each, and sleep until they are woken; prints the count, the data, and the stack pointers.
const SCRIPT: &str = "\
const { Worker } = require('worker_threads');\
const [path, pages] = process.argv.slice(1);\
const module = new WebAssembly.Module(require('fs').readFileSync(path));\
const memory = new WebAssembly.Memory({ initial: Number(pages), maximum: 65536, shared: true });\
const numbers = new Int32Array(memory.buffer);\
const imports = { page: { say() {} }, threads: { memory } };\
const first = new WebAssembly.Instance(module, imports);\
const filled = numbers[4];\
numbers[4] = 6;\
const thread = `const { workerData: { module, memory }, parentPort } = require('worker_threads');\
const { exports } = new WebAssembly.Instance(module, { page: { say() {} }, threads: { memory } });\
exports.$stack.value = 1024;\
exports.count(1000000);\
exports.atomic_add(48, 1);\
exports.atomic_wait(52, 0, -1n);\
exports.atomic_add(48, 1);\
parentPort.postMessage(exports.$stack.value)`;\
(async () => {\
  const workers = [0, 1].map(() => new Worker(thread, { eval: true, workerData: { module, memory } }));\
  const ends = workers.map((one) => new Promise((end) => one.once('message', end)));\
  while (Atomics.load(numbers, 12) < 2) await new Promise((go) => setTimeout(go, 5));\
  first.exports.atomic_exchange(52, 1);\
  first.exports.atomic_notify(52, -1);\
  const stacks = await Promise.all(ends);\
  console.log(filled, numbers[4], numbers[2], numbers[12], first.exports.$stack.value, ...stacks);\
})();";

#[test]
fn threads_count_together_and_fill_the_memory_once() -> Result<()> {
    let threaded = with_shared_memory(&module(&FUNCTIONS))?;
    let folder = sh::scratch("threads-test")?;
    let path = folder.join("threads.wasm");
    fs::write(&path, threaded.module)?;
    let mut node = sh::cmd("node");
    node.args(["-e", SCRIPT]).arg(&path);
    let said = sh::capture(node.arg(threaded.pages.to_string()))?;
    sh::remove(&folder)?;
    assert_eq!(said.trim(), "5 6 2000000 4 4096 1024 1024");
    Ok(())
}

#[test]
fn a_module_without_one_of_the_functions_is_refused() {
    for missing in 0..FUNCTIONS.len() {
        let mut names = FUNCTIONS;
        names[missing] = "other";
        assert!(with_shared_memory(&module(&names)).is_err());
    }
}

#[test]
fn the_rest_takes_the_same_memory() -> Result<()> {
    let mut imports = ImportSection::new();
    imports.import("first", "$m0", EntityType::Memory(MEMORY));
    let mut rest = Module::new();
    rest.section(&imports);
    let mut wanted = ImportSection::new();
    let shared = MemoryType {
        minimum: 7,
        maximum: Some(65_536),
        shared: true,
        ..MEMORY
    };
    wanted.import("first", "$m0", EntityType::Memory(shared));
    let mut other = Module::new();
    other.section(&wanted);
    assert_eq!(rest_with_shared_memory(&rest.finish(), 7)?, other.finish());
    Ok(())
}
