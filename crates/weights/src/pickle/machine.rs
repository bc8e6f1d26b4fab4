//! The stack machine of pickles, which records calls instead of making them.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::globals::is_known;
use super::operation::Operation;
use super::{Id, Node, Object, Pickle, PickleError};

/// Instructions of one pickle; each makes a node, a place on the stack and a place in the memo at most, so this
/// bounds the memory whatever the bytes are. The state of a ResNet with its optimiser takes 50 thousand.
const MAX_OPERATIONS: usize = 1 << 22;

/// Reads the pickle that starts at `from`; also says where it ends.
///
/// # Errors
/// When the bytes are not a pickle, or it needs a global that no weight file does.
pub(crate) fn parse(bytes: &[u8], from: usize) -> Result<(Pickle<'_>, usize), PickleError> {
    let mut machine = Machine {
        input: Cursor { bytes, at: from },
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_OPERATIONS {
        if let Some(root) = machine.step()? {
            let nodes = machine.nodes;
            return Ok((Pickle { nodes, root }, machine.input.at));
        }
    }
    Err(machine
        .input
        .broken("it has more instructions than the state of any network"))
}

struct Machine<'a> {
    input: Cursor<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One instruction; the result where it was the last one.
    fn step(&mut self) -> Result<Option<Id>, PickleError> {
        let code = self.input.byte()?;
        let operation = Operation::of(code).ok_or_else(|| {
            self.input
                .broken(format!("instruction {code:#04x} is unknown here"))
        })?;
        match operation {
            Operation::Stop => return self.pop().map(Some),
            Operation::Proto => {
                self.input.byte()?;
            }
            Operation::Frame => {
                self.input.take(8)?;
            }
            Operation::Mark => self.marks.push(self.stack.len()),
            Operation::Pop => {
                // Python lets POP remove a mark.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            Operation::PopMark => {
                self.pop_mark()?;
            }
            Operation::Dup => {
                let top = self.top()?;
                self.stack.push(top);
            }
            Operation::None => self.push(Node::None)?,
            Operation::NewTrue => self.push(Node::Bool(true))?,
            Operation::NewFalse => self.push(Node::Bool(false))?,
            Operation::BinInt => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push(Node::Int(value.into()))?;
            }
            Operation::BinInt1 => {
                let value = self.input.byte()?;
                self.push(Node::Int(value.into()))?;
            }
            Operation::BinInt2 => {
                let value = u16::from_le_bytes(self.input.array()?);
                self.push(Node::Int(value.into()))?;
            }
            Operation::Long1 => {
                let length = self.input.byte()?.into();
                self.long(length)?;
            }
            Operation::Long4 => {
                let length = self.input.length4()?;
                self.long(length)?;
            }
            Operation::Int | Operation::Long => self.decimal()?,
            Operation::Float => {
                self.input.line()?;
                self.push(Node::Number)?;
            }
            Operation::BinFloat => {
                self.input.take(8)?;
                self.push(Node::Number)?;
            }
            Operation::ShortBinString | Operation::ShortBinBytes => {
                let length = self.input.byte()?.into();
                self.push_bytes(length)?;
            }
            Operation::BinString | Operation::BinBytes => {
                let length = self.input.length4()?;
                self.push_bytes(length)?;
            }
            Operation::BinBytes8 | Operation::ByteArray8 => {
                let length = self.input.length8()?;
                self.push_bytes(length)?;
            }
            Operation::ShortBinUnicode => {
                let length = self.input.byte()?.into();
                self.push_text(length)?;
            }
            Operation::BinUnicode => {
                let length = self.input.length4()?;
                self.push_text(length)?;
            }
            Operation::BinUnicode8 => {
                let length = self.input.length8()?;
                self.push_text(length)?;
            }
            Operation::String | Operation::Unicode => self.quoted(operation)?,
            Operation::EmptyTuple => self.push(Node::Tuple(Vec::new()))?,
            Operation::Tuple1 => self.tuple(1)?,
            Operation::Tuple2 => self.tuple(2)?,
            Operation::Tuple3 => self.tuple(3)?,
            Operation::Tuple => {
                let members = self.pop_mark()?;
                self.push(Node::Tuple(members))?;
            }
            Operation::EmptyList | Operation::EmptySet => self.push(Node::List(Vec::new()))?,
            Operation::List | Operation::FrozenSet => {
                let members = self.pop_mark()?;
                self.push(Node::List(members))?;
            }
            Operation::EmptyDict => self.push(Node::Dict(Vec::new()))?,
            Operation::Dict => {
                let members = self.pop_mark()?;
                let items = self.pairs(&members)?;
                self.push(Node::Dict(items))?;
            }
            Operation::Append => {
                let value = self.pop()?;
                self.extend(vec![value])?;
            }
            Operation::Appends | Operation::AddItems => {
                let values = self.pop_mark()?;
                self.extend(values)?;
            }
            Operation::SetItem => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![(key, value)])?;
            }
            Operation::SetItems => {
                let members = self.pop_mark()?;
                let items = self.pairs(&members)?;
                self.insert(items)?;
            }
            Operation::Get => {
                let index = self.input.index()?;
                self.recall(index)?;
            }
            Operation::BinGet => {
                let index = self.input.byte()?.into();
                self.recall(index)?;
            }
            Operation::LongBinGet => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.recall(index)?;
            }
            Operation::Put => {
                let index = self.input.index()?;
                self.remember(index)?;
            }
            Operation::BinPut => {
                let index = self.input.byte()?.into();
                self.remember(index)?;
            }
            Operation::LongBinPut => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.remember(index)?;
            }
            Operation::Memoize => {
                let index = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.remember(index)?;
            }
            Operation::PersId => {
                let text = self.input.line()?;
                let id = self.add(Node::Text(text))?;
                self.push(Node::Persistent(id))?;
            }
            Operation::BinPersId => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))?;
            }
            Operation::Global => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(module, name)?;
            }
            Operation::StackGlobal => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.global(module, name)?;
            }
            Operation::Reduce | Operation::NewObj => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.object(callable, arguments)?;
            }
            Operation::NewObjEx => {
                self.pop()?;
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.object(callable, arguments)?;
            }
            Operation::Inst => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                let arguments = self.pop_mark()?;
                self.global(module, name)?;
                let callable = self.pop()?;
                let arguments = self.add(Node::Tuple(arguments))?;
                self.object(callable, arguments)?;
            }
            Operation::Obj => {
                let mut members = self.pop_mark()?.into_iter();
                let callable = members
                    .next()
                    .ok_or_else(|| self.input.broken("a call of nothing"))?;
                let arguments = self.add(Node::Tuple(members.collect()))?;
                self.object(callable, arguments)?;
            }
            Operation::Build => {
                let state = self.pop()?;
                let target = self.top()?;
                // State of plain values is attributes of a class of their own: no tensor is named by them.
                if let Some(Node::Object(object)) = self.nodes.get_mut(target.0 as usize) {
                    object.state = Some(state);
                }
            }
        }
        Ok(None)
    }

    fn push_bytes(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.input.take(length)?;
        self.push(Node::Bytes(bytes))
    }

    fn push_text(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.input.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Node::Text(text)),
            // A lone surrogate, as Python writes it: no name of a tensor.
            Err(_) => self.push(Node::Bytes(bytes)),
        }
    }

    /// Text of protocol 0, where it needs no unescaping.
    fn quoted(&mut self, operation: Operation) -> Result<(), PickleError> {
        let line = self.input.line()?;
        let text = match operation {
            Operation::String => line
                .strip_prefix(['\'', '"'])
                .and_then(|text| text.strip_suffix(['\'', '"'])),
            _ => Some(line),
        };
        match text.filter(|text| !text.contains('\\')) {
            Some(text) => self.push(Node::Text(text)),
            None => Err(self.input.broken("escaped text of protocol 0 is not read")),
        }
    }

    fn long(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.input.take(length)?;
        let node = if length > 8 {
            Node::Number
        } else {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut value = [if negative { 0xff } else { 0 }; 8];
            value[..length].copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(value))
        };
        self.push(node)
    }

    fn decimal(&mut self) -> Result<(), PickleError> {
        let line = self.input.line()?;
        let node = match line {
            "00" => Node::Bool(false),
            "01" => Node::Bool(true),
            _ => match line.trim_end_matches('L').parse() {
                Ok(value) => Node::Int(value),
                Err(_) => return Err(self.input.broken("a bad number")),
            },
        };
        self.push(node)
    }

    fn add(&mut self, node: Node<'a>) -> Result<Id, PickleError> {
        let id =
            u32::try_from(self.nodes.len()).map_err(|_| self.input.broken("too many values"))?;
        self.nodes.push(node);
        Ok(Id(id))
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// The stack's height down to the innermost mark: nothing may reach below it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() {
            return Err(self.input.broken("a value is missing on the stack"));
        }
        self.stack
            .pop()
            .ok_or_else(|| self.input.broken("a value is missing on the stack"))
    }

    fn top(&mut self) -> Result<Id, PickleError> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(id)
    }

    fn pop_text(&mut self) -> Result<&'a str, PickleError> {
        let id = self.pop()?;
        match self.nodes.get(id.0 as usize) {
            Some(Node::Text(text)) => Ok(text),
            _ => Err(self.input.broken("a name that is no text")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| self.input.broken("a mark is missing on the stack"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .filter(|start| *start >= self.floor())
            .ok_or_else(|| self.input.broken("a value is missing on the stack"))?;
        let members = self.stack.split_off(start);
        self.push(Node::Tuple(members))
    }

    fn pairs(&self, members: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = members.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.input.broken("a key without a value"));
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    fn extend(&mut self, values: Vec<Id>) -> Result<(), PickleError> {
        let target = self.top()?;
        let known = match self.nodes.get_mut(target.0 as usize) {
            Some(Node::List(members)) => {
                members.extend(values);
                return Ok(());
            }
            // A list of a class of its own: its members are numbered.
            Some(Node::Object(object)) => object.items.len(),
            _ => return Err(self.input.broken("values for what is no list")),
        };
        let mut items = Vec::with_capacity(values.len());
        for (number, value) in values.into_iter().enumerate() {
            items.push((self.add(Node::Int((known + number) as i64))?, value));
        }
        self.insert(items)
    }

    fn insert(&mut self, items: Vec<(Id, Id)>) -> Result<(), PickleError> {
        let target = self.top()?;
        match self.nodes.get_mut(target.0 as usize) {
            Some(Node::Dict(known)) => known.extend(items),
            Some(Node::Object(object)) => object.items.extend(items),
            _ => return Err(self.input.broken("items for what is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleError> {
        let id = self.memo.get(&index).copied();
        let id = id.ok_or_else(|| self.input.broken("an empty place in the memo"))?;
        self.stack.push(id);
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<(), PickleError> {
        if is_known(module, name) {
            return self.push(Node::Global(module, name));
        }
        Err(PickleError::Refused {
            global: format!("{module}.{name}"),
        })
    }

    fn object(&mut self, callable: Id, arguments: Id) -> Result<(), PickleError> {
        self.push(Node::Object(Box::new(Object {
            callable,
            arguments,
            state: None,
            items: Vec::new(),
        })))
    }
}
