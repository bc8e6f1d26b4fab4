//! Python's pickles as inert data: calls are recorded with their arguments, and never made.

mod cursor;
mod globals;
mod machine;
mod operation;
pub(crate) mod write;

use std::fmt::Write as _;

pub(crate) use machine::parse;

/// Why a pickle cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PickleError {
    /// Not a pickle, truncated, or with an instruction that no weight file has.
    Broken {
        /// Offset in the pickle's bytes.
        at: usize,
        /// What is wrong.
        reason: String,
    },
    /// A global that no weight file needs.
    Refused {
        /// Module and name.
        global: String,
    },
}

/// The index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(u32);

/// One Python value. Text and bytes are borrowed from the file.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number without meaning here: a float, or an integer of more than 64 bits.
    Number,
    Text(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    /// A list or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A module and the name of something in it.
    Global(&'a str, &'a str),
    /// An object that Python would build by a call.
    Object(Box<Object>),
    /// A reference to a storage outside of the pickle.
    Persistent(Id),
}

/// A recorded call, and the state of its result.
#[derive(Debug)]
pub(crate) struct Object {
    pub callable: Id,
    pub arguments: Id,
    pub state: Option<Id>,
    pub items: Vec<(Id, Id)>,
}

/// A parsed pickle.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    pub root: Id,
}

impl<'a> Pickle<'a> {
    /// The value at `id`.
    pub fn node(&self, id: Id) -> &Node<'a> {
        // Only the machine creates ids, each with its node.
        self.nodes.get(id.0 as usize).unwrap_or(&Node::None)
    }

    /// Every value, in the order of creation.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }

    /// Text; Python 2 wrote it as bytes.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            Node::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// An integer.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A size or an offset.
    pub fn size(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|value| usize::try_from(value).ok())
    }

    /// The members of a tuple or a list.
    pub fn members(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(members) | Node::List(members) => Some(members),
            _ => None,
        }
    }

    /// A shape.
    pub fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        // `torch.Size` wraps a tuple.
        let id = match self.call(id) {
            Some(("torch", "Size", &[inner])) => inner,
            _ => id,
        };
        self.members(id)?.iter().map(|id| self.size(*id)).collect()
    }

    /// Module, name and arguments of a call.
    pub fn call(&self, id: Id) -> Option<(&'a str, &'a str, &[Id])> {
        let Node::Object(object) = self.node(id) else {
            return None;
        };
        let Node::Global(module, name) = self.node(object.callable) else {
            return None;
        };
        Some((module, name, self.members(object.arguments)?))
    }

    /// Keys and values of a dictionary, also of one of a class of its own.
    pub fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(items) => Some(items),
            Node::Object(object) if !object.items.is_empty() => Some(&object.items),
            _ => None,
        }
    }

    /// The value under a key of text.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.items(id)?
            .iter()
            .find(|(name, _)| self.text(*name) == Some(key))
            .map(|(_, value)| *value)
    }

    /// Appends a key to a tensor's name.
    pub fn push_key(&self, id: Id, name: &mut String) {
        match self.node(id) {
            Node::Int(value) => {
                let _ = write!(name, "{value}");
            }
            Node::Global(_, text) => name.push_str(text),
            _ => name.push_str(self.text(id).unwrap_or("?")),
        }
    }
}
