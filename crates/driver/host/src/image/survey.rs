//! A driver's file looked at, without running it.

use object::pe;

use super::bytes::Bytes;
use super::callers;
use super::error::{LoadError, LoadWarning};
use super::headers::{Directory, Headers, NATIVE};
use super::link::{self, COOKIE_POINTER};
use super::special::{self, SpecialInstruction};

/// Bytes of an IMAGE_DEBUG_DIRECTORY entry, and of a CodeView record before its path.
const DEBUG_ENTRY: u32 = 28;
const CODEVIEW_HEAD: u32 = 24;
/// Debug entries that are looked at.
const MOST_DEBUG_ENTRIES: u32 = 64;

/// A section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SectionSurvey {
    /// Name, without padding.
    pub name: String,
    /// Relative to the image.
    pub at: u32,
    /// Bytes in memory.
    pub bytes: u32,
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether it can be written.
    pub writable: bool,
}

/// An import, and where it is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportSite {
    /// The module that the file expects it in.
    pub module: String,
    /// Its name, or `#number`.
    pub name: String,
    /// Its slot, relative to the image.
    pub slot: u32,
    /// Where the code calls it or takes its address, relative to the image; at most 64 places.
    pub callers: Vec<u32>,
}

/// What a file says of its driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survey {
    /// Where it wants to be.
    pub preferred_base: u64,
    /// Bytes of address space.
    pub bytes: u32,
    /// Entry point, relative to the image.
    pub entry: u32,
    /// Its sections, in order.
    pub sections: Vec<SectionSurvey>,
    /// Its imports, in the order of the file.
    pub imports: Vec<ImportSite>,
    /// Where the security cookie lies, relative to the image.
    pub cookie: Option<u32>,
    /// Path of the PDB as the linker wrote it.
    pub pdb: Option<String>,
    /// Entries of the exception directory.
    pub functions: usize,
    /// Instructions that have to be emulated, patched or stopped at.
    pub special: Vec<SpecialInstruction>,
    /// Control codes of the graphics device that the code names, ascending.
    pub control_codes: Vec<u32>,
    /// What is unusual about the file.
    pub warnings: Vec<LoadWarning>,
}

/// Looks at a driver's file.
///
/// # Errors
/// The same as for loading it, except for imports that nobody offers.
pub fn survey(file: &[u8]) -> Result<Survey, LoadError> {
    let headers = Headers::parse(file)?;
    let image = headers.lay_out(file)?;
    let entries = link::imports(&image, &headers)?;
    let slots: Vec<u32> = entries.iter().map(|entry| entry.slot).collect();
    let mut users = callers::of_slots(&image, &headers, &slots);
    let imports = entries.into_iter().map(|entry| ImportSite {
        callers: users.remove(&entry.slot).unwrap_or_default(),
        module: entry.module,
        name: entry.name,
        slot: entry.slot,
    });
    let imports = imports.collect();
    let found = special::look(&image, &headers);
    let section = |section: &super::headers::Section| SectionSurvey {
        name: section.name.trim_end_matches('\0').to_owned(),
        at: section.at,
        bytes: section.memory_bytes,
        executable: section.executable(),
        writable: section.writable(),
    };
    let mut warnings = Vec::new();
    if headers.subsystem != NATIVE {
        warnings.push(LoadWarning::Subsystem(headers.subsystem));
    }
    let both = headers.sections.iter().filter(|section| section.executable() && section.writable());
    warnings.extend(
        both.map(|section| LoadWarning::WritableCode(section.name.trim_end_matches('\0').to_owned())),
    );
    Ok(Survey {
        preferred_base: headers.preferred_base,
        bytes: headers.image_bytes,
        entry: headers.entry,
        sections: headers.sections.iter().map(section).collect(),
        imports,
        cookie: cookie(&image, &headers),
        pdb: pdb(&image, &headers),
        functions: found.functions,
        special: found.special,
        control_codes: found.control_codes,
        warnings,
    })
}

fn cookie(image: &Bytes, headers: &Headers) -> Option<u32> {
    let (at, _) = headers.directory(Directory::LOAD_CONFIG)?;
    if image.u32(at)? < COOKIE_POINTER + 8 {
        return None;
    }
    let address = image.u64(at.checked_add(COOKIE_POINTER)?)?;
    u32::try_from(address.checked_sub(headers.preferred_base)?).ok().filter(|_| address != 0)
}

fn pdb(image: &Bytes, headers: &Headers) -> Option<String> {
    let (at, size) = headers.directory(Directory::DEBUG)?;
    (0..(size / DEBUG_ENTRY).min(MOST_DEBUG_ENTRIES)).find_map(|index| {
        let entry = at.checked_add(index * DEBUG_ENTRY)?;
        let record = image.u32(entry.checked_add(20)?)?;
        let is_codeview = image.u32(entry.checked_add(12)?)? == pe::IMAGE_DEBUG_TYPE_CODEVIEW;
        (is_codeview && image.slice(record, 4)? == b"RSDS")
            .then(|| image.text(record.checked_add(CODEVIEW_HEAD)?))?
    })
}
