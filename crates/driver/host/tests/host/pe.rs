//! A PE64 driver put together by hand: a function that calls a second one, which calls an import.

/// The base that the file prefers; never where it is loaded.
pub(crate) const PREFERRED_BASE: u64 = 0x1_4000_0000;
/// First function: prologue, a part with chained unwind information, epilogue.
pub(crate) const OUTER: u32 = 0x1000;
/// Where the outer function's call returns to.
pub(crate) const OUTER_RETURN: u32 = 0x101A;
/// Second function: with a frame pointer and a stack that moves after the prologue.
pub(crate) const INNER: u32 = 0x1040;
/// Where the inner function's call of the import returns to.
pub(crate) const INNER_RETURN: u32 = 0x1057;
/// Where the stack-protection cookie lies.
pub(crate) const SECURITY_COOKIE: u32 = 0x4000;
/// Holds its own address.
pub(crate) const SELF_POINTER: u32 = 0x4008;
/// Address of the second import.
pub(crate) const DATA_SLOT: u32 = 0x2068;

const OUTER_CODE: [u8; 0x26] = [
    0x53, // push rbx
    0x56, // push rsi
    0x48, 0x83, 0xEC, 0x28, // sub rsp, 28h
    0x48, 0x89, 0x7C, 0x24, 0x20, // mov [rsp+20h], rdi
    0xBF, 0x77, 0, 0, 0, // mov edi, 77h
    0xBB, 0x88, 0, 0, 0, // mov ebx, 88h
    0xE8, 0x26, 0, 0, 0, // call INNER
    0x48, 0x8B, 0x7C, 0x24, 0x20, // mov rdi, [rsp+20h]
    0x48, 0x83, 0xC4, 0x28, // add rsp, 28h
    0x5E, // pop rsi
    0x5B, // pop rbx
    0xC3, // ret
];
/// Offsets of the outer function's instructions before its call, and after.
pub(crate) const OUTER_STARTS: [u32; 11] = [0, 1, 2, 6, 0xB, 0x10, 0x1A, 0x1F, 0x23, 0x24, 0x25];

const INNER_CODE: [u8; 0x1D] = [
    0x55, // push rbp
    0x48, 0x83, 0xEC, 0x20, // sub rsp, 20h
    0x48, 0x8D, 0x6C, 0x24, 0x20, // lea rbp, [rsp+20h]
    0x48, 0x81, 0xEC, 0, 1, 0, 0, // sub rsp, 100h
    0xFF, 0x15, 0x09, 0x10, 0, 0, // call [2060h]
    0x48, 0x8D, 0x65, 0,    // lea rsp, [rbp]
    0x5D, // pop rbp
    0xC3, // ret
];
/// Offsets of the inner function's instructions.
pub(crate) const INNER_STARTS: [u32; 8] = [0, 1, 5, 0xA, 0x11, 0x17, 0x1B, 0x1C];

const READ: u32 = 0x4000_0040;
const WRITE: u32 = 0xC000_0040;
const CODE: u32 = 0x6000_0020;

