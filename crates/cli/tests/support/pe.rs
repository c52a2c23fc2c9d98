//! Tiny drivers, made of a few machine instructions: a PE64 file with code, imports and a page of data.

/// Where the code begins in the loaded image; the entry point is its first byte.
pub(crate) const CODE: u32 = 0x1000;
/// Imported addresses, one after the other; read-only once loaded.
const IMPORTS: u32 = 0x2000;
/// A page that can be written and not executed.
pub(crate) const DATA: u32 = 0x3000;
const RELOCATIONS: u32 = 0x4000;
const IMAGE_BYTES: u32 = 0x5000;

const FILE_ALIGNMENT: usize = 0x200;
const PREFERRED_BASE: u64 = 0x1_4000_0000;
const PE: usize = 0x40;
const OPTIONAL: usize = PE + 24;
const OPTIONAL_BYTES: usize = 240;

/// A driver under construction.
#[derive(Default)]
pub(crate) struct Driver {
    code: Vec<u8>,
    imports: Vec<(&'static str, &'static str)>,
}

impl Driver {
    /// A driver whose DriverEntry begins with these instructions.
    pub(crate) fn new(code: &[u8]) -> Self {
        Self { code: code.to_vec(), imports: Vec::new() }
    }

    /// More instructions.
    pub(crate) fn then(mut self, code: &[u8]) -> Self {
        self.code.extend_from_slice(code);
        self
    }

    /// An instruction that ends with the distance to a place in the image.
    pub(crate) fn reaching(mut self, opcode: &[u8], place: u32) -> Self {
        self.code.extend_from_slice(opcode);
        let next = CODE + self.code.len() as u32 + 4;
        self.code.extend_from_slice(&place.wrapping_sub(next).to_le_bytes());
        self
    }

    /// Imports a name.
    pub(crate) fn import(mut self, module: &'static str, name: &'static str) -> Self {
        self.imports.push((module, name));
        self
    }

    /// Imports a name and calls it.
    pub(crate) fn call(self, module: &'static str, name: &'static str) -> Self {
        let slot = IMPORTS + 8 * self.imports.len() as u32 + 8 * self.modules_before(module);
        self.import(module, name).reaching(&[0xFF, 0x15], slot)
    }

    /// Each module's table ends with a zero, so a table of another module before this one costs a slot.
    fn modules_before(&self, module: &str) -> u32 {
        let mut last = None;
        let mut changes = 0;
        for name in self.imports.iter().map(|(module, _)| *module).chain([module]) {
            changes += u32::from(last.is_some_and(|last| last != name));
            last = Some(name);
        }
        changes
    }

    /// The file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let (imports, directory) = self.import_section();
        let mut relocations = vec![0; 12];
        put_words(&mut relocations, 0, &[DATA, 12]);
        let sections: [(&[u8; 8], u32, &[u8], u32); 4] = [
            (b".text\0\0\0", CODE, &self.code, 0x6000_0020),
            (b".rdata\0\0", IMPORTS, &imports, 0x4000_0040),
            (b".data\0\0\0", DATA, &[0xC3; 64], 0xC000_0040),
            (b".reloc\0\0", RELOCATIONS, &relocations, 0x4200_0040),
        ];
        let mut file = headers(sections.len() as u16, directory);
        for (index, (name, at, content, characteristics)) in sections.iter().enumerate() {
            let header = OPTIONAL + OPTIONAL_BYTES + index * 40;
            let in_file = content.len().next_multiple_of(FILE_ALIGNMENT) as u32;
            let place = file.len() as u32;
            put(&mut file, header, &name[..]);
            put_words(&mut file, header + 8, &[content.len() as u32, *at, in_file, place]);
            put_words(&mut file, header + 36, &[*characteristics]);
            file.extend_from_slice(content);
            file.resize(file.len().next_multiple_of(FILE_ALIGNMENT), 0);
        }
        file
    }

    /// The section, and place and size of the import directory in it.
    fn import_section(&self) -> (Vec<u8>, (u32, u32)) {
        // Neighbours of one module share a table.
        let mut modules: Vec<(&str, Vec<&str>)> = Vec::new();
        for (module, name) in &self.imports {
            match modules.last_mut() {
                Some((last, names)) if last == module => names.push(name),
                _ => modules.push((module, vec![name])),
            }
        }
        let slots: usize = modules.iter().map(|(_, names)| names.len() + 1).sum();
        let lookup = slots * 8;
        let descriptors = lookup * 2;
        let mut strings = descriptors + (modules.len() + 1) * 20;
        let mut bytes = vec![0; strings];
        let mut slot = 0;
        for (index, (module, names)) in modules.iter().enumerate() {
            let first = slot;
            for name in names {
                let hint = IMPORTS + strings as u32;
                for table in [0, lookup] {
                    put_words(&mut bytes, table + slot * 8, &[hint, 0]);
                }
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(name.as_bytes());
                bytes.push(0);
                strings = bytes.len();
                slot += 1;
            }
            slot += 1;
            let at = |offset: usize| IMPORTS + offset as u32;
            let words = [at(lookup + first * 8), 0, 0, at(strings), at(first * 8)];
            put_words(&mut bytes, descriptors + index * 20, &words);
            bytes.extend_from_slice(module.as_bytes());
            bytes.push(0);
            strings = bytes.len();
        }
        let directory = match modules.len() {
            0 => (0, 0),
            count => (IMPORTS + descriptors as u32, (count as u32 + 1) * 20),
        };
        (bytes, directory)
    }
}

fn headers(sections: u16, imports: (u32, u32)) -> Vec<u8> {
    let mut file = vec![0; 0x400];
    put(&mut file, 0, b"MZ");
    put_words(&mut file, 0x3C, &[PE as u32]);
    put(&mut file, PE, b"PE\0\0\x64\x86");
    put(&mut file, PE + 6, &sections.to_le_bytes());
    put(&mut file, PE + 20, &(OPTIONAL_BYTES as u16).to_le_bytes());
    put(&mut file, PE + 22, &0x22u16.to_le_bytes());
    put(&mut file, OPTIONAL, &0x20Bu16.to_le_bytes());
    put_words(&mut file, OPTIONAL + 16, &[CODE, CODE]);
    put(&mut file, OPTIONAL + 24, &PREFERRED_BASE.to_le_bytes());
    put_words(&mut file, OPTIONAL + 32, &[0x1000, FILE_ALIGNMENT as u32]);
    put_words(&mut file, OPTIONAL + 56, &[IMAGE_BYTES, 0x400]);
    put(&mut file, OPTIONAL + 68, &1u16.to_le_bytes());
    put_words(&mut file, OPTIONAL + 108, &[16]);
    let directory = |index: usize| OPTIONAL + 112 + index * 8;
    put_words(&mut file, directory(1), &[imports.0, imports.1]);
    put_words(&mut file, directory(5), &[RELOCATIONS, 12]);
    file
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_words(into: &mut [u8], at: usize, words: &[u32]) {
    for (index, word) in words.iter().enumerate() {
        put(into, at + index * 4, &word.to_le_bytes());
    }
}
