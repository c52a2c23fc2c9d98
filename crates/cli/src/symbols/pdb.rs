//! Program databases: MSVC's, clang's and rustc's, with what was inlined ("The PDB File Format", llvm.org/docs/PDB).
//!
//! A function is found by the section contributions (which object file an address came from) and that object's procedures;
//! what was inlined there by the inline sites within the procedure, whose annotations are small line programs of their own.

use std::collections::BTreeMap;
use std::fs::File;

use pdb2::{
    AddressMap, DebugInformation, FallibleIterator, IdIndex, Inlinee, LineInfo, LineProgram, ModuleInfo, PDB,
    PdbInternalSectionOffset, Rva, StringTable, SymbolData, SymbolIndex,
};

use super::bounded::Bounded;
use super::image::Build;
use super::pdb_names::Names;
use super::{Frame, MOST_FRAMES};

/// Why a PDB, or a part of it, cannot be used.
pub(super) type Error = pdb2::Error;

/// An open PDB.
pub(super) struct Pdb {
    file: PDB<'static, Bounded>,
    debug: DebugInformation<'static>,
    map: AddressMap<'static>,
    strings: Option<StringTable<'static>>,
    stretches: Vec<Stretch>,
    objects: BTreeMap<usize, Option<Compiland>>,
    publics: Option<Vec<(PdbInternalSectionOffset, String)>>,
    names: Option<Names>,
    build: Build,
}

/// Code that came from one object file.
struct Stretch {
    start: PdbInternalSectionOffset,
    bytes: u32,
    object: usize,
}

/// An object file's part.
struct Compiland {
    info: ModuleInfo<'static>,
    procedures: Vec<Procedure>,
}

struct Procedure {
    start: PdbInternalSectionOffset,
    bytes: u32,
    symbol: SymbolIndex,
    name: String,
}

/// Whether `at` lies within `bytes` bytes at `start`.
fn holds(start: PdbInternalSectionOffset, bytes: u32, at: PdbInternalSectionOffset) -> bool {
    start.section == at.section && at.offset.checked_sub(start.offset).is_some_and(|into| into < bytes)
}

fn key(at: PdbInternalSectionOffset) -> (u16, u32) {
    (at.section, at.offset)
}

impl Pdb {
    pub(super) fn open(file: File) -> Result<Self, Error> {
        Self::read(Bounded::file(file)?)
    }

    pub(super) fn read(source: Bounded) -> Result<Self, Error> {
        let mut file = PDB::open(source)?;
        let information = file.pdb_information()?;
        let debug = file.debug_information()?;
        let map = file.address_map()?;
        let strings = file.string_table().ok();
        let mut stretches = Vec::new();
        let mut contributions = debug.section_contributions()?;
        while let Some(part) = contributions.next()? {
            stretches.push(Stretch { start: part.offset, bytes: part.size, object: part.module });
        }
        stretches.sort_by_key(|stretch| key(stretch.start));
        let build = Build {
            number: information.guid.as_u128(),
            // The number that the linker writes into the image, where there is one.
            age: debug.age().unwrap_or(information.age),
        };
        Ok(Self {
            file,
            debug,
            map,
            strings,
            stretches,
            objects: BTreeMap::new(),
            publics: None,
            names: None,
            build,
        })
    }

    /// The build that it is of.
    pub(super) fn build(&self) -> &Build {
        &self.build
    }

    /// The functions at an offset from the image's base, innermost first.
    pub(super) fn frames(&mut self, rva: u32) -> Result<Vec<Frame>, Error> {
        let Some(at) = Rva(rva).to_internal_offset(&self.map) else { return Ok(Vec::new()) };
        let after = self.stretches.partition_point(|stretch| key(stretch.start) <= key(at));
        let stretch = after.checked_sub(1).and_then(|last| self.stretches.get(last));
        if let Some(stretch) = stretch.filter(|stretch| holds(stretch.start, stretch.bytes, at)) {
            let object = stretch.object;
            self.load(object)?;
            if self.names.is_none() {
                self.names = Some(Names::read(&mut self.file));
            }
            let compiland = self.objects.get(&object).and_then(Option::as_ref);
            let after = compiland.map_or(0, |compiland| {
                compiland.procedures.partition_point(|procedure| key(procedure.start) <= key(at))
            });
            if let Some(compiland) = compiland
                && let Some(procedure) = after.checked_sub(1).and_then(|last| compiland.procedures.get(last))
                && holds(procedure.start, procedure.bytes, at)
            {
                let names = self.names.as_ref();
                return compiland.frames(procedure, at, self.strings.as_ref(), names);
            }
        }
        self.public(at)
    }