/// The file; `patch` is laid over the code section at its relative virtual address.
pub(crate) fn driver(patch: &[(u32, &[u8])]) -> Vec<u8> {
    let mut text = vec![0xCC; 0x200];
    put(&mut text, 0, &OUTER_CODE);
    put(&mut text, (INNER - OUTER) as usize, &INNER_CODE);
    for (at, bytes) in patch {
        put(&mut text, (at - OUTER) as usize, bytes);
    }
    let sections: [(&[u8; 8], u32, Vec<u8>, u32); 5] = [
        (b".text\0\0\0", 0x1000, text, CODE),
        (b".rdata\0\0", 0x2000, constants(), READ),
        (b".pdata\0\0", 0x3000, functions(), READ),
        (b".data\0\0\0", 0x4000, data(), WRITE),
        (b".reloc\0\0", 0x5000, relocations(), READ),
    ];
    let mut file = headers(sections.len() as u16);
    for (index, (name, at, content, characteristics)) in sections.iter().enumerate() {
        let file_at = file.len() as u32;
        let header = 0x40 + 24 + 240 + index * 40;
        put(&mut file, header, &name[..]);
        words(
            &mut file,
            header + 8,
            &[content.len() as u32, *at, content.len().next_multiple_of(0x200) as u32, file_at],
        );
        words(&mut file, header + 36, &[*characteristics]);
        file.extend_from_slice(content);
        file.resize(file.len().next_multiple_of(0x200), 0);
    }
    file
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

fn words(into: &mut [u8], at: usize, words: &[u32]) {
    for (index, word) in words.iter().enumerate() {
        put(into, at + index * 4, &word.to_le_bytes());
    }
}

fn headers(sections: u16) -> Vec<u8> {
    let mut file = vec![0; 0x400];
    put(&mut file, 0, b"MZ");
    words(&mut file, 0x3C, &[0x40]);
    put(&mut file, 0x40, b"PE\0\0\x64\x86");
    put(&mut file, 0x46, &sections.to_le_bytes());
    put(&mut file, 0x54, &240u16.to_le_bytes());
    put(&mut file, 0x56, &0x22u16.to_le_bytes());
    let optional = 0x58;
    put(&mut file, optional, &0x20Bu16.to_le_bytes());
    words(&mut file, optional + 16, &[OUTER, 0x1000]);
    put(&mut file, optional + 24, &PREFERRED_BASE.to_le_bytes());
    words(&mut file, optional + 32, &[0x1000, 0x200]);
    words(&mut file, optional + 56, &[0x6000, 0x400]);
    put(&mut file, optional + 68, &1u16.to_le_bytes());
    words(&mut file, optional + 108, &[16]);
    let directory = |index: usize| optional + 112 + index * 8;
    words(&mut file, directory(1), &[0x2000, 40]);
    words(&mut file, directory(3), &[0x3000, 36]);
    words(&mut file, directory(5), &[0x5000, 24]);
    words(&mut file, directory(10), &[0x2100, 0x140]);
    file
}

fn constants() -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    words(&mut bytes, 0, &[0x2040, 0, 0, 0x20E0, 0x2060]);
    for table in [0x40, 0x60] {
        words(&mut bytes, table, &[0x2080, 0, 0x20A0]);
    }
    put(&mut bytes, 0x82, b"TestCallback\0");
    put(&mut bytes, 0xA2, b"TestData\0");
    put(&mut bytes, 0xE0, b"ntoskrnl.exe\0");
    words(&mut bytes, 0x100, &[0x140]);
    put(&mut bytes, 0x158, &(PREFERRED_BASE + u64::from(SECURITY_COOKIE)).to_le_bytes());
    // Outer: sub rsp, 28h; push rsi; push rbx.
    put(&mut bytes, 0x300, &[1, 6, 3, 0, 6, 0x42, 2, 0x60, 1, 0x30, 0, 0]);
    // Its second part: rdi saved at rsp + 20h; chained to the first.
    put(&mut bytes, 0x320, &[0x21, 5, 2, 0, 5, 0x74, 4, 0]);
    words(&mut bytes, 0x328, &[0x1000, 0x1006, 0x2300]);
    // Inner: lea rbp, [rsp+20h]; sub rsp, 20h; push rbp.
    put(&mut bytes, 0x340, &[1, 0xA, 3, 0x25, 0xA, 3, 5, 0x32, 1, 0x50, 0, 0]);
    bytes
}

fn functions() -> Vec<u8> {
    let mut bytes = vec![0; 36];
    words(&mut bytes, 0, &[0x1000, 0x1006, 0x2300, 0x1006, 0x1026, 0x2320, 0x1040, 0x105D, 0x2340]);
    bytes
}

fn data() -> Vec<u8> {
    let mut bytes = vec![0; 0x10];
    put(&mut bytes, 0, &0x0000_2B99_2DDF_A232u64.to_le_bytes());
    put(&mut bytes, 8, &(PREFERRED_BASE + u64::from(SELF_POINTER)).to_le_bytes());
    bytes
}

fn relocations() -> Vec<u8> {
    let mut bytes = vec![0; 24];
    words(&mut bytes, 0, &[0x2000, 12]);
    put(&mut bytes, 8, &0xA158u16.to_le_bytes());
    words(&mut bytes, 12, &[0x4000, 12]);
    put(&mut bytes, 20, &0xA008u16.to_le_bytes());
    bytes
}
