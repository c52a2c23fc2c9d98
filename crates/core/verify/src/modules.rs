//! Which module an address lies in.

use alloc::string::String;
use alloc::vec::Vec;

use dxgk_event::ModuleLoaded;

use crate::finding::Place;
use crate::limits;
use crate::words::printable;

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// File name.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// Linked into the host instead of loaded.
    pub linked: bool,
}

/// All modules of a run.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    list: Vec<Module>,
}

impl Modules {
    pub(crate) fn add(&mut self, module: &ModuleLoaded) {
        if self.list.len() >= limits::MODULES {
            return;
        }
        self.list.push(Module {
            name: printable(module.name.as_str()),
            base: module.base,
            bytes: module.bytes,
            linked: module.linked != 0,
        });
    }

    /// The modules, in the order of loading.
    #[must_use]
    pub fn list(&self) -> &[Module] {
        &self.list
    }

    /// The module that holds `address`, and the offset in it.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(&Module, u64)> {
        self.list.iter().find_map(|module| {
            let offset = address.checked_sub(module.base)?;
            (offset < module.bytes).then_some((module, offset))
        })
    }

    pub(crate) fn place(&self, rip: u64, stack: &[u64]) -> Place {
        let found = self.find(rip);
        Place {
            rip,
            module: found.map(|(module, _)| module.name.clone()),
            offset: found.map_or(0, |(_, offset)| offset),
            stack: stack.to_vec(),
        }
    }
}
