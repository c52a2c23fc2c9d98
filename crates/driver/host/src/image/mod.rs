//! A driver's file becomes code: the loader for PE32+ images ("PE Format", learn.microsoft.com).
//!
//! The image is put together in ordinary memory first, where every access is bounded by a slice, then copied to its pages,
//! which get the permissions that its sections ask for, never writable and executable together: a section that wants both
//! (INIT often does) becomes executable only. Nothing in a file can make this panic; what is wrong with it is said.

mod bytes;
mod callers;
mod error;
mod flow;
mod headers;
mod level;
mod link;
mod special;
mod survey;

pub use error::{LoadError, LoadWarning, MissingImport};
pub use special::{Special, SpecialInstruction};
pub use survey::{ImportSite, SectionSurvey, Survey, survey};

use bytes::Bytes;
use headers::{Directory, Headers, Section};

use crate::guarded;
use crate::layout::{LayoutError, PAGE_SIZE, Protection, Region, Reservation};
use crate::modules::{ModuleId, Registration};
use crate::patch::{self, Patches, shared_data};
use crate::run::Run;

/// Finds what a driver imports: module and name to address, code or data. An import by number has the name `#number`.
pub type Resolver<'a> = dyn FnMut(&str, &str) -> Option<u64> + 'a;

/// A loaded image. Its pages stay until the region is dropped; the module table forgets it on drop.
#[derive(Debug)]
pub struct Image {
    memory: Reservation,
    entry: u64,
    warnings: Vec<LoadWarning>,
    patches: Patches,
    /// Offsets and bytes of what the driver's initialisation alone needs.
    discardable: Vec<(u64, u64)>,
    registration: Registration,
}

impl Image {
    /// Loads `file` into `region`, as the module `name` of reports. Needs executable mappings: before the process is sealed.
    pub fn load(
        file: &[u8],
        name: &str,
        region: &mut Region,
        resolve: &mut Resolver<'_>,
    ) -> Result<Self, LoadError> {
        let headers = Headers::parse(file)?;
        let mut bytes = headers.lay_out(file)?;
        let memory = region.reserve(u64::from(headers.image_bytes), 0)?;
        let base = memory.address();
        link::relocate(&mut bytes, &headers, base)?;
        link::bind(&mut bytes, &headers, resolve)?;
        link::set_cookie(&mut bytes, &headers, base)?;
        let patches = patch(&mut bytes, &headers, base, region)?;
        let exceptions = headers.directory(Directory::EXCEPTION);
        if let Some((at, size)) = exceptions {
            bytes.slice(at, size).ok_or(LoadError::Directory("exception"))?;
        }

        memory.commit(0, memory.bytes(), Protection::ReadWrite)?;
        // Pages that are zero already are left untouched: a file of few bytes can ask for much address space.
        for (page, content) in
            (base..).step_by(PAGE_SIZE as usize).zip(bytes.all().chunks(PAGE_SIZE as usize))
        {
            if content.iter().any(|&byte| byte != 0) {
                guarded::write(page, content).map_err(|_| LoadError::Unreachable)?;
            }
        }
        memory.protect(0, memory.bytes(), Protection::Read)?;
        let (mut warnings, mut discardable) = (Vec::new(), Vec::new());
        if headers.subsystem != headers::NATIVE {
            warnings.push(LoadWarning::Subsystem(headers.subsystem));
        }
        for section in &headers.sections {
            if section.executable() && section.writable() {
                warnings.push(LoadWarning::WritableCode(section.name.clone()));
            }
            let size = u64::from(section.memory_bytes).next_multiple_of(PAGE_SIZE);
            memory.protect(u64::from(section.at), size, protection(section))?;
            if section.discardable() && size != 0 {
                discardable.push((u64::from(section.at), size));
            }
        }
        let (at, size) = exceptions.map_or((0, 0), |(at, size)| (base + u64::from(at), u64::from(size)));
        let registration =
            Registration::new(name, base, memory.bytes(), at, size).ok_or(LoadError::TooManyModules)?;
        Ok(Self {
            memory,
            entry: base + u64::from(headers.entry),
            warnings,
            patches,
            discardable,
            registration,
        })
    }

    /// First address.
    pub fn base(&self) -> u64 {
        self.memory.address()
    }

