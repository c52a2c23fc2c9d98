//! Addresses as people write them.

use dxgk_verify::{Modules, Place};

/// `edu.sys+0x1234`, or the bare address when no module holds it.
pub(crate) fn address(modules: &Modules, address: u64) -> String {
    match modules.find(address) {
        Some((module, offset)) => format!("{}+{offset:#x}", module.name),
        None => format!("{address:#x}"),
    }
}

/// A place in one word; `-` when no driver code was running.
pub(crate) fn place(place: &Place) -> String {
    match &place.module {
        Some(module) => format!("{module}+{:#x}", place.offset),
        None if place.rip == 0 => "-".to_owned(),
        None => format!("{:#x}", place.rip),
    }
}
