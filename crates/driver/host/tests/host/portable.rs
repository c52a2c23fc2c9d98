//! PE64 drivers put together from code that is assembled into this test, with hand-written exception tables.
//!
//! The code is position-independent and lies between two labels; its bytes become `.text` at [`TEXT`]. What it refers to
//! beyond itself it addresses relative to its first label: import slot `n` at `+ 0x1200 + 8 * n`, data at `+ 0x3000`.

/// Where the code is.
pub(crate) const TEXT: u32 = 0x1000;
/// Where the writable page is.
pub(crate) const DATA: u32 = 0x4000;
const SLOTS: u32 = 0x2200;

/// A function's entry in `.pdata`: offsets from the first label, and its unwind information.
pub(crate) struct Function {
    pub(crate) begin: u32,
    pub(crate) end: u32,
    pub(crate) info: Vec<u8>,
}

/// A scope of `__C_specific_handler`, as offsets from the first label. `filter` `None`: take everything. `target` 0: `__finally`.
pub(crate) struct Scope {
    pub(crate) begin: u32,
    pub(crate) end: u32,
    pub(crate) filter: Option<u32>,
    pub(crate) target: u32,
}

/// Unwind information: prologue length, frame register and offset, slots (last instruction first), flags.
pub(crate) fn info(prologue: u8, frame: u8, slots: &[u16], flags: u8) -> Vec<u8> {
    let mut bytes = vec![1 | flags << 3, prologue, slots.len() as u8, frame];
    for slot in slots {
        bytes.extend_from_slice(&slot.to_le_bytes());
    }
    if slots.len() % 2 == 1 {
        bytes.extend_from_slice(&[0, 0]);
    }
    bytes
}

/// `info` with a language handler at `handler`, and its scopes.
pub(crate) fn guarded(mut info: Vec<u8>, handler: u32, scopes: &[Scope]) -> Vec<u8> {
    info.extend_from_slice(&(TEXT + handler).to_le_bytes());
    info.extend_from_slice(&(scopes.len() as u32).to_le_bytes());
    for Scope { begin, end, filter, target } in scopes {
        let target = if *target == 0 { 0 } else { TEXT + target };
        for word in [TEXT + begin, TEXT + end, filter.map_or(1, |filter| TEXT + filter), target] {
            info.extend_from_slice(&word.to_le_bytes());
        }
    }
    info
}

fn put(into: &mut [u8], at: u32, bytes: &[u8]) {
    into[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
}

fn words(into: &mut [u8], at: u32, words: &[u32]) {
    for (index, word) in words.iter().enumerate() {
        put(into, at + index as u32 * 4, &word.to_le_bytes());
    }
}

/// The file. It begins at offset `entry` of the code.
pub(crate) fn driver(text: &[u8], entry: u32, functions: &[Function], imports: &[&str]) -> Vec<u8> {
    // File offsets are addresses: nothing has to be moved.
    let mut file = vec![0; 0x6000];
    put(&mut file, 0, b"MZ");
    words(&mut file, 0x3C, &[0x40]);
    put(&mut file, 0x40, b"PE\0\0\x64\x86");
    put(&mut file, 0x46, &5u16.to_le_bytes());
    put(&mut file, 0x54, &240u16.to_le_bytes());
    put(&mut file, 0x56, &0x22u16.to_le_bytes());
    let optional = 0x58;
    put(&mut file, optional, &0x20Bu16.to_le_bytes());
    words(&mut file, optional + 16, &[TEXT + entry, 0x1000]);
    put(&mut file, optional + 24, &0x1_4000_0000u64.to_le_bytes());
    words(&mut file, optional + 32, &[0x1000, 0x1000]);
    words(&mut file, optional + 56, &[0x6000, 0x400]);
    put(&mut file, optional + 68, &1u16.to_le_bytes());
    words(&mut file, optional + 108, &[16]);
    let directory = |index: u32| optional + 112 + index * 8;
    words(&mut file, directory(1), &[0x2000, 40]);
    if !functions.is_empty() {
        words(&mut file, directory(3), &[0x3000, functions.len() as u32 * 12]);
    }
    words(&mut file, directory(5), &[0x5000, 8]);
    let sections: [(&[u8; 8], u32, u32); 5] = [
        (b".text\0\0\0", TEXT, 0x6000_0020),
        (b".rdata\0\0", 0x2000, 0x4000_0040),
        (b".pdata\0\0", 0x3000, 0x4000_0040),
        (b".data\0\0\0", DATA, 0xC000_0040),
        (b".reloc\0\0", 0x5000, 0x4000_0040),
    ];
    for (index, (name, at, characteristics)) in sections.iter().enumerate() {
        let header = 0x40 + 24 + 240 + index as u32 * 40;
        put(&mut file, header, &name[..]);
        words(&mut file, header + 8, &[0x1000, *at, 0x1000, *at]);
        words(&mut file, header + 36, &[*characteristics]);
    }
    put(&mut file, TEXT, text);
    words(&mut file, 0x2000, &[0x2100, 0, 0, 0x20E0, SLOTS]);
    put(&mut file, 0x20E0, b"ntoskrnl.exe\0");
    for (index, name) in imports.iter().enumerate() {
        let (index, at) = (index as u32, 0x2300 + index as u32 * 0x20);
        words(&mut file, 0x2100 + index * 8, &[at]);
        words(&mut file, SLOTS + index * 8, &[at]);
        put(&mut file, at + 2, name.as_bytes());
    }
    let mut at = 0x2800;
    for (index, function) in functions.iter().enumerate() {
        put(&mut file, at, &function.info);
        words(&mut file, 0x3000 + index as u32 * 12, &[TEXT + function.begin, TEXT + function.end, at]);
        at += (function.info.len() as u32).next_multiple_of(4);
    }
    words(&mut file, 0x5000, &[0x1000, 8]);
    file
}
