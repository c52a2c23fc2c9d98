//! Which file has a module's symbols.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::image::{self, Build, Says};
use super::{Frame, contained, dwarf, note, pdb};

/// The largest file that is read: the PDB of a very large driver has some hundred megabytes.
const LARGEST: u64 = 1 << 30;
/// How a PDB begins.
const PDB_BEGINS: &[u8] = b"Microsoft C/C++ MSF 7.00\r\n";

/// A module's symbols.
pub(super) struct Found {
    name: String,
    reader: Reader,
}

enum Reader {
    Pdb(Box<pdb::Pdb>),
    Dwarf(Box<dwarf::Dwarf>),
}

/// Why an address has no frames.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Pdb(#[from] pdb::Error),
    #[error(transparent)]
    Dwarf(#[from] dwarf::Error),
}

impl Found {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn frames(&mut self, offset: u64) -> Result<Vec<Frame>, Error> {
        match &mut self.reader {
            Reader::Pdb(pdb) => match u32::try_from(offset) {
                Ok(rva) => Ok(pdb.frames(rva)?),
                Err(_) => Ok(Vec::new()),
            },
            Reader::Dwarf(dwarf) => Ok(dwarf.frames(offset)?),
        }
    }
}

/// The symbols of the program that runs: the built-in sample is part of it.
pub(super) fn of_this_program(notes: &mut Vec<String>) -> Option<Found> {
    let file = Path::new("/proc/self/exe");
    let found = open(file)?;
    let bytes = read(found, notes, "dxgk")?;
    with_dwarf("dxgk".to_owned(), &bytes, notes)
}

/// The symbols of a driver's file: in the place that was asked for, else beside it.
pub(super) fn of_driver(
    driver: &Path,
    bytes: &[u8],
    asked: Option<&Path>,
    notes: &mut Vec<String>,
) -> Option<Found> {
    let Ok(says) = contained::run(|| image::read(bytes)) else { return None };
    if let Some(path) = asked.filter(|path| !path.is_dir()) {
        return of_file(path, &says, notes).or_else(|| {
            note(notes, format!("{} has no symbols of this driver", path.display()));
            None
        });
    }
    let beside = driver.parent().unwrap_or(Path::new(""));
    let folder = asked.unwrap_or(beside);
    let said = notes.len();
    for path in candidates(folder, driver, &says) {
        if path.is_file()
            && let Some(found) = of_file(&path, &says, notes)
        {
            // What an earlier candidate lacked no longer matters.
            notes.truncate(said);
            return Some(found);
        }
    }
    if says.dwarf
        && let Some(found) = with_dwarf(display_name(driver), bytes, notes)
    {
        return Some(found);
    }
    let missing = says.pdb.or(says.link.map(|(name, _)| name));
    let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match missing {
        Some(name) if notes.is_empty() => {
            note(notes, format!("no {name} in {}; --symbols PATH says where it is", at.display()));
        }
        None if asked.is_some() => {
            note(notes, format!("no symbols of {} in {}", display_name(driver), at.display()));
        }
        _ => {}
    }
    None
}

/// The files that may have a driver's symbols, the likeliest first.
fn candidates(folder: &Path, driver: &Path, says: &Says) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Some(name) = &says.pdb {
        paths.push(folder.join(name));
        if let Some(build) = &says.build {
            // As a symbol server stores it.
            paths.push(folder.join(name).join(format!("{:032X}{:X}", build.number, build.age)).join(name));
        }
    }
    if let Some((name, _)) = &says.link {
        paths.push(folder.join(name));
        paths.push(folder.join(".debug").join(name));
    }
    if let Some(stem) = driver.file_stem() {
        paths.push(folder.join(stem).with_extension("pdb"));
        let name = display_name(driver);
        paths.push(folder.join(format!("{name}.debug")));
        paths.push(folder.join(stem).with_extension("debug"));
    }
    let mut seen = std::collections::BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

fn display_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The symbols in a file, if they are of this build.
fn of_file(path: &Path, says: &Says, notes: &mut Vec<String>) -> Option<Found> {
    let name = display_name(path);
    let file = match open(path) {
        Some(file) => file,
        None => {
            note(notes, format!("{}: cannot be read", path.display()));
            return None;
        }
    };
    if begins_as_pdb(&file) {
        return with_pdb(name, file, says.build.as_ref(), notes);
    }
    let bytes = read(file, notes, &name)?;
    if let Some((linked, crc)) = &says.link
        && *linked == name
        && image::crc32(&bytes) != *crc
    {
        note(notes, format!("symbols of {name} are of another build; they are not used"));
        return None;
    }
    with_dwarf(name, &bytes, notes)
}

/// Opens an ordinary file: a pipe might never answer.
fn open(path: &Path) -> Option<File> {
    let ordinary = std::fs::metadata(path).is_ok_and(|file| file.is_file());
    ordinary.then(|| File::open(path).ok()).flatten()
}

fn begins_as_pdb(file: &File) -> bool {
    use std::os::unix::fs::FileExt;
    let mut first = [0; PDB_BEGINS.len()];
    file.read_exact_at(&mut first, 0).is_ok() && first == PDB_BEGINS
}

fn read(file: File, notes: &mut Vec<String>, name: &str) -> Option<Vec<u8>> {
    let length = file.metadata().map_or(0, |file| file.len());
    if length > LARGEST {
        note(notes, format!("{name}: {length} bytes are more than are read for symbols"));
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn with_pdb(name: String, file: File, wanted: Option<&Build>, notes: &mut Vec<String>) -> Option<Found> {
    if file.metadata().map_or(0, |file| file.len()) > LARGEST {
        note(notes, format!("{name}: it is larger than what is read for symbols"));
        return None;
    }
    let pdb = match contained::run(|| pdb::Pdb::open(file)) {
        Ok(Ok(pdb)) => pdb,
        Ok(Err(error)) => {
            note(notes, format!("{name} cannot be used: {error}"));
            return None;
        }
        Err(contained::Panicked) => {
            note(notes, format!("{name} is damaged"));
            return None;
        }
    };
    match wanted {
        Some(wanted) if wanted == pdb.build() => Some(Found { name, reader: Reader::Pdb(Box::new(pdb)) }),
        Some(wanted) => {
            let told = |build: &Build| format!("{:032X}, age {}", build.number, build.age);
            note(
                notes,
                format!(
                    "symbols of {name} are of another build ({}; the driver asks for {}); they are not used",
                    told(pdb.build()),
                    told(wanted)
                ),
            );
            None
        }
        None => {
            note(notes, format!("the driver does not say which build of {name} is its own; it is not used"));
            None
        }
    }
}

fn with_dwarf(name: String, bytes: &[u8], notes: &mut Vec<String>) -> Option<Found> {
    match contained::run(|| dwarf::Dwarf::read(bytes)) {
        Ok(Ok(Some(dwarf))) => Some(Found { name, reader: Reader::Dwarf(Box::new(dwarf)) }),
        Ok(Ok(None)) => None,
        Ok(Err(error)) => {
            note(notes, format!("symbols of {name} cannot be used: {error}"));
            None
        }
        Err(contained::Panicked) => {
            note(notes, format!("symbols of {name} are damaged"));
            None
        }
    }
}
