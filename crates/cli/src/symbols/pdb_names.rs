//! Names of inlined functions: an inline site knows its function by a number only.

use std::collections::{BTreeMap, BTreeSet};

use pdb2::{FallibleIterator, IdData, IdIndex, PDB, Source, TypeData, TypeIndex};

/// How often a scope's scope is asked for: a forged file can make a ring of them.
const DEEPEST: usize = 16;

/// The names of a PDB's functions by their numbers.
#[derive(Default)]
pub(super) struct Names {
    functions: BTreeMap<u32, Function>,
    scopes: BTreeMap<u32, String>,
    types: BTreeMap<u32, String>,
}

struct Function {
    name: String,
    parent: Parent,
}

enum Parent {
    None,
    /// A namespace, by the number of its string.
    Scope(IdIndex),
    Type(TypeIndex),
}

impl Names {
    /// Reads what can be read.
    pub(super) fn read<'s, S: Source<'s> + 's>(file: &mut PDB<'s, S>) -> Self {
        let mut names = Self::default();
        // Names that are missing cost the name of an inlined function, and nothing else.
        let _ = names.read_ids(file);
        let wanted: BTreeSet<u32> = names.functions.values().filter_map(Function::class).collect();
        if !wanted.is_empty() {
            let _ = names.read_types(file, &wanted);
        }
        names
    }

    fn read_ids<'s, S: Source<'s> + 's>(&mut self, file: &mut PDB<'s, S>) -> Result<(), pdb2::Error> {
        let ids = file.id_information()?;
        let mut items = ids.iter();
        while let Some(item) = items.next()? {
            let at = item.index().0;
            match item.parse() {
                Ok(IdData::Function(id)) => {
                    let parent = id.scope.map_or(Parent::None, Parent::Scope);
                    self.functions.insert(at, Function { name: id.name.to_string().into_owned(), parent });
                }
                Ok(IdData::MemberFunction(id)) => {
                    let parent = Parent::Type(id.parent);
                    self.functions.insert(at, Function { name: id.name.to_string().into_owned(), parent });
                }
                Ok(IdData::String(id)) => {
                    self.scopes.insert(at, id.name.to_string().into_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_types<'s, S: Source<'s> + 's>(
        &mut self,
        file: &mut PDB<'s, S>,
        wanted: &BTreeSet<u32>,
    ) -> Result<(), pdb2::Error> {
        let types = file.type_information()?;
        let mut items = types.iter();
        while let Some(item) = items.next()? {
            let at = item.index().0;
            if !wanted.contains(&at) {
                continue;
            }
            let name = match item.parse() {
                Ok(TypeData::Class(class)) => class.name,
                Ok(TypeData::Union(union)) => union.name,
                Ok(TypeData::Enumeration(enumeration)) => enumeration.name,
                _ => continue,
            };
            self.types.insert(at, name.to_string().into_owned());
        }
        Ok(())
    }

    /// The full name of a function.
    pub(super) fn function(&self, index: IdIndex) -> Option<String> {
        let function = self.functions.get(&index.0)?;
        let parent = match function.parent {
            Parent::None => None,
            Parent::Type(index) => self.types.get(&index.0).cloned(),
            Parent::Scope(index) => self.scope(index, DEEPEST),
        };
        Some(match parent {
            Some(parent) => format!("{parent}::{}", function.name),
            None => function.name.clone(),
        })
    }

    /// A namespace is a string, or (of a function within a function) the number of a function.
    fn scope(&self, index: IdIndex, depth: usize) -> Option<String> {
        if let Some(name) = self.scopes.get(&index.0) {
            return Some(name.clone());
        }
        let outer = self.functions.get(&index.0)?;
        match outer.parent {
            Parent::Scope(next) if depth > 0 => {
                let scope = self.scope(next, depth - 1)?;
                Some(format!("{scope}::{}", outer.name))
            }
            _ => Some(outer.name.clone()),
        }
    }
}

impl Function {
    fn class(&self) -> Option<u32> {
        match self.parent {
            Parent::Type(index) => Some(index.0),
            Parent::None | Parent::Scope(_) => None,
        }
    }
}