    /// Reads an object file's part, once.
    fn load(&mut self, object: usize) -> Result<(), Error> {
        if self.objects.contains_key(&object) {
            return Ok(());
        }
        // A part that cannot be read is not tried again.
        self.objects.insert(object, None);
        let Some(module) = self.debug.modules()?.nth(object)? else { return Ok(()) };
        let Some(info) = self.file.module_info(&module)? else { return Ok(()) };
        let mut procedures = Vec::new();
        let mut symbols = info.symbols()?;
        while let Some(symbol) = symbols.next()? {
            if !symbol.starts_scope() {
                continue;
            }
            // A kind of symbol that the reader does not know is no procedure.
            if let Ok(SymbolData::Procedure(procedure)) = symbol.parse() {
                procedures.push(Procedure {
                    start: procedure.offset,
                    bytes: procedure.len,
                    symbol: symbol.index(),
                    name: procedure.name.to_string().into_owned(),
                });
            }
        }
        procedures.sort_by_key(|procedure| key(procedure.start));
        self.objects.insert(object, Some(Compiland { info, procedures }));
        Ok(())
    }

    /// The public name at or before an address: all that a stripped PDB has.
    fn public(&mut self, at: PdbInternalSectionOffset) -> Result<Vec<Frame>, Error> {
        if self.publics.is_none() {
            let mut publics = Vec::new();
            let table = self.file.global_symbols()?;
            let mut symbols = table.iter();
            while let Some(symbol) = symbols.next()? {
                if let Ok(SymbolData::Public(public)) = symbol.parse()
                    && (public.function || public.code)
                {
                    publics.push((public.offset, public.name.to_string().into_owned()));
                }
            }
            publics.sort_by_key(|(start, _)| key(*start));
            self.publics = Some(publics);
        }
        let publics = self.publics.as_deref().unwrap_or_default();
        let after = publics.partition_point(|(start, _)| key(*start) <= key(at));
        let found = after.checked_sub(1).and_then(|last| publics.get(last));
        let found = found.filter(|(start, _)| start.section == at.section);
        Ok(found.map(|(_, name)| Frame::new(Some(name), None, None)).into_iter().collect())
    }
}

/// The line record that holds an address: the last one that begins at or before it.
fn line_at(
    mut lines: impl FallibleIterator<Item = LineInfo, Error = Error>,
    at: PdbInternalSectionOffset,
) -> Option<LineInfo> {
    let mut best: Option<LineInfo> = None;
    // Damage in the middle costs the lines behind it.
    while let Ok(Some(line)) = lines.next() {
        let bytes = line.length.unwrap_or(u32::MAX);
        let later = best.as_ref().is_none_or(|best| best.offset.offset <= line.offset.offset);
        if later && holds(line.offset, bytes, at) {
            best = Some(line);
        }
    }
    best
}

impl Compiland {
    fn frames(
        &self,
        procedure: &Procedure,
        at: PdbInternalSectionOffset,
        strings: Option<&StringTable<'_>>,
        names: Option<&Names>,
    ) -> Result<Vec<Frame>, Error> {
        let program = self.info.line_program().ok();
        let own = program.as_ref().and_then(|program| line_at(program.lines_for_symbol(procedure.start), at));
        let mut frames = vec![frame(&procedure.name, own, program.as_ref(), strings)];
        for (inlinee, line) in self.inlined(procedure, at)? {
            let name = names.and_then(|names| names.function(inlinee));
            frames.push(frame(name.as_deref().unwrap_or_default(), Some(line), program.as_ref(), strings));
        }
        frames.reverse();
        Ok(frames)
    }

    /// What was inlined at an address, outermost first.
    fn inlined(
        &self,
        procedure: &Procedure,
        at: PdbInternalSectionOffset,
    ) -> Result<Vec<(IdIndex, LineInfo)>, Error> {
        let mut known: BTreeMap<u32, Inlinee<'_>> = BTreeMap::new();
        let mut inlinees = self.info.inlinees()?;
        while let Ok(Some(inlinee)) = inlinees.next() {
            known.insert(inlinee.index().0, inlinee);
        }
        let mut found = Vec::new();
        let mut depth = 0usize;
        let mut symbols = self.info.symbols_at(procedure.symbol)?;
        while let Some(symbol) = symbols.next()? {
            if symbol.starts_scope() {
                depth += 1;
            } else if symbol.ends_scope() {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            if let Ok(SymbolData::InlineSite(site)) = symbol.parse()
                && found.len() < MOST_FRAMES
                && let Some(inlinee) = known.get(&site.inlinee.0)
                && let Some(line) = line_at(inlinee.lines(procedure.start, &site), at)
            {
                found.push((site.inlinee, line));
            }
        }
        Ok(found)
    }
}

fn frame(
    name: &str,
    line: Option<LineInfo>,
    program: Option<&LineProgram<'_>>,
    strings: Option<&StringTable<'_>>,
) -> Frame {
    let file = line.as_ref().zip(program).zip(strings).and_then(|((line, program), strings)| {
        let file = program.get_file_info(line.file_index).ok()?;
        file.name.to_string_lossy(strings).ok()
    });
    let function = Some(name).filter(|name| !name.is_empty());
    Frame::new(function, file.as_deref(), line.map(|line| line.line_start))
}
