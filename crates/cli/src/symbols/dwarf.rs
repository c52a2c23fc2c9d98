//! DWARF: of mingw-made drivers, of separate `.debug` files, and of this program (the linked sample).

use std::sync::Arc;

use addr2line::Context;
use gimli::{EndianArcSlice, LittleEndian};
use object::{File, Object, ObjectSection, ObjectSegment};

use super::{Frame, MOST_FRAMES};

type Reader = EndianArcSlice<LittleEndian>;

/// An object file's DWARF.
pub(super) struct Dwarf {
    context: Context<Reader>,
    /// The address that the image's first byte was linked at.
    base: u64,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No object file.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// Broken DWARF.
    #[error(transparent)]
    Dwarf(#[from] gimli::Error),
    /// Sections are compressed.
    #[error("its debug sections are compressed; `objcopy --decompress-debug-sections` undoes that")]
    Compressed,
}

impl Dwarf {
    /// Nothing when the file has no DWARF.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let file = File::parse(bytes)?;
        let has = |name: &str| file.section_by_name(name).is_some();
        if has(".zdebug_info") {
            return Err(Error::Compressed);
        }
        if !has(".debug_info") {
            return Ok(None);
        }
        let load = |id: gimli::SectionId| -> Result<Reader, Error> {
            let data = match file.section_by_name(id.name()) {
                None => &[],
                Some(section) => {
                    if section.compressed_file_range()?.format != object::CompressionFormat::None {
                        return Err(Error::Compressed);
                    }
                    section.data()?
                }
            };
            Ok(EndianArcSlice::new(Arc::from(data), LittleEndian))
        };
        let context = Context::from_dwarf(gimli::Dwarf::load(load)?)?;
        Ok(Some(Self { context, base: base(&file) }))
    }

    /// The functions at an offset from the image's base, innermost first.
    pub(super) fn frames(&self, offset: u64) -> Result<Vec<Frame>, Error> {
        let Some(address) = self.base.checked_add(offset) else { return Ok(Vec::new()) };
        let mut found = self.context.find_frames(address).skip_all_loads()?;
        let mut frames = Vec::new();
        while let Some(frame) = found.next()? {
            let function = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let location = frame.location.as_ref();
            let file = location.and_then(|location| location.file);
            let line = location.and_then(|location| location.line);
            frames.push(Frame::new(function.as_deref(), file, line));
            if frames.len() >= MOST_FRAMES {
                break;
            }
        }
        // An address between functions has an empty frame.
        frames.retain(|frame| *frame != Frame::default());
        Ok(frames)
    }
}

/// The address that offsets count from.
fn base(file: &File<'_>) -> u64 {
    const PAGE: u64 = 0x1000;
    match file {
        File::Pe64(_) => file.relative_address_base(),
        _ => file.segments().map(|segment| segment.address()).min().unwrap_or(0) & !(PAGE - 1),
    }
}
