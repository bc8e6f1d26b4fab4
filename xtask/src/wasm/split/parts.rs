//! What splitting must know of a module.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{GlobalType, MemoryType, TableType};
use wasmparser::{
    ConstExpr, ElementItems, ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload,
    TypeRef,
};

/// The parts of a module. Functions, tables, memories and globals are numbered with the imported ones first.
#[derive(Default)]
pub struct Parts<'a> {
    pub type_section: &'a [u8],
    /// None where a type is not a function's.
    pub types: Vec<Option<FuncType>>,
    /// How many functions are imported.
    pub imported: u32,
    /// The number of each function's type.
    pub functions: Vec<u32>,
    pub tables: Vec<TableType>,
    pub memories: Vec<MemoryType>,
    pub globals: Vec<GlobalType>,
    /// Functions that are exported, in a table, or in the value of a global.
    pub referred: BTreeSet<u32>,
    pub start: Option<u32>,
    pub bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Parts<'a> {
    pub fn of(module: &'a [u8]) -> Result<Self> {
        let mut parts = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            parts.take(payload?, module)?;
        }
        Ok(parts)
    }

    /// The module's own functions with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &FunctionBody<'a>)> {
        (self.imported..).zip(&self.bodies)
    }

    fn take(&mut self, payload: Payload<'a>, module: &'a [u8]) -> Result<()> {
        let mut same = RoundtripReencoder;
        match payload {
            Payload::TypeSection(types) => {
                self.type_section = &module[types.range()];
                for group in types {
                    for kind in group?.into_types() {
                        self.types.push(match kind.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(kind) => Some(kind),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    match import?.ty {
                        TypeRef::Func(kind) => {
                            self.functions.push(kind);
                            self.imported += 1;
                        }
                        TypeRef::Table(kind) => self.tables.push(same.table_type(kind)?),
                        TypeRef::Memory(kind) => self.memories.push(same.memory_type(kind)?),
                        TypeRef::Global(kind) => self.globals.push(same.global_type(kind)?),
                        other => bail!("an import that cannot be split: {other:?}"),
                    }
                }
            }
            Payload::FunctionSection(kinds) => {
                for kind in kinds {
                    self.functions.push(kind?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.tables.push(same.table_type(table?.ty)?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memories.push(same.memory_type(memory?)?);
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    self.globals.push(same.global_type(global.ty)?);
                    self.refer(&global.init_expr)?;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        self.referred.insert(export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(segments) => {
                for segment in segments {
                    match segment?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.referred.insert(function?);
                            }
                        }
                        ElementItems::Expressions(_, values) => {
                            for value in values {
                                self.refer(&value?)?;
                            }
                        }
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn refer(&mut self, value: &ConstExpr<'_>) -> Result<()> {
        for operator in value.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referred.insert(function_index);
            }
        }
        Ok(())
    }
}
