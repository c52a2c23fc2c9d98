//! What can be wrong with a driver's file.

use std::fmt;

use crate::layout::LayoutError;

/// Callers of a missing import that are named in a message.
const NAMED_CALLERS: usize = 3;

/// An import that nobody offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingImport {
    /// The module that the file expects it in.
    pub module: String,
    /// Its name, or `#number`.
    pub name: String,
    /// Where the driver's code calls it, or takes its address, relative to the image.
    pub callers: Vec<u32>,
}

impl fmt::Display for MissingImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}", self.module, self.name)?;
        match self.callers.as_slice() {
            [] => Ok(()),
            [first, rest @ ..] => {
                write!(f, " (used at +{first:#x}")?;
                for caller in rest.iter().take(NAMED_CALLERS - 1) {
                    write!(f, ", +{caller:#x}")?;
                }
                let more = self.callers.len().saturating_sub(NAMED_CALLERS);
                if more > 0 { write!(f, " and {more} more)") } else { f.write_str(")") }
            }
        }
    }
}

/// Why a file cannot be loaded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadError {
    /// The file ends inside this part of it.
    #[error("the file is truncated: its {0} are not all there")]
    Truncated(&'static str),
    /// Not an executable image at all.
    #[error("not a PE image: {0}")]
    NotPe(&'static str),
    /// A 32-bit image.
    #[error("not a 64-bit image (PE32+): optional header magic {0:#x}")]
    NotPe64(u16),
    /// For another processor.
    #[error("not an image for x86-64: machine {0:#x}")]
    NotX64(u16),
    /// Sections not aligned to pages cannot have permissions of their own.
    #[error("sections are aligned to {0:#x} bytes, not to whole pages")]
    Alignment(u32),
    /// `SizeOfImage` is zero, more than 256 MiB, or smaller than the headers.
    #[error("an image of {0:#x} bytes is not possible")]
    ImageSize(u32),
    /// A section reaches beyond the image, or is not at a page.
    #[error("section {0} lies outside of the image")]
    SectionOutside(String),
    /// Two sections share addresses, or are not in order.
    #[error("section {0} overlaps what comes before it")]
    SectionsOverlap(String),
    /// The entry point is not in an executable section.
    #[error("the entry point {0:#x} is not code")]
    EntryPoint(u32),
    /// A data directory's content makes no sense.
    #[error("the {0} directory is damaged")]
    Directory(&'static str),
    /// Relocations were stripped, and the image cannot be where it wants to be.
    #[error("the image has no relocations")]
    NotRelocatable,
    /// A relocation of a kind that x86-64 images do not have.
    #[error("relocation of unknown kind {0}")]
    RelocationKind(u16),
    /// All imports that nobody offers.
    #[error("missing imports: {}", list(.0))]
    MissingImports(Vec<MissingImport>),
    /// No address space, or the host system refused.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The pages just mapped cannot be written: a defect of the host.
    #[error("the image's own pages cannot be written")]
    Unreachable,
    /// The module table is full.
    #[error("too many modules are loaded")]
    TooManyModules,
}

fn list(missing: &[MissingImport]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What is unusual about a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadWarning {
    /// Drivers have subsystem 1 (native).
    #[error("subsystem {0} instead of native (1)")]
    Subsystem(u16),
    /// The section wants to be writable and executable; it is not writable here.
    #[error("section {0} is writable and executable in the file; here it is not writable")]
    WritableCode(String),
}
