//! Counted strings, lists and names of objects (wdm.h).

use crate::word::{Handle, Pointer};

layout! {
    /// A counted UTF-16 string; lengths are bytes and no terminator is needed.
    "UNICODE_STRING" [16]
    pub struct UnicodeString {
        0 => length: u16, "`Length`: bytes in use.";
        2 => maximum_length: u16, "`MaximumLength`: bytes of room.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => buffer: Pointer, "`Buffer`: the characters.";
    }
}

layout! {
    /// A counted string of bytes; no terminator is needed.
    "ANSI_STRING" [16]
    pub struct AnsiString {
        0 => length: u16, "`Length`: bytes in use.";
        2 => maximum_length: u16, "`MaximumLength`: bytes of room.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => buffer: Pointer, "`Buffer`: the characters.";
    }
}

layout! {
    /// A link of a doubly linked ring.
    "LIST_ENTRY" [16]
    pub struct ListEntry {
        0 => flink: Pointer, "`Flink`: next.";
        8 => blink: Pointer, "`Blink`: previous.";
    }
}

layout! {
    /// A link of a singly linked list.
    "SINGLE_LIST_ENTRY" [8]
    pub struct SingleListEntry {
        0 => next: Pointer, "`Next`: next.";
    }
}

layout! {
    /// The head of an interlocked list.
    "SLIST_HEADER" [16]
    pub struct SlistHeader {
        0 => alignment: u64, "`Alignment`: depth in bits 0 to 15, sequence above.";
        8 => region: u64, "`Region`: address of the first entry, its low four bits reserved.";
    }
}

layout! {
    /// How an object is named and opened.
    "OBJECT_ATTRIBUTES" [48]
    pub struct ObjectAttributes {
        0 => length: u32, "`Length`: bytes in use.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => root_directory: Handle, "`RootDirectory`: directory the name is relative to.";
        16 => object_name: Pointer, "`ObjectName`: the name.";
        24 => attributes: ObjectAttributeFlags, "`Attributes`.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => security_descriptor: Pointer, "`SecurityDescriptor`: security.";
        40 => security_quality_of_service: Pointer, "`SecurityQualityOfService`: impersonation.";
    }
}

flags! {
    /// Attributes of an open (`OBJ_*`).
    pub struct ObjectAttributeFlags(u32) {
        INHERIT = 0x2, "`OBJ_INHERIT`.";
        PERMANENT = 0x10, "`OBJ_PERMANENT`.";
        EXCLUSIVE = 0x20, "`OBJ_EXCLUSIVE`.";
        CASE_INSENSITIVE = 0x40, "`OBJ_CASE_INSENSITIVE`.";
        OPENIF = 0x80, "`OBJ_OPENIF`.";
        OPENLINK = 0x100, "`OBJ_OPENLINK`.";
        KERNEL_HANDLE = 0x200, "`OBJ_KERNEL_HANDLE`.";
        FORCE_ACCESS_CHECK = 0x400, "`OBJ_FORCE_ACCESS_CHECK`.";
    }
}

layout! {
    /// A date and time of day.
    "TIME_FIELDS" [16]
    pub struct TimeFields {
        0 => year: i16, "`Year`: full year.";
        2 => month: i16, "`Month`: 1 to 12.";
        4 => day: i16, "`Day`: 1 to 31.";
        6 => hour: i16, "`Hour`: 0 to 23.";
        8 => minute: i16, "`Minute`: 0 to 59.";
        10 => second: i16, "`Second`.";
        12 => milliseconds: i16, "`Milliseconds`: 0 to 999.";
        14 => weekday: i16, "`Weekday`: 0 Sunday to 6.";
    }
}

layout! {
    /// The head of a table that a query for an interface returns.
    "INTERFACE" [32]
    pub struct Interface {
        0 => size: u16, "`Size`: bytes.";
        2 => version: u16, "`Version`: version.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => context: Pointer, "`Context`: handed to the routine.";
        16 => interface_reference: Pointer, "`InterfaceReference`: takes a reference.";
        24 => interface_dereference: Pointer, "`InterfaceDereference`: gives one back.";
    }
}
