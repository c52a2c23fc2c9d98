//! Fitting an image to its address and to what it imports.

use super::Resolver;
use super::bytes::Bytes;
use super::callers;
use super::error::{LoadError, MissingImport};
use super::headers::{Directory, Headers};

/// Imports at most; the kernel itself exports fewer names.
const MOST_IMPORTS: usize = 16 << 10;
const ABSOLUTE: u16 = 0;
const DIR64: u16 = 10;
/// The value that compilers put into the security cookie; code checks that a loader has changed it.
const DEFAULT_COOKIE: u64 = 0x0000_2B99_2DDF_A232;
/// Ours: any other value whose upper 16 bits are zero, the same in every run.
const COOKIE: u64 = 0x0000_6B8B_4567_327B;
/// `SecurityCookie` in IMAGE_LOAD_CONFIG_DIRECTORY64.
pub(super) const COOKIE_POINTER: u32 = 0x58;

/// Adds the distance from the preferred base to every address in the image.
pub(super) fn relocate(image: &mut Bytes, headers: &Headers, base: u64) -> Result<(), LoadError> {
    let delta = base.wrapping_sub(headers.preferred_base);
    let damaged = LoadError::Directory("relocation");
    let Some((start, size)) = headers.directory(Directory::RELOCATION) else {
        // An image without addresses in it has none either.
        return if delta == 0 || !headers.stripped { Ok(()) } else { Err(LoadError::NotRelocatable) };
    };
    let end = start.checked_add(size).ok_or_else(|| damaged.clone())?;
    let mut block = start;
    while end - block >= 8 {
        let (Some(page), Some(bytes)) = (image.u32(block), image.u32(block + 4)) else { return Err(damaged) };
        if bytes == 0 {
            break;
        }
        if bytes < 8 || bytes > end - block {
            return Err(damaged);
        }
        for entry in (block + 8..block + bytes - 1).step_by(2) {
            let entry = image.u16(entry).ok_or_else(|| damaged.clone())?;
            let at = page.checked_add(u32::from(entry & 0xFFF)).ok_or_else(|| damaged.clone())?;
            match entry >> 12 {
                ABSOLUTE => {}
                DIR64 => {
                    let value = image.u64(at).ok_or_else(|| damaged.clone())?.wrapping_add(delta);
                    image.put(at, &value.to_le_bytes()).ok_or_else(|| damaged.clone())?;
                }
                kind => return Err(LoadError::RelocationKind(kind)),
            }
        }
        block += bytes;
    }
    Ok(())
}

/// An entry of the import tables.
pub(super) struct ImportEntry {
    pub(super) module: String,
    /// Its name, or `#number`.
    pub(super) name: String,
    /// Where its address belongs, relative to the image.
    pub(super) slot: u32,
}

/// All imports, in the order of the file. The tables must not be filled yet.
pub(super) fn imports(image: &Bytes, headers: &Headers) -> Result<Vec<ImportEntry>, LoadError> {
    let Some((start, _)) = headers.directory(Directory::IMPORT) else { return Ok(Vec::new()) };
    let damaged = || LoadError::Directory("import");
    let mut imports = Vec::new();
    let mut descriptor = start;
    loop {
        let field =
            |offset: u32| descriptor.checked_add(offset).and_then(|at| image.u32(at)).ok_or_else(damaged);
        let (names, module, slots) = (field(0)?, field(12)?, field(16)?);
        if module == 0 || slots == 0 {
            return Ok(imports);
        }
        let module = image.text(module).ok_or_else(damaged)?;
        // Without a table of names the address table holds them, until it is filled.
        let names = if names == 0 { slots } else { names };
        for index in (0..).step_by(8) {
            let at = |table: u32| table.checked_add(index).ok_or_else(damaged);
            let entry = image.u64(at(names)?).ok_or_else(damaged)?;
            if entry == 0 {
                break;
            }
            if imports.len() == MOST_IMPORTS {
                return Err(damaged());
            }
            let name = match (entry >> 63, u32::try_from(entry)) {
                (1, _) => format!("#{}", entry & 0xFFFF),
                // A hint of two bytes comes before the name.
                (_, Ok(hint)) => hint.checked_add(2).and_then(|at| image.text(at)).ok_or_else(damaged)?,
                (_, Err(_)) => return Err(damaged()),
            };
            imports.push(ImportEntry { module: module.clone(), name, slot: at(slots)? });
        }
        descriptor = descriptor.checked_add(20).ok_or_else(damaged)?;
    }
}

/// Fills the import address tables; all names that cannot be resolved are reported together.
pub(super) fn bind(
    image: &mut Bytes,
    headers: &Headers,
    resolve: &mut Resolver<'_>,
) -> Result<(), LoadError> {
    let mut missing = Vec::new();
    for import in imports(image, headers)? {
        match resolve(&import.module, &import.name) {
            Some(address) => {
                image.put(import.slot, &address.to_le_bytes()).ok_or(LoadError::Directory("import"))?
            }
            None => missing.push(import),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let slots: Vec<u32> = missing.iter().map(|import| import.slot).collect();
    let mut callers = callers::of_slots(image, headers, &slots);
    let list = missing.into_iter().map(|import| MissingImport {
        callers: callers.remove(&import.slot).unwrap_or_default(),
        module: import.module,
        name: import.name,
    });
    Err(LoadError::MissingImports(list.collect()))
}

/// Gives the stack-protection cookie a value of its own: code that finds it unchanged ends itself.
pub(super) fn set_cookie(image: &mut Bytes, headers: &Headers, base: u64) -> Result<(), LoadError> {
    let Some((start, _)) = headers.directory(Directory::LOAD_CONFIG) else { return Ok(()) };
    let damaged = || LoadError::Directory("load configuration");
    // The directory's size in the header is 0x40 or 0x140 by linker version; its own first field is the truth.
    let size = image.u32(start).ok_or_else(damaged)?;
    if size < COOKIE_POINTER + 8 {
        return Ok(());
    }
    let pointer = start.checked_add(COOKIE_POINTER).and_then(|at| image.u64(at)).ok_or_else(damaged)?;
    if pointer == 0 {
        return Ok(());
    }
    let at = pointer.checked_sub(base).and_then(|at| u32::try_from(at).ok()).ok_or_else(damaged)?;
    const _: () = assert!(COOKIE != DEFAULT_COOKIE && COOKIE != 0 && COOKIE >> 48 == 0);
    image.put(at, &COOKIE.to_le_bytes()).ok_or_else(damaged)
}
