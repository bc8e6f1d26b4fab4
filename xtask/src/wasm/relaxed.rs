//! The second module, for browsers with relaxed SIMD: calls of one function become one instruction.
//!
//! No other relaxed instruction is used. A compiler with relaxed SIMD enabled would also use its minimum and maximum, which
//! may drop a NaN; and a browser without relaxed SIMD refuses a module with a single such instruction.

use anyhow::{Context, Result, ensure};
use wasm_encoder::{CodeSection, Module};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload};

use super::{exports, keep};

/// The exported function `a * b + c` (`crates/kernels/src/backend/cpu/rounding.rs`).
const FUNCTION: &str = "product_and_sum";
/// `f32x4.relaxed_madd`, with the same operands and result on the stack as the function.
const INSTRUCTION: [u8; 3] = [0xfd, 0x85, 2];

/// The module with the instruction in place of every call of the function.
pub fn with_instructions(module: &[u8]) -> Result<Vec<u8>> {
    let index = index(module)?;
    let mut made = Module::new();
    let (mut code, mut bodies, mut calls) = (CodeSection::new(), 0, 0);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CodeSectionStart { count, .. } => bodies = count,
            Payload::CodeSectionEntry(body) => {
                let (body, replaced) = replaced(module, &body, index)?;
                code.raw(&body);
                calls += replaced;
                bodies -= 1;
                if bodies == 0 {
                    made.section(&code);
                }
            }
            other => keep(&mut made, &other, module),
        }
    }
    ensure!(calls > 0, "nothing in the module calls {FUNCTION}");
    Ok(made.finish())
}

/// The function's index.
fn index(module: &[u8]) -> Result<u32> {
    let found = exports(module)?
        .into_iter()
        .find(|export| export.kind == ExternalKind::Func && export.name == FUNCTION);
    let found = found.with_context(|| format!("the module exports no {FUNCTION}"))?;
    Ok(found.index)
}

/// A function body with its calls of a function replaced, and their number.
fn replaced(module: &[u8], body: &FunctionBody<'_>, index: u32) -> Result<(Vec<u8>, usize)> {
    let lies = body.range();
    let (mut made, mut done, mut calls) = (Vec::new(), lies.start, 0);
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, begin) = reader.read_with_offset()?;
        if matches!(operator, Operator::Call { function_index } if function_index == index) {
            made.extend_from_slice(&module[done..begin]);
            made.extend(INSTRUCTION);
            done = reader.original_position();
            calls += 1;
        }
    }
    made.extend_from_slice(&module[done..lies.end]);
    Ok((made, calls))
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, Module,
        TypeSection, ValType,
    };

    use super::{FUNCTION, with_instructions};

    const PRODUCT: [Instruction<'_>; 5] = [
        Instruction::LocalGet(0),
        Instruction::LocalGet(1),
        Instruction::F32x4Mul,
        Instruction::LocalGet(2),
        Instruction::F32x4Add,
    ];

    /// Three functions: the one to replace, its caller, which runs `instruction` twice, and an unrelated one.
    fn module(exported: &str, instruction: &Instruction<'_>) -> Vec<u8> {
        let operands = [0, 1, 2].map(Instruction::LocalGet);
        let once = [&operands[..], std::slice::from_ref(instruction)].concat();
        let caller = [&once[..], &[Instruction::Drop], &once].concat();
        // The bytes of a call, as a number.
        let other = [Instruction::I32Const(0x10), Instruction::Drop];
        let other = [&other[..], &PRODUCT].concat();
        let mut types = TypeSection::new();
        types.ty().function([ValType::V128; 3], [ValType::V128]);
        let mut functions = FunctionSection::new();
        functions.function(0).function(0).function(0);
        let mut exports = ExportSection::new();
        exports.export(exported, ExportKind::Func, 0);
        let mut code = CodeSection::new();
        for body in [&PRODUCT[..], &caller, &other] {
            let mut function = Function::new([(1, ValType::V128)]);
            for instruction in body {
                function.instruction(instruction);
            }
            code.function(function.instruction(&Instruction::End));
        }
        let mut module = Module::new();
        module.section(&types).section(&functions);
        module.section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn calls_become_instructions() -> anyhow::Result<()> {
        let found = with_instructions(&module(FUNCTION, &Instruction::Call(0)))?;
        assert_eq!(found, module(FUNCTION, &Instruction::F32x4RelaxedMadd));
        Ok(())
    }

    #[test]
    fn a_module_without_the_function_or_its_calls_or_cut_short_is_refused() {
        let call = Instruction::Call(0);
        assert!(with_instructions(&module("other", &call)).is_err());
        assert!(with_instructions(&module(FUNCTION, &Instruction::Call(1))).is_err());
        let whole = module(FUNCTION, &call);
        for len in 0..whole.len() {
            assert!(with_instructions(&whole[..len]).is_err(), "cut at {len}");
        }
    }
}
