//! Functions, files and lines of the addresses in a report.
//!
//! Everything is read by the parent, after the run, from files that may be damaged or made to harm: sizes are bounded before
//! anything is read, a reader's panic is contained, and what cannot be used is said in a note. Symbols of another build are
//! refused, because wrong lines are worse than none.

mod bounded;
mod contained;
mod dwarf;
mod find;
mod image;
mod library;
mod pdb;
mod pdb_names;
mod sites;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use dxgk_verify::Module;

use find::Found;
pub(crate) use library::is_library;
pub(crate) use sites::{At, Sites};

/// Frames that are told of one address: deeper inlining than this is cut.
const MOST_FRAMES: usize = 64;
/// Characters of a name or path that are kept.
const MOST_CHARACTERS: usize = 512;

/// One function at an address; with inlining an address has several, innermost first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

impl Frame {
    fn new(function: Option<&str>, file: Option<&str>, line: Option<u32>) -> Self {
        Self { function: function.map(tidy), file: file.map(tidy), line: line.filter(|line| *line != 0) }
    }
}

/// A name from a file, cut, and without what would change a terminal.
fn tidy(text: &str) -> String {
    text.chars().take(MOST_CHARACTERS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Where symbols come from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The driver's path and bytes; nothing for the built-in sample.
    pub(crate) driver: Option<(PathBuf, Vec<u8>)>,
    /// `--symbols`.
    pub(crate) asked: Option<PathBuf>,
}

/// The symbols of a run's modules, read when the first address asks for them.
#[derive(Default)]
pub(crate) struct Symbols {
    sources: Sources,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    driver: Option<Option<Found>>,
    own: Option<Option<Found>>,
    frames: BTreeMap<(bool, u64), Vec<Frame>>,
    notes: Vec<String>,
}

impl Symbols {
    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources, known: RefCell::default() }
    }

    /// The functions at an offset of a module, innermost first; none when they are not known.
    pub(crate) fn frames(&self, module: &Module, offset: u64, at: At) -> Vec<Frame> {
        let Some(offset) = at.instruction(offset) else { return Vec::new() };
        let Ok(mut known) = self.known.try_borrow_mut() else { return Vec::new() };
        let known = &mut *known;
        let key = (module.linked, offset);
        if let Some(frames) = known.frames.get(&key) {
            return frames.clone();
        }
        let place = if module.linked { &mut known.own } else { &mut known.driver };
        let notes = &mut known.notes;
        let found = place.get_or_insert_with(|| match (&self.sources.driver, module.linked) {
            (_, true) => find::of_this_program(notes),
            (Some((path, bytes)), false) => {
                find::of_driver(path, bytes, self.sources.asked.as_deref(), notes)
            }
            (None, false) => None,
        });
        let mut frames = Vec::new();
        if let Some(symbols) = found {
            match contained::run(|| symbols.frames(offset)) {
                Ok(Ok(found)) => frames = found,
                Ok(Err(error)) => note(notes, format!("symbols of {}: {error}", symbols.name())),
                Err(contained::Panicked) => {
                    note(notes, format!("symbols of {} are damaged; they are not used", symbols.name()));
                    *place = Some(None);
                }
            }
        }
        frames.truncate(MOST_FRAMES);
        known.frames.insert(key, frames.clone());
        frames
    }

    /// What is to be said of the symbols.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.known.try_borrow().map(|known| known.notes.clone()).unwrap_or_default()
    }
}

/// Says something once; a damaged file has something to say at every address.
fn note(notes: &mut Vec<String>, text: String) {
    const MOST_NOTES: usize = 8;
    if notes.len() < MOST_NOTES && !notes.contains(&text) {
        notes.push(text);
    }
}
