//! Objects and calls in sentences.

use alloc::format;
use alloc::string::{String, ToString};

use dxgk_event::{Doorbell, ObjectKind};

use crate::finding::ObjectSummary;
use crate::objects::Known;

/// What a kind is called in a sentence.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::MdlPages => "MDL pages (AllocatePagesForMdl)",
        ObjectKind::ContiguousMemory => "contiguous memory (AllocateContiguousMemory)",
        ObjectKind::MdlMapping => "MDL mapping (MapMdlToIoMmu)",
        ObjectKind::PhysicalMemory => "physical memory object",
        ObjectKind::AdapterMemory => "adapter memory object",
        ObjectKind::Adl => "ADL (AllocateAdl)",
        ObjectKind::RegisterMap => "register map (MapMemory)",
        ObjectKind::UserRegisterMap => "user-mode register map (MapMemory)",
        ObjectKind::PortMap => "port range (MapMemory)",
        ObjectKind::KernelView => "CPU view (MapPhysicalMemory)",
        ObjectKind::UserView => "user-mode CPU view (MapPhysicalMemory)",
        ObjectKind::Pin => "pinned save area",
        ObjectKind::Pool => "pool block",
        ObjectKind::Mdl => "MDL of the driver's own",
        ObjectKind::MmMemory => "memory from an Mm routine",
        ObjectKind::MmMapping => "mapping from an Mm routine",
        ObjectKind::SaveView => "CPU view of a save area (MapFrameBufferPointer)",
        ObjectKind::ReservedRange => "hardware reserved range",
    }
}

/// The callback that gives a kind back.
pub(crate) fn giving_back(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::MdlPages => "DxgkCbFreePagesFromMdl",
        ObjectKind::ContiguousMemory => "DxgkCbFreeContiguousMemory",
        ObjectKind::MdlMapping => "DxgkCbUnmapMdlFromIoMmu",
        ObjectKind::PhysicalMemory => "DxgkCbDestroyPhysicalMemoryObject",
        ObjectKind::AdapterMemory => "DxgkCbClosePhysicalMemoryObject",
        ObjectKind::Adl => "DxgkCbFreeAdl",
        ObjectKind::RegisterMap | ObjectKind::UserRegisterMap | ObjectKind::PortMap => "DxgkCbUnmapMemory",
        ObjectKind::KernelView | ObjectKind::UserView => "DxgkCbUnmapPhysicalMemory",
        ObjectKind::Pin => "DxgkCbUnpinFrameBufferForSave",
        ObjectKind::SaveView => "DxgkCbUnmapFrameBufferPointer",
        ObjectKind::ReservedRange => "nothing: it is the hardware's",
        ObjectKind::Pool | ObjectKind::Mdl | ObjectKind::MmMemory | ObjectKind::MmMapping => {
            "the routine that belongs to its allocation"
        }
    }
}

/// What the driver told a device before it acted.
pub(crate) fn rang(doorbell: &Doorbell) -> String {
    let Doorbell { register, address, bytes, .. } = doorbell;
    match bytes {
        0 => format!("{address:#x} was written to the register at {register:#x}, the last write before it"),
        _ => format!(
            "the device was given address {address:#x} for {bytes:#x} bytes, through the register at {register:#x}"
        ),
    }
}

pub(crate) fn summary(known: &Known) -> ObjectSummary {
    ObjectSummary {
        number: known.object.object,
        kind: kind_name(known.object.kind),
        handle: known.object.handle,
        bytes: known.object.bytes,
    }
}

/// An object in a sentence: what it is, how big, under which handle.
pub(crate) fn describe(known: &Known) -> String {
    let object = &known.object;
    let (kind, handle) = (kind_name(object.kind), object.handle);
    match object.kind {
        ObjectKind::PortMap => format!("{kind} of {} ports from {handle:#x}", object.bytes),
        ObjectKind::AdapterMemory => format!("{kind} {handle:#x}"),
        ObjectKind::RegisterMap
        | ObjectKind::UserRegisterMap
        | ObjectKind::KernelView
        | ObjectKind::UserView
        | ObjectKind::SaveView
        | ObjectKind::Adl => format!("{kind} of {:#x} bytes at {handle:#x}", object.bytes),
        _ => format!("{kind} of {:#x} bytes, handle {handle:#x}", object.bytes),
    }
}

/// An object that is spoken of.
pub(crate) fn the(known: &Known) -> String {
    format!("the {}", describe(known))
}

/// "1 ADL (AllocateAdl)", "3 of the kind ADL (AllocateAdl)".
pub(crate) fn counted(kind: ObjectKind, count: usize) -> String {
    match count {
        1 => format!("1 {}", kind_name(kind)),
        _ => format!("{count} of the kind {}", kind_name(kind)),
    }
}

/// A name from the stream, fit for a terminal.
pub(crate) fn printable(name: &str) -> String {
    if name.is_empty() {
        return "(no name)".to_string();
    }
    name.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}