    /// Bytes of address space (`SizeOfImage` in whole pages).
    pub fn bytes(&self) -> u64 {
        self.memory.bytes()
    }

    /// Address of the entry point (`DriverEntry`, or the compiler's wrapper of it).
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Whether the address lies in the image.
    pub fn contains(&self, address: u64) -> bool {
        self.memory.contains(address)
    }

    /// The image in the module table.
    pub fn module(&self) -> ModuleId {
        self.registration.module().id
    }

    /// What was changed in its code.
    pub fn patches(&self) -> Patches {
        self.patches
    }

    /// Takes away what the file marks as discardable (INIT, relocations), as Windows does when DriverEntry has succeeded:
    /// whoever calls it or reads it later faults.
    pub fn discard_initialization(&self) -> Result<(), LayoutError> {
        self.discardable.iter().try_for_each(|(at, bytes)| self.memory.decommit(*at, *bytes))
    }

    /// What is unusual about the file, without preventing its use.
    pub fn warnings(&self) -> &[LoadWarning] {
        &self.warnings
    }
}

/// Changes the code for the calling thread's run; nothing where it has none.
fn patch(bytes: &mut Bytes, headers: &Headers, base: u64, region: &mut Region) -> Result<Patches, LoadError> {
    let mut patches = Patches::default();
    let Some(run) = crate::run::current() else { return Ok(patches) };
    for section in headers.sections.iter().filter(|section| section.executable()) {
        if let Some(code) = bytes.part_mut(section.at, section.memory_bytes) {
            patches.shared_data += shared_data::redirect(code, run);
        }
    }
    patch_level(bytes, headers, base, region, run, &mut patches)?;
    Ok(patches)
}

/// Rewrites moves of cr8, to pages behind the image.
fn patch_level(
    bytes: &mut Bytes,
    headers: &Headers,
    base: u64,
    region: &mut Region,
    run: &Run,
    patches: &mut Patches,
) -> Result<(), LoadError> {
    let plan = level::plan(bytes, headers, base);
    let moves = |window: &level::Window| window.instructions.iter().filter(|it| level::is_level(it)).count();
    let in_windows = plan.windows.iter().map(moves).sum::<usize>() as u32;
    patches.level_left = plan.left;
    if plan.windows.is_empty() {
        return Ok(());
    }
    let pages = region.reserve(patch::level::bytes_for(plan.windows.len()), 0)?;
    let code = plan.windows.iter().map(|window| &window.instructions);
    // An instruction that the encoder cannot move, or a jump that does not reach: everything is left as it was.
    let Ok(rewritten) = patch::level::rewrite(code, pages.address()) else {
        patches.level_left += in_windows;
        return Ok(());
    };
    pages.commit(0, pages.bytes(), Protection::ReadWrite)?;
    guarded::write(pages.address(), &rewritten.pages).map_err(|_| LoadError::Unreachable)?;
    pages.protect(0, pages.bytes(), Protection::ReadExecute)?;
    for (window, jump) in plan.windows.iter().zip(&rewritten.jumps) {
        bytes.put(window.at, jump).ok_or(LoadError::Truncated("sections"))?;
    }
    run.detours.add(&rewritten.detours);
    patches.level = in_windows;
    Ok(())
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Some(run) = crate::run::current() {
            run.detours.forget(|home| self.memory.contains(home));
        }
    }
}

fn protection(section: &Section) -> Protection {
    match (section.executable(), section.writable()) {
        (true, _) => Protection::ReadExecute,
        (false, true) => Protection::ReadWrite,
        (false, false) => Protection::Read,
    }
}

impl Headers {
    /// The image as it lies in memory, before it is linked.
    fn lay_out(&self, file: &[u8]) -> Result<Bytes, LoadError> {
        let mut image = Bytes::zeroed(self.image_bytes);
        let head = file.get(..self.header_bytes as usize).ok_or(LoadError::Truncated("headers"))?;
        image.put(0, head).ok_or(LoadError::Truncated("headers"))?;
        for section in &self.sections {
            let content = section.content(file)?;
            image.put(section.at, content).ok_or_else(|| LoadError::SectionOutside(section.name.clone()))?;
        }
        Ok(image)
    }
}
